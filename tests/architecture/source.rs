//! Reads one Rust file as the architecture test needs it: which paths it names on which lines, with
//! tests, comments and strings left out.

#![expect(clippy::indexing_slicing, reason = "test helpers; an index out of bounds fails the test")]

use std::ops::RangeInclusive;
use std::str::FromStr as _;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// What a file says once its tests are taken out.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Every path, groups of a `use` spread out, in the order of the file.
    pub(crate) paths: Vec<Named>,
    /// Lines that are not tests.
    pub(crate) shipped_lines: usize,
    /// Modules declared as `#[cfg(test)] mod NAME;`, whose files are tests as a whole.
    pub(crate) test_modules: Vec<String>,
    /// Attributes, by their first word.
    pub(crate) attributes: Vec<Named>,
    /// Names that mean something of our own in this file: child modules and imports from the crate.
    pub(crate) own_names: Vec<String>,
}

/// A path as it stands in a file.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// Its line, from 1.
    pub(crate) line: usize,
    /// Its segments as written: `["crate", "model", "Row"]`.
    pub(crate) segments: Vec<String>,
    /// Modules written inline around it, outermost first.
    pub(crate) inside: Vec<String>,
    /// Whether it stands in a `use`, or a `!` follows it.
    pub(crate) form: Form,
}

/// How a path is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// In a `use` item.
    Import,
    /// As a macro that is called.
    Macro,
    /// Anywhere else.
    Mention,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Separator,
    Sign(char),
    Open(Delimiter),
    Close(Delimiter),
    Literal,
}

/// Reads `text`.
///
/// # Panics
///
/// If it is not Rust.
pub(crate) fn read(text: &str) -> Source {
    let stream = TokenStream::from_str(text).expect("the compiler reads it too");
    let mut source = Source::default();
    let mut tokens = Vec::new();
    let mut tests = Vec::new();
    flatten(stream, &mut tokens, &mut tests, &mut source);
    source.shipped_lines =
        text.lines().count() - tests.iter().map(|lines| lines.clone().count()).sum::<usize>();
    collect_paths(&tokens, &mut source);
    source
}

/// Writes the trees of `stream` in a row, without what `#[cfg(test)]` marks.
fn flatten(
    stream: TokenStream,
    out: &mut Vec<(Token, usize)>,
    tests: &mut Vec<RangeInclusive<usize>>,
    source: &mut Source,
) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while let Some(tree) = trees.get(at) {
        let line = tree.span().start().line;
        if let Some(attribute) = attribute(&trees, at) {
            let words: Vec<String> = attribute.to_string().split(' ').map(str::to_owned).collect();
            source.attributes.push(Named { line, segments: words, inside: Vec::new(), form: Form::Mention });
            if is_for_tests(&attribute) {
                let end = end_of_item(&trees, at + 2);
                source.test_modules.extend(declared_module(&trees[at..end]));
                tests.push(line..=trees[end - 1].span().end().line);
                at = end;
                continue;
            }
        }
        match tree {
            TokenTree::Group(group) => {
                out.push((Token::Open(group.delimiter()), line));
                flatten(group.stream(), out, tests, source);
                out.push((Token::Close(group.delimiter()), group.span().end().line));
            }
            TokenTree::Ident(word) => out.push((Token::Word(word.to_string()), line)),
            TokenTree::Literal(_) => out.push((Token::Literal, line)),
            TokenTree::Punct(sign) => {
                let twin = matches!(trees.get(at + 1), Some(TokenTree::Punct(next)) if next.as_char() == ':');
                if sign.as_char() == ':' && sign.spacing() == Spacing::Joint && twin {
                    out.push((Token::Separator, line));
                    at += 1;
                } else {
                    out.push((Token::Sign(sign.as_char()), line));
                }
            }
        }
        at += 1;
    }
}

/// The inside of the attribute that starts at `at`, if one does.
fn attribute(trees: &[TokenTree], at: usize) -> Option<TokenStream> {
    match (&trees[at], trees.get(at + 1)?) {
        (TokenTree::Punct(sign), TokenTree::Group(group))
            if sign.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
        {
            Some(group.stream())
        }
        _ => None,
    }
}

fn is_for_tests(attribute: &TokenStream) -> bool {
    let text = attribute.to_string().replace(' ', "");
    text.starts_with("cfg(test)") || text.starts_with("cfg(all(test,") || text == "test"
}

/// The index behind the item that starts at or after `at`.
fn end_of_item(trees: &[TokenTree], mut at: usize) -> usize {
    while let Some(tree) = trees.get(at) {
        at += 1;
        match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
            TokenTree::Punct(sign) if sign.as_char() == ';' => break,
            _ => {}
        }
    }
    at
}

fn declared_module(item: &[TokenTree]) -> Option<String> {
    let at = item.iter().position(|tree| tree.to_string() == "mod")?;
    let closed = item.last().is_some_and(|tree| tree.to_string() == ";");
    closed.then(|| item[at + 1].to_string())
}

/// Finds the paths in a row of tokens, and the inline modules they stand in.
fn collect_paths(tokens: &[(Token, usize)], source: &mut Source) {
    let mut inside: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut form = Form::Mention;
    let mut at = 0;
    while let Some((token, _)) = tokens.get(at) {
        match token {
            Token::Open(Delimiter::Brace) => {
                if let Some(name) = module_before(tokens, at) {
                    inside.push((name, depth));
                }
                depth += 1;
            }
            Token::Close(Delimiter::Brace) => {
                depth -= 1;
                inside.pop_if(|(_, outside)| *outside == depth);
            }
            Token::Sign(';') => form = Form::Mention,
            Token::Word(word) if word == "use" => form = Form::Import,
            Token::Word(word) if word == "mod" => {
                if let Some((Token::Word(name), _)) = tokens.get(at + 1) {
                    source.own_names.push(name.clone());
                }
            }
            Token::Word(_) => {
                let modules: Vec<String> = inside.iter().map(|(name, _)| name.clone()).collect();
                at = path(tokens, at, &[], &mut |mut named: Named| {
                    named.inside.clone_from(&modules);
                    if form == Form::Import {
                        named.form = form;
                    }
                    source.paths.push(named);
                });
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    let ours = source.paths.iter().filter(|path| {
        path.form == Form::Import && matches!(path.segments[0].as_str(), "crate" | "super" | "self")
    });
    // `use crate::notify::{self, X}` binds `notify`.
    let bound = |path: &Named| path.segments.iter().rev().find(|segment| *segment != "self").cloned();
    source.own_names.extend(ours.filter_map(bound));
}

fn module_before(tokens: &[(Token, usize)], brace: usize) -> Option<String> {
    match (&tokens.get(brace.checked_sub(2)?)?.0, &tokens.get(brace - 1)?.0) {
        (Token::Word(word), Token::Word(name)) if word == "mod" => Some(name.clone()),
        _ => None,
    }
}

/// Reads the path that starts at `at`, spreading groups; returns the index behind it.
fn path(tokens: &[(Token, usize)], mut at: usize, prefix: &[String], found: &mut dyn FnMut(Named)) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens[at].1;
    loop {
        match tokens.get(at).map(|(token, _)| token) {
            Some(Token::Word(word)) => segments.push(word.clone()),
            Some(Token::Sign('*')) => segments.push("*".to_owned()),
            Some(Token::Open(Delimiter::Brace)) => return group(tokens, at + 1, &segments, found),
            _ => break,
        }
        at += 1;
        if !matches!(tokens.get(at), Some((Token::Separator, _))) {
            break;
        }
        at += 1;
    }
    let renamed = matches!(tokens.get(at), Some((Token::Word(word), _)) if word == "as");
    if renamed && segments.last().is_some_and(|last| matches!(last.as_str(), "crate" | "super" | "self")) {
        segments.push("*".to_owned());
    }
    let called = matches!(tokens.get(at), Some((Token::Sign('!'), _)));
    let form = if called { Form::Macro } else { Form::Mention };
    found(Named { line, segments, inside: Vec::new(), form });
    at
}

/// Reads the branches of `prefix::{...}`, from behind the brace; returns the index behind its end.
fn group(tokens: &[(Token, usize)], mut at: usize, prefix: &[String], found: &mut dyn FnMut(Named)) -> usize {
    loop {
        match tokens.get(at).map(|(token, _)| token) {
            None => return at,
            Some(Token::Close(_)) => return at + 1,
            Some(Token::Word(word)) if word == "as" => at += 2,
            Some(Token::Word(_) | Token::Sign('*')) => at = path(tokens, at, prefix, found),
            Some(_) => at += 1,
        }
    }
}
