//! Problems as SARIF 2.1.0, which code hosts and editors show beside the lines.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::diag::{Code, Diagnostic, Level, Span, Suggestion};
use crate::kql;

/// Where the schema of these documents is.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The name under which paths count from the folder in which huntbook was started.
const ROOT: &str = "%SRCROOT%";

/// Writes problems, with the rules they break. Paths below `folder` are relative to it.
pub(super) fn document(problems: &[Diagnostic], folder: &Path) -> Value {
    let mut codes: Vec<Code> = problems.iter().map(|problem| problem.code).collect();
    codes.sort();
    codes.dedup();
    let results: Vec<Value> = problems.iter().map(|problem| result(problem, &codes, folder)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "huntbook",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().copied().map(rule).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A kind of problem.
fn rule(code: Code) -> Value {
    let title = match code {
        Code::Kql(number) => kql::title(number).unwrap_or_else(|| code.title()),
        own => own.title(),
    };
    let about = code.explanation().unwrap_or_else(|| code.about()).trim();
    json!({
        "id": code.as_str(),
        "shortDescription": {"text": title},
        "fullDescription": {"text": about},
        "help": {"text": format!("{title}\n\n{about}\n\n`huntbook explain {code}` says the same.")},
    })
}

fn result(problem: &Diagnostic, codes: &[Code], folder: &Path) -> Value {
    let label = Some(problem.label.as_str()).filter(|label| !label.is_empty());
    let mend = problem.suggestion.as_ref().map(|mend| mend.message.as_str());
    let lines = std::iter::once(problem.message.as_str());
    let text: Vec<&str> =
        lines.chain(label).chain(problem.help.iter().map(String::as_str)).chain(mend).collect();
    let mut result = Map::new();
    result.insert("ruleId".to_owned(), json!(problem.code.as_str()));
    result.insert(
        "ruleIndex".to_owned(),
        json!(codes.iter().position(|code| *code == problem.code).unwrap_or_default()),
    );
    result.insert(
        "level".to_owned(),
        json!(match problem.level {
            Level::Error => "error",
            Level::Warning => "warning",
        }),
    );
    result.insert("message".to_owned(), json!({"text": text.join("\n")}));
    result.insert("locations".to_owned(), json!([{"physicalLocation": place(&problem.span, folder)}]));
    if let Some(mend) = &problem.suggestion {
        result.insert("fixes".to_owned(), json!([fix(mend, &problem.span, folder)]));
    }
    Value::Object(result)
}

/// Where something is. A file that could not be read has no lines.
fn place(span: &Span, folder: &Path) -> Value {
    let file = artifact(&span.source.name, folder);
    if span.source.text.is_empty() {
        json!({"artifactLocation": file})
    } else {
        json!({"artifactLocation": file, "region": region(span)})
    }
}

fn fix(mend: &Suggestion, span: &Span, folder: &Path) -> Value {
    let at = Span { range: mend.range.clone(), ..span.clone() };
    json!({
        "description": {"text": mend.message},
        "artifactChanges": [{
            "artifactLocation": artifact(&span.source.name, folder),
            "replacements": [{"deletedRegion": region(&at), "insertedContent": {"text": mend.replacement}}],
        }],
    })
}

/// Lines and columns from 1, columns in characters, the end exclusive.
fn region(span: &Span) -> Value {
    let (line, column) = span.line_column();
    let end = Span { range: span.range.end..span.range.end, ..span.clone() };
    let (end_line, end_column) = end.line_column();
    json!({"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column})
}

/// A file as a URI: relative below the folder, absolute elsewhere, a bare name for what is no file.
fn artifact(name: &str, folder: &Path) -> Value {
    let path = Path::new(name);
    let below = path.strip_prefix(folder).unwrap_or(path);
    let below = below.strip_prefix("./").unwrap_or(below);
    if below.is_absolute() {
        json!({"uri": format!("file://{}", escaped(below))})
    } else {
        json!({"uri": escaped(below), "uriBaseId": ROOT})
    }
}

/// A path with what means something in a URI escaped.
fn escaped(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.to_string_lossy().bytes().map(escape).collect()
}
