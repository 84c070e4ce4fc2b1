//! Writes a playbook as YAML: block style, queries as block scalars, what could be read as something else in
//! quotes.

use serde_json::{Map, Value};

/// Longest list that stands on one line, in characters.
const FLOW_CHARS_MAX: usize = 90;

/// Writes a document.
pub(super) fn yaml(fields: &Map<String, Value>) -> String {
    let mut out = String::new();
    map(fields, 0, &mut out);
    out
}

fn map(fields: &Map<String, Value>, indent: usize, out: &mut String) {
    for (key, value) in fields {
        pad(indent, out);
        out.push_str(&scalar(key));
        out.push(':');
        below(value, indent, out);
    }
}

/// Writes what stands after a key.
fn below(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            map(fields, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            if let Some(line) = flow(items) {
                out.push(' ');
                out.push_str(&line);
                out.push('\n');
            } else {
                out.push('\n');
                list(items, indent + 2, out);
            }
        }
        Value::String(text) if is_block(text) => block(text, indent + 2, out),
        other => {
            out.push(' ');
            out.push_str(&plain(other));
            out.push('\n');
        }
    }
}

/// Writes a list, one item a line; the first field of an item stands beside its dash.
fn list(items: &[Value], indent: usize, out: &mut String) {
    for item in items {
        pad(indent, out);
        out.push('-');
        match item {
            Value::Object(fields) if !fields.is_empty() => {
                let mut text = String::new();
                map(fields, indent + 2, &mut text);
                out.push(' ');
                out.push_str(text.trim_start_matches(' '));
            }
            other => below(other, indent, out),
        }
    }
}

/// A short list of scalars on one line.
fn flow(items: &[Value]) -> Option<String> {
    let scalars = items.iter().map(|item| match item {
        Value::Object(_) | Value::Array(_) => None,
        Value::String(text) if text.contains(['\n', ',', '[', ']', '{', '}']) => None,
        other => Some(plain(other)),
    });
    let scalars: Option<Vec<String>> = scalars.collect();
    let line = format!("[{}]", scalars?.join(", "));
    (line.len() <= FLOW_CHARS_MAX).then_some(line)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        other => other.to_string(),
    }
}

/// A text: as it is if nothing else could be read into it, else in JSON's quotes, which are YAML's too.
fn scalar(text: &str) -> String {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_-./ ()'+$@".contains(letter);
    let starts = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '$');
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let safe = starts
        && text.len() <= 200
        && !text.ends_with(' ')
        && text.chars().all(is_word)
        && !reserved.contains(&text.to_ascii_lowercase().as_str());
    if safe { text.to_owned() } else { quoted(text) }
}

/// A text in JSON's quotes, with everything escaped that cannot be seen or turns the reading direction.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for letter in Value::from(text).to_string().chars() {
        if is_hidden(letter) {
            let mut units = [0; 2];
            out.extend(letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(letter);
        }
    }
    out
}

/// Whether a letter is a control, a separator of lines, or a mark of format or direction.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a text can stand as a block, exactly as it is.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && text.chars().all(|letter| matches!(letter, '\n' | '\t') || !is_hidden(letter))
        && text.lines().all(|line| !line.starts_with('\t'))
}

fn block(text: &str, indent: usize, out: &mut String) {
    // The first line's own indentation would be taken for the block's: then it is named.
    let named = text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| line.starts_with(' '));
    let end = if text.ends_with('\n') { "" } else { "-" };
    out.push_str(" |");
    if named {
        out.push('2');
    }
    out.push_str(end);
    out.push('\n');
    for line in text.lines() {
        if !line.is_empty() {
            pad(indent, out);
            out.push_str(line);
        }
        out.push('\n');
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}
