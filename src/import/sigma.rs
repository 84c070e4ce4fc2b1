//! Sigma rules. Their queries are made by `sigma convert`, which people who have such rules have.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use super::fields::{Draft, Fields};
use super::{ImportError, Imported, Kind};

/// Turns the text of a Sigma rule into a query.
pub type Convert<'a> = dyn Fn(&str) -> Result<String, SigmaError> + 'a;

/// How the converter is called: the query language, and the fields of Defender's tables.
const ARGUMENTS: [&str; 7] =
    ["convert", "--target", "kusto", "--pipeline", "microsoft_xdr", "--disable-pipeline-check", "-"];

/// Longest complaint of the converter that is shown, in characters.
const COMPLAINT_CHARS_MAX: usize = 400;

/// Why a Sigma rule was not converted.
#[derive(Debug, thiserror::Error)]
pub enum SigmaError {
    /// The converter is not there.
    #[error(
        "`sigma` is not installed: `pipx install sigma-cli`, then `sigma plugin install kusto`, and import again"
    )]
    NotInstalled,
    /// It could not be run.
    #[error("`sigma convert` could not be run")]
    Run(#[source] std::io::Error),
    /// It refused the rule.
    #[error("`sigma convert` refused the rule: {0}")]
    Refused(String),
}

/// Runs the converter on a rule.
///
/// # Errors
///
/// [`SigmaError`] with what the converter says.
pub fn convert(program: &Path, rule: &str) -> Result<String, SigmaError> {
    let mut child = Command::new(program)
        .args(ARGUMENTS)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(SigmaError::Run)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(rule.as_bytes()).map_err(SigmaError::Run)?;
    }
    let done = child.wait_with_output().map_err(SigmaError::Run)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let query = text(&done.stdout);
    if done.status.success() && !query.is_empty() {
        return Ok(query);
    }
    let complaint = text(&done.stderr);
    Err(SigmaError::Refused(complaint.chars().take(COMPLAINT_CHARS_MAX).collect()))
}

const KNOWN: &[(&str, &str)] = &[
    ("logsource", "the converter has made the table of it"),
    ("detection", "the converter has made the query of it"),
    ("date", "the file's own history says when it was written"),
    ("modified", "the file's own history says when it was changed"),
    ("fields", "`project` in the query says which columns are shown"),
    ("related", "playbooks do not refer to each other"),
    ("license", "keep it beside the playbook"),
];

/// Reads a rule.
pub(super) fn read(
    source: &str,
    text: &str,
    object: Map<String, Value>,
    convert: &Convert<'_>,
) -> Result<Imported, ImportError> {
    let query = convert(text)?;
    let mut rule = Fields::new(object);
    let mut draft = Draft::new(source, Kind::Sigma);
    draft.id("id", rule.take("id").as_ref());
    if let Some(title) = rule.text("title") {
        draft.name(&title);
    }
    for key in ["description", "author"] {
        if let Some(text) = rule.text(key) {
            draft.set(key, text.into());
        }
    }
    if let Some(status) = rule.text("status") {
        draft.set("status", status.into());
    }
    for (key, ours) in [("references", "references"), ("falsepositives", "falsePositives")] {
        let texts = rule.texts(key);
        if !texts.is_empty() {
            draft.set(ours, json!(texts));
        }
    }
    draft.severity("level", rule.take("level").as_ref());
    tags(&rule.texts("tags"), &mut draft);
    draft.query(&query)?;
    rule.name_the_rest("", KNOWN, &mut draft);
    Ok(draft.finish())
}

/// `attack.execution` is a tactic, `attack.t1059.001` a technique; other tags have no place.
fn tags(tags: &[String], draft: &mut Draft) {
    let (mut tactics, mut techniques) = (Vec::new(), Vec::new());
    for tag in tags {
        match tag.strip_prefix("attack.") {
            Some(name)
                if name.starts_with(['t', 'T']) && name.contains(|letter: char| letter.is_ascii_digit()) =>
            {
                techniques.push(name.to_owned());
            }
            Some(name) if !name.contains(|letter: char| letter.is_ascii_digit()) => {
                tactics.push(name.to_owned());
            }
            Some(_) | None => {
                draft.left_out("tags", format!("`{tag}`: playbooks have tactics and techniques only"));
            }
        }
    }
    draft.tactics("tags", &tactics);
    draft.techniques("tags", &techniques);
}
