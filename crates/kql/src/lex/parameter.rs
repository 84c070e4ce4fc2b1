//! Parameters: `@name` stands for a literal that is not in the text.
//!
//! A parameter is a token of its own. Inside strings and comments `@` is text, and `@"…"` is a verbatim string.

use super::cursor::Cursor;
use super::literal::is_word;
use super::{Token, TokenKind, lex};

/// What may stand right before a literal without becoming a part of it, and right behind it. Between a literal and any
/// other word, sign or quote there is a blank.
const MAY_PRECEDE: [char; 3] = ['(', '[', ','];
const MAY_FOLLOW: [char; 5] = [')', ']', ',', ';', '|'];

/// Tells whether a text begins with a parameter.
pub(super) fn is_next(text: &str) -> bool {
    text.strip_prefix('@')
        .is_some_and(|name| name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'))
}

/// Reads the parameter that is next.
pub(super) fn token(cursor: &mut Cursor<'_>) -> Token {
    let start = cursor.at();
    cursor.skip(1);
    cursor.eat_while(is_word);
    Token { kind: TokenKind::Parameter, span: cursor.since(start) }
}

/// Returns the name of a parameter as it is written.
pub(crate) fn name(written: &str) -> &str {
    written.strip_prefix('@').unwrap_or(written)
}

/// Returns the names of the parameters of a query, in the order of the text, as often as they stand there.
pub fn parameters(text: &str) -> Vec<&str> {
    let tokens = lex(text).tokens;
    let written = tokens.iter().filter(|token| token.kind == TokenKind::Parameter);
    written.map(|token| name(token.span.of(text))).collect()
}

/// Puts a literal in the place of each parameter. Nothing else of the text changes, but for blanks around a literal that
/// would grow together with what stands beside it.
///
/// # Errors
///
/// The name of a parameter for which there is no literal.
pub fn fill<'l>(text: &str, literal: impl Fn(&str) -> Option<&'l str>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut done = 0;
    for token in lex(text).tokens.iter().filter(|token| token.kind == TokenKind::Parameter) {
        let (start, end) = (token.span.start as usize, token.span.end as usize);
        let name = name(token.span.of(text));
        let literal = literal(name).ok_or_else(|| name.to_owned())?;
        filled.push_str(text.get(done..start).unwrap_or_default());
        if filled.ends_with(|last: char| !last.is_whitespace() && !MAY_PRECEDE.contains(&last)) {
            filled.push(' ');
        }
        filled.push_str(literal);
        let rest = text.get(end..).unwrap_or_default();
        if rest.starts_with(|next: char| !next.is_whitespace() && !MAY_FOLLOW.contains(&next)) {
            filled.push(' ');
        }
        done = end;
    }
    filled.push_str(text.get(done..).unwrap_or_default());
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_are_filled() {
        let text = "// @a\nT | where x in (@a) and y == '@a' and z == @\"@a\" and @b==1 // @b\n| where c in[@a,@b] ~~~@a~~~";
        assert_eq!(parameters(text), ["a", "b", "a", "b"]);
        let literal = |name: &str| Some(if name == "a" { "dynamic([\"@b\"])" } else { "5" });
        assert_eq!(
            fill(text, literal).as_deref(),
            Ok(
                "// @a\nT | where x in (dynamic([\"@b\"])) and y == '@a' and z == @\"@a\" and 5 ==1 // @b\n| where c in[dynamic([\"@b\"]),5] ~~~@a~~~"
            )
        );
    }

    #[test]
    fn a_literal_does_not_grow_together_with_what_stands_beside_it() {
        let filled = |text: &str| fill(text, |_name| Some("\"x\""));
        assert_eq!(filled("x in@a").as_deref(), Ok("x in \"x\""));
        assert_eq!(filled("h@a").as_deref(), Ok("h \"x\""));
        assert_eq!(filled("@@a").as_deref(), Ok("@ \"x\""));
        assert_eq!(filled("x==@a").as_deref(), Ok("x== \"x\""));
        assert_eq!(filled("(@a..@a)").as_deref(), Ok("(\"x\" .. \"x\")"));
        assert_eq!(filled("@a'b'").as_deref(), Ok("\"x\" 'b'"));
        assert_eq!(filled("f(@a, @a)").as_deref(), Ok("f(\"x\", \"x\")"));
    }

    #[test]
    fn what_has_no_literal_is_told_and_what_is_no_name_stays() {
        assert_eq!(fill("x == @a", |_name| None), Err("a".to_owned()));
        assert_eq!(fill("x == @1 and @ a", |_name| None).as_deref(), Ok("x == @1 and @ a"));
    }
}
