//! Markdown: each fenced block of KQL is a query; the heading above it is its name, the paragraph before it
//! says what it is for.

use super::fields::Draft;
use super::{ImportError, Imported, Kind, PLAYBOOKS_MAX, Part};

/// Longest description taken from the text, in characters.
const DESCRIPTION_CHARS_MAX: usize = 1_000;

/// Languages of a fenced block that are KQL.
const LANGUAGES: [&str; 6] = ["kql", "kusto", "kustoquery", "csl", "azurekusto", "kustoquerylanguage"];

/// Reads every query.
pub(super) fn read(name: &str, text: &str) -> Result<Vec<Part>, ImportError> {
    let blocks = blocks(text);
    if blocks.is_empty() {
        return Err(ImportError::NoQuery);
    }
    let read = |block: Block<'_>| {
        let source = format!("{name}:{}", block.line);
        let made = playbook(&source, &block);
        made.map_err(|error| (source, error))
    };
    Ok(blocks.into_iter().take(PLAYBOOKS_MAX).map(read).collect())
}

/// A fenced block, and what stands before it.
struct Block<'a> {
    /// Line of its fence, from 1.
    line: usize,
    heading: &'a str,
    paragraph: String,
    query: String,
    /// How many blocks stood under this heading before.
    nth: usize,
}

fn playbook(source: &str, block: &Block<'_>) -> Result<Imported, ImportError> {
    let mut draft = Draft::new(source, Kind::Markdown);
    let name = if block.heading.is_empty() { "Query" } else { block.heading };
    if block.nth > 0 {
        draft.name(&format!("{name} ({})", block.nth + 1));
    } else {
        draft.name(name);
    }
    if !block.paragraph.is_empty() {
        let short: String = block.paragraph.chars().take(DESCRIPTION_CHARS_MAX).collect();
        draft.set("description", short.into());
    }
    let techniques: Vec<String> = [block.heading, &block.paragraph].into_iter().flat_map(mentioned).collect();
    draft.techniques("techniques", &techniques);
    draft.query(&block.query)?;
    Ok(draft.finish())
}

/// Techniques a text mentions: `T1059.001`.
fn mentioned(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '.'));
    let is_one = |word: &&str| {
        let digits = word.strip_prefix('T').map(|rest| rest.replacen('.', "", 1));
        digits.is_some_and(|digits| {
            matches!(digits.len(), 4 | 7) && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    words.map(|word| word.trim_matches('.')).filter(is_one).map(str::to_owned).collect()
}

/// Where a line stands.
enum At<'a> {
    /// In the text.
    Text,
    /// In a fenced block that ends with this many of this letter; its query if it is one.
    Fence { mark: &'a str, query: Option<Block<'a>> },
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found: Vec<Block<'_>> = Vec::new();
    let (mut heading, mut paragraph, mut fresh, mut nth) = ("", String::new(), true, 0);
    let mut at = At::Text;
    for (index, line) in text.lines().enumerate() {
        match &mut at {
            At::Fence { mark, query } => {
                if line.trim().starts_with(*mark) && line.trim().trim_matches(['`', '~']).is_empty() {
                    found.extend(query.take());
                    at = At::Text;
                } else if let Some(block) = query {
                    block.query.push_str(line);
                    block.query.push('\n');
                }
            }
            At::Text => {
                if let Some((mark, language)) = fence(line) {
                    let is_kql = LANGUAGES.contains(&language.to_ascii_lowercase().as_str());
                    let query = is_kql.then(|| {
                        let paragraph = std::mem::take(&mut paragraph);
                        Block { line: index + 1, heading, paragraph, query: String::new(), nth }
                    });
                    nth += usize::from(query.is_some());
                    at = At::Fence { mark, query };
                    fresh = true;
                } else if let Some(title) = line.strip_prefix('#') {
                    (heading, nth, fresh) = (title.trim_start_matches('#').trim(), 0, true);
                    paragraph.clear();
                } else if line.trim().is_empty() {
                    fresh = true;
                } else {
                    if std::mem::take(&mut fresh) {
                        paragraph.clear();
                    }
                    let gap = if paragraph.is_empty() { "" } else { " " };
                    paragraph.push_str(gap);
                    paragraph.push_str(line.trim());
                }
            }
        }
    }
    // A fence without an end goes to the end of the text, as readers of Markdown take it.
    if let At::Fence { query: Some(block), .. } = at {
        found.push(block);
    }
    found
}

/// The opening of a fenced block: its mark and its language.
fn fence(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let letter = line.chars().next().filter(|letter| matches!(letter, '`' | '~'))?;
    let language = line.trim_start_matches(letter);
    let mark = line.get(..line.len() - language.len())?;
    let language = language.split_whitespace().next().unwrap_or_default().trim_matches(['{', '}', '.']);
    (mark.len() >= 3).then_some((mark, language))
}
