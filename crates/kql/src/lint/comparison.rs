//! Comparisons of text: slow ones, and ones that say less than they seem to.

use super::walk::{self, Visit, strip};
use super::{CONTAINS, Context, FOLDED_CASE, OUTDATED, SLOW_REGEX};
use crate::catalogue;
use crate::diagnostic::Diagnostic;
use crate::syntax::{BinaryOp, Expr, ExprKind, LiteralKind, Name};
use crate::text::Span;

/// Shortest term that the index of the service holds.
const TERM_MIN: usize = 4;

/// Reports comparisons and calls that have a better form.
pub(super) fn comparisons(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut look = Look { text: context.text, found };
    walk::query(&context.checked.parsed.query, &mut look);
}

struct Look<'f, 't> {
    text: &'t str,
    found: &'f mut Vec<Diagnostic>,
}

impl<'a> Visit<'a> for Look<'_, '_> {
    fn expr(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Binary { op, op_span, left, right, .. } => self.binary(*op, *op_span, left, right),
            ExprKind::Call { name, receiver: None, .. } => self.call(name),
            _ => {}
        }
    }
}

impl Look<'_, '_> {
    fn binary(&mut self, op: BinaryOp, op_span: Span, left: &Expr, right: &Expr) {
        match op {
            BinaryOp::Contains | BinaryOp::NotContains => self.contains(op, op_span, right),
            BinaryOp::Eq | BinaryOp::Ne => self.folded(op, op_span, left, right),
            BinaryOp::MatchesRegex => self.regex(op_span, right),
            _ => {}
        }
    }

    fn contains(&mut self, op: BinaryOp, op_span: Span, right: &Expr) {
        let Some(text) = literal(right) else {
            return;
        };
        let is_term = text.len() >= TERM_MIN && text.chars().all(char::is_alphanumeric);
        if is_term {
            let better = if op == BinaryOp::Contains { "has" } else { "!has" };
            let message = format!("`{}` reads every text in full", op.text());
            let help =
                format!("`{better}` looks up whole terms in the index; use it if `{text}` stands alone");
            self.found.push(Diagnostic::warning(CONTAINS, op_span, message).with_help(help));
        }
    }

    /// `tolower(x) == "y"` is `x =~ "y"`.
    fn folded(&mut self, op: BinaryOp, op_span: Span, left: &Expr, right: &Expr) {
        let sides = [(left, right), (right, left)];
        let folded = sides
            .into_iter()
            .find_map(|(call, other)| Some((folded_value(call)?, call, literal(other)?, other)));
        let Some(((upper, value), call, text, other)) = folded else {
            return;
        };
        let as_written = if upper { text.to_ascii_uppercase() } else { text.to_ascii_lowercase() };
        let better = if op == BinaryOp::Eq { "=~" } else { "!~" };
        let diagnostic =
            Diagnostic::warning(FOLDED_CASE, op_span, "the case of every text is folded to compare it")
                .with_help(format!("`{better}` ignores case and can use the index"));
        if !text.is_ascii() || as_written != *text {
            self.found
                .push(diagnostic.with_help("the text can never be equal: its letters are of the other case"));
            return;
        }
        let (inner, constant) = (value.span.of(self.text), other.span.of(self.text));
        let whole = call.span.to(other.span);
        self.found.push(diagnostic.with_fix(whole, format!("{inner} {better} {constant}")));
    }

    fn regex(&mut self, op_span: Span, right: &Expr) {
        let Some(text) = literal(right) else {
            return;
        };
        let plain = text
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '_' | '-' | ':' | '/'));
        if plain && !text.is_empty() {
            let message = "the regular expression is a plain text";
            let help = "`contains_cs` finds the same faster; `has_cs` if it is a whole term";
            self.found.push(Diagnostic::warning(SLOW_REGEX, op_span, message).with_help(help));
        } else if text.starts_with(".*") || text.ends_with(".*") {
            let message = "`.*` at an end of a regular expression matches anything";
            let help = "the operator looks anywhere in the text already; leave it out";
            self.found.push(Diagnostic::warning(SLOW_REGEX, right.span, message).with_help(help));
        }
    }

    /// Names that have a successor; the change is offered if nothing but the name changes.
    fn call(&mut self, name: &Name) {
        let entry = catalogue::aggregate(&name.text).or_else(|| catalogue::function(&name.text));
        let Some((entry, better)) = entry.and_then(|entry| Some((entry, entry.replaced_by?))) else {
            return;
        };
        let message = format!("`{}` is out of date", entry.name);
        let diagnostic = Diagnostic::note(OUTDATED, name.span, message).with_help(format!("use `{better}`"));
        let successor = catalogue::aggregate(better).or_else(|| catalogue::function(better));
        let same = successor.is_some_and(|successor| {
            successor.canonical == entry.canonical && successor.naming == entry.naming
        });
        self.found.push(if same { diagnostic.with_fix(name.span, better) } else { diagnostic });
    }
}

fn literal(expr: &Expr) -> Option<&String> {
    match &strip(expr).kind {
        ExprKind::Literal(literal) => match &literal.kind {
            LiteralKind::String(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Returns what `tolower` or `toupper` is applied to, and whether it is `toupper`.
fn folded_value(expr: &Expr) -> Option<(bool, &Expr)> {
    let ExprKind::Call { receiver: None, name, arguments } = &strip(expr).kind else {
        return None;
    };
    let upper = match name.text.as_str() {
        "tolower" => false,
        "toupper" => true,
        _ => return None,
    };
    match arguments.as_slice() {
        [only] => Some((upper, &only.value)),
        _ => None,
    }
}
