//! Handlebars text, and the encoders for the places it goes to.
//!
//! A [`Template`] is compiled once and knows what it reads ([`Template::references`]). It renders to
//! plain text: nothing is escaped here, because the whole text is encoded for its sink by the sink
//! ([`encode`]). Data is never rendered again: `{{` in a mail subject stays `{{`.
//!
//! Strict: a variable that does not exist is an error. No partials, no inline templates, no `lookup`.
//! Helpers are those listed in [`HELPERS`].

pub mod encode;
mod vocabulary;
mod walk;

use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use handlebars::{Context, Handlebars};
use serde_json::Value;

use crate::diag::{Code, Problem};

pub use vocabulary::HELPERS;

/// Longest text one template may render, in bytes. The largest sink takes 1 MiB; what is larger is cut
/// there anyway, and a loop in a loop must not fill the memory.
pub const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// Name of the one template a registry holds.
const NAME: &str = "text";

/// A text with `{{...}}`, compiled.
#[derive(Clone)]
pub struct Template {
    source: Arc<str>,
    parsed: Arc<handlebars::Template>,
    references: Arc<[Reference]>,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Template").field(&self.source).finish()
    }
}

/// A variable a template reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its path from the root; `[]` stands for each element of a list: `items`, `[]`, `row`, `DeviceId`.
    pub path: Vec<String>,
    /// Where it stands in the template, in bytes.
    pub range: Range<usize>,
}

/// A text that could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// A variable is not there.
    #[error("the text names `{name}`, which is not there")]
    Missing {
        /// Which.
        name: String,
    },
    /// The text is too long.
    #[error("the text is longer than {OUTPUT_BYTES_MAX} bytes")]
    TooLong,
    /// A helper was given something it cannot take.
    #[error("the text could not be rendered: {reason}")]
    Helper {
        /// Why.
        reason: String,
    },
}

static REGISTRY: LazyLock<Handlebars<'static>> = LazyLock::new(vocabulary::registry);

impl Template {
    /// Compiles a text.
    ///
    /// # Errors
    ///
    /// Every problem found: syntax (the first only), unknown helpers, forbidden features.
    pub fn compile(source: &str) -> Result<Self, Vec<Problem>> {
        let parsed = handlebars::Template::compile(source).map_err(|error| vec![syntax(source, &error)])?;
        let (references, problems) = walk::walk(source, &parsed);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { source: source.into(), parsed: Arc::new(parsed), references: references.into() })
    }

    /// The variables it reads, in the order of the text.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// The text as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders it with `data`, whose members are the variables. Plain text: encode it for its sink.
    ///
    /// # Errors
    ///
    /// [`TextError`]; nothing of a text that failed is used.
    pub fn render(&self, data: &Value) -> Result<String, TextError> {
        let mut registry = REGISTRY.clone();
        registry.register_template(NAME, (*self.parsed).clone());
        let mut out = Capped(Vec::new());
        let context = Context::from(data.clone());
        registry
            .render_with_context_to_write(NAME, &context, &mut out)
            .map_err(|error| self.failed(&error, &out))?;
        // Handlebars writes whole strings, so the bytes are text.
        Ok(String::from_utf8_lossy(&out.0).into_owned())
    }

    fn failed(&self, error: &handlebars::RenderError, out: &Capped) -> TextError {
        use handlebars::RenderErrorReason as Reason;
        match error.reason() {
            Reason::MissingVariable(name) => {
                TextError::Missing { name: name.clone().unwrap_or_else(|| self.source.trim().to_owned()) }
            }
            Reason::IOError(_) if out.0.len() <= OUTPUT_BYTES_MAX => TextError::TooLong,
            other => TextError::Helper { reason: other.to_string() },
        }
    }
}

/// A buffer that refuses to grow beyond the limit.
struct Capped(Vec<u8>);

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(io::Error::other("the text is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Byte offset of a line (from 1) and column (from 1, in characters) of a text.
fn offset(source: &str, line: usize, column: usize) -> usize {
    let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = source.get(start..).unwrap_or_default();
    let width: usize = rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    (start + width).min(source.len())
}

/// What the parser says, in our words.
fn syntax(source: &str, error: &handlebars::TemplateError) -> Problem {
    use handlebars::TemplateErrorReason as Reason;
    let start = error.pos().map_or(0, |(line, column)| offset(source, line, column));
    let end =
        source.get(start..).and_then(|rest| rest.chars().next()).map_or(start, |c| start + c.len_utf8());
    let problem = |message: String| Problem::new(Code::Template, start..end, message);
    match error.reason() {
        Reason::MismatchingClosedHelper(open, close) | Reason::MismatchingClosedDecorator(open, close) => {
            problem(format!("`{{{{#{open}}}}}` is closed by `{{{{/{close}}}}}`"))
        }
        Reason::NestedSubexpression => problem("a helper's name cannot be an expression".to_owned()),
        Reason::InvalidParam(param) => problem(format!("`{param}` is not a parameter")),
        _ => problem("this is not a Handlebars expression".to_owned())
            .help("write `{{name}}`, `{{#if name}}…{{/if}}`, `{{#each list}}…{{/each}}`; a literal `{{` is written `\\{{`"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(source: &str, data: &Value, expect: &str) {
        let template = Template::compile(source).unwrap();
        let rendered = template.render(data).map_err(|error| error.to_string());
        assert_eq!(rendered.unwrap_or_else(|error| format!("error: {error}")), expect, "{source}");
    }

    #[track_caller]
    fn refused(source: &str, code: Code, marked: &str, message: &str) {
        let problems = Template::compile(source).unwrap_err();
        let problem = problems.first().unwrap();
        assert_eq!(
            (problem.code, source.get(problem.range.clone()).unwrap(), problem.message.as_str()),
            (code, marked, message)
        );
    }

    #[track_caller]
    fn reads(source: &str, expect: &[&str]) {
        let template = Template::compile(source).unwrap();
        let found: Vec<String> =
            template.references().iter().map(|reference| reference.path.join(".")).collect();
        assert_eq!(found, expect, "{source}");
        for reference in template.references() {
            let last = reference.path.iter().rev().find(|part| *part != "[]").unwrap();
            let text = source.get(reference.range.clone()).unwrap();
            assert!(text.contains(last.as_str()) || text.contains("this"), "{text} {last}");
        }
    }

    #[test]
    fn variables_render_as_plain_text() {
        check("{{row.A}} {{row.B}} {{row.C}}", &json!({"row": {"A": "<b>&", "B": 3, "C": null}}), "<b>& 3 ");
        check("{{{row.A}}}", &json!({"row": {"A": "<b>"}}), "<b>");
    }

    #[test]
    fn data_is_never_rendered_again() {
        check("{{row.A}}", &json!({"row": {"A": "{{row.B}} {{#each x}}"}}), "{{row.B}} {{#each x}}");
    }

    #[test]
    fn a_missing_variable_is_an_error() {
        check("{{row.B}}", &json!({"row": {"A": 1}}), "error: the text names `row.B`, which is not there");
    }

    #[test]
    fn blocks_and_helpers_work() {
        let data = json!({"items": [{"row": {"A": "x"}}, {"row": {"A": "y"}}], "n": 2, "list": ["a", "b"]});
        check("{{#each items}}- {{row.A}}{{#unless @last}}\n{{/unless}}{{/each}}", &data, "- x\n- y");
        check("{{#if (gt n 1)}}many{{else}}one{{/if}}", &data, "many");
        check("{{upper \"ab\"}} {{lower \"AB\"}} {{join list \", \"}}", &data, "AB ab a, b");
        check(
            "{{truncate \"abcdef\" 4}} {{default n \"none\"}} {{json list}}",
            &data,
            "abc… 2 [\"a\",\"b\"]",
        );
        check("{{date \"2026-03-01T12:30:00Z\" \"%d.%m. %H:%M\"}}", &data, "01.03. 12:30");
    }

    #[test]
    fn references_are_resolved_from_the_root() {
        reads("{{row.DeviceId}} {{#if run.id}}{{upper row.X}}{{/if}}", &["row.DeviceId", "run.id", "row.X"]);
        reads(
            "{{#each items}}{{row.A}}{{this.key}}{{../run.id}}{{@index}}{{/each}}",
            &["items", "items.[].row.A", "items.[].key", "run.id"],
        );
        reads("{{#with row}}{{A}}{{/with}}", &["row", "row.A"]);
        reads("{{#each items as |entry|}}{{entry.row.A}}{{/each}}", &["items", "items.[].row.A"]);
        reads("{{@root.run.id}}", &["run.id"]);
    }

    #[test]
    fn what_is_not_allowed_is_refused_with_its_place() {
        refused("a {{uper row.A}}", Code::UnknownHelper, "uper", "there is no helper `uper`");
        refused("{{> other}}", Code::ForbiddenTemplate, "{{>", "partials are not allowed here");
        refused("{{lookup row \"A\"}}", Code::UnknownHelper, "lookup", "there is no helper `lookup`");
        refused("{{#if a}}x{{/unless}}", Code::Template, "{", "`{{#if}}` is closed by `{{/unless}}`");
    }

    #[test]
    fn a_text_is_cut_off_at_its_limit() {
        let data = json!({"items": vec!["x".repeat(1000); 2000]});
        check("{{#each items}}{{this}}{{/each}}", &data, "error: the text is longer than 1048576 bytes");
    }
}
