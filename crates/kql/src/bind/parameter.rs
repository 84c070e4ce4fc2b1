//! Parameters that stand for nothing.

use super::UNKNOWN_PARAMETER;
use super::names::nearest;
use crate::diagnostic::Diagnostic;
use crate::lex::{Token, TokenKind, parameter_name};
use crate::parse::Parameters;

/// Says which parameters of a query stand for nothing.
pub(super) fn unknown<'t>(
    text: &'t str,
    tokens: &'t [Token],
    parameters: &'t Parameters,
) -> impl Iterator<Item = Diagnostic> + 't {
    let written = tokens.iter().filter(|token| token.kind == TokenKind::Parameter);
    let unknown = written.filter(|token| {
        let name = parameter_name(token.span.of(text));
        !parameters.names().any(|known| known == name)
    });
    unknown.map(|token| {
        let name = parameter_name(token.span.of(text));
        let diagnostic =
            Diagnostic::error(UNKNOWN_PARAMETER, token.span, format!("there is no parameter `{name}`"));
        match nearest(name, parameters.names()) {
            Some(likely) => diagnostic
                .with_help(format!("did you mean `@{likely}`?"))
                .with_fix(token.span, format!("@{likely}")),
            None => diagnostic,
        }
    })
}
