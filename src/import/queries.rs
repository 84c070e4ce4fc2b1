//! A file of queries: each of its queries is a playbook. Comment lines at its head are its name and what it is
//! for.

use std::path::Path;

use super::fields::Draft;
use super::{BYTES_MAX, Fate, ImportError, Imported, Kind, PLAYBOOKS_MAX, Part};
use crate::kql::{Query, Schema};
use crate::text::cut;

/// Longest first line of a comment that is a name.
const NAME_BYTES_MAX: usize = 120;

/// Most stretches between blank lines that are looked at one by one.
const STRETCHES_MAX: usize = 2_000;

/// Longest query that is looked for between blank lines.
const QUERY_BYTES_MAX: usize = 64 << 10;

/// Words that begin a statement which gives no rows.
const QUIET: [&str; 6] = ["let", "set", "declare", "alias", "pattern", "restrict"];

/// A query of a file.
struct Piece {
    /// The statements without rows that stand above the query before it.
    above: String,
    text: String,
}

/// Reads every query.
pub(super) fn read(name: &str, text: &str) -> Vec<Part> {
    let pieces = pieces(text);
    let only = pieces.len() < 2;
    let made = |(index, piece): (usize, Piece)| {
        let source = if only { name.to_owned() } else { format!("{name}#{}", index + 1) };
        playbook(name, &source, (index, &piece)).map_err(|error| (source, error))
    };
    pieces.into_iter().take(PLAYBOOKS_MAX).enumerate().map(made).collect()
}

fn playbook(file: &str, source: &str, (index, piece): (usize, &Piece)) -> Result<Imported, ImportError> {
    let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or("query");
    let stem = if index == 0 { stem.to_owned() } else { format!("{stem} ({})", index + 1) };
    let mut draft = Draft::new(source, Kind::Kql);
    let said: Vec<&str> = comments(&piece.text).collect();
    let named = said.iter().position(|line| labelled(line, &["name", "title"]).is_some());
    let first = said.first().filter(|line| line.len() <= NAME_BYTES_MAX).copied();
    let name = named.and_then(|place| labelled(said.get(place)?, &["name", "title"]));
    draft.name(name.or(first).unwrap_or(&stem));
    let rest = said.iter().enumerate().filter(|(place, _)| Some(*place) != named);
    let rest: Vec<&str> = rest.map(|(_, line)| labelled(line, &["description"]).unwrap_or(line)).collect();
    if !rest.is_empty() {
        draft.set("description", rest.join(" ").into());
    }
    if !piece.above.is_empty() {
        draft.note("query", Fate::Changed, "it begins with the statements that stand above it in the file");
    }
    draft.query(&format!("{}{}", piece.above, piece.text))?;
    Ok(draft.finish())
}

/// The lines of the comment at the head of a query, without what is empty.
fn comments(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    let lines = lines.take_while(|line| line.starts_with("//"));
    lines.map(|line| line.trim_start_matches('/').trim()).filter(|line| !line.is_empty())
}

/// What stands behind one of these labels: `Name: x`.
fn labelled<'a>(line: &'a str, labels: &[&str]) -> Option<&'a str> {
    let (label, value) = line.split_once(':')?;
    let is_one = labels.iter().any(|known| label.trim().eq_ignore_ascii_case(known));
    Some(value.trim()).filter(|value| is_one && !value.is_empty())
}

/// The queries of a file: those that `;` parts, and where the whole cannot be read, those that blank lines part.
/// What gives no rows belongs to all below it.
fn pieces(text: &str) -> Vec<Piece> {
    let (mut pieces, mut above, mut quiet) = (Vec::new(), String::new(), String::new());
    let is_whole = is_read(text);
    let whole = || vec![Piece { above: String::new(), text: text.to_owned() }];
    let mut repeated = 0;
    let statements = cut(text, ';').into_iter();
    for statement in statements.flat_map(|one| if is_whole { vec![one] } else { between_blanks(one) }) {
        let Some(code) = code(statement) else { continue };
        let word = code.split(|char: char| !char.is_ascii_alphanumeric()).next().unwrap_or_default();
        if QUIET.contains(&word) {
            quiet.push_str(statement.trim());
            quiet.push_str(";\n");
        } else {
            repeated += above.len();
            if BYTES_MAX < repeated {
                return whole();
            }
            pieces.push(Piece { above: above.clone(), text: format!("{quiet}{}", statement.trim()) });
            above.push_str(&std::mem::take(&mut quiet));
        }
    }
    if pieces.len() < 2 { whole() } else { pieces }
}

/// A statement cut at those blank lines behind which another begins: what is before can be read, and with what
/// comes then no more.
fn between_blanks(statement: &str) -> Vec<&str> {
    let mut starts = Vec::new();
    let (mut at, mut is_blank) = (0, true);
    for line in statement.split_inclusive('\n') {
        if is_blank && !line.trim().is_empty() {
            starts.push(at);
        }
        is_blank = line.trim().is_empty();
        at += line.len();
    }
    let part = |from: usize, to: usize| statement.get(from..to).unwrap_or_default();
    let (mut parts, mut from, mut comment) = (Vec::new(), 0, None);
    for (index, start) in starts.iter().enumerate().take(STRETCHES_MAX) {
        let end = starts.get(index + 1).copied().unwrap_or(statement.len());
        let Some(code) = code(part(*start, end)) else {
            comment.get_or_insert(*start);
            continue;
        };
        let edge = comment.take().unwrap_or(*start);
        let before = part(from, edge);
        if QUERY_BYTES_MAX < end - from {
            break;
        }
        let goes_on = code.starts_with('|') || self::code(before).is_none();
        if !goes_on && is_read(before) && !is_read(part(from, end)) {
            parts.push(before);
            from = edge;
        }
    }
    parts.push(part(from, statement.len()));
    parts
}

/// What follows the comments at the head of a text, if anything does.
fn code(text: &str) -> Option<&str> {
    let mut rest = text.trim_start();
    while rest.starts_with("//") {
        rest = rest.split_once('\n')?.1.trim_start();
    }
    Some(rest).filter(|rest| !rest.is_empty())
}

/// Whether the text is one of the query language.
fn is_read(text: &str) -> bool {
    Query::read(text, &Schema::defender()).columns().is_some()
}
