//! Operators with two and more operands.

use super::typed::Typed;
use super::{Binder, LetterCase, NO_COMMON_TYPE, NO_OPERATOR, NOT_COMPARABLE, WRONG_TYPE};
use crate::catalogue::{self, Argument, Form, Misfit, Strictness};
use crate::diagnostic::Diagnostic;
use crate::plan::{Arithmetic, ExprKind, Membership, TextMatch};
use crate::syntax::{self, BinaryOp, Expr, InOp};
use crate::text::Span;
use crate::types::{ScalarType, Shape};

impl<'a> Binder<'a> {
    /// Binds a chain of binary operators, however long: `a or b or c` is deep in the tree only on
    /// its left side.
    pub(super) fn binary(&mut self, expr: &'a Expr) -> Typed {
        let mut steps = Vec::new();
        let mut leftmost = expr;
        while let syntax::ExprKind::Binary { op, op_span, left, right } = &leftmost.kind {
            steps.push((*op, *op_span, &**right, leftmost.span));
            leftmost = left;
        }
        let mut typed = self.scalar(leftmost);
        for (op, op_span, right, span) in steps.into_iter().rev() {
            let right = self.scalar(right);
            typed = self.binary_step(op, op_span, typed, right).spanning(span);
        }
        typed
    }

    pub(super) fn binary_step(&mut self, op: BinaryOp, op_span: Span, left: Typed, right: Typed) -> Typed {
        let (name, _) = plain(op);
        let shape = match quick(op, &left, &right) {
            Some(shape) => shape,
            None => self.operator(name, op_span, &[&left, &right], Strictness::AllFit),
        };
        if matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            self.expect_comparable_values(op_span, &left, &right);
        }
        let span = op_span;
        let form = if left.is_constant() && right.is_constant() { Form::Constant } else { Form::Scalar };
        if left.form == Form::Star {
            return self.any_column(op, left, right, span);
        }
        let kind = match op {
            BinaryOp::And => ExprKind::And(flatten(left, right, |kind| match kind {
                ExprKind::And(items) => Ok(items),
                other => Err(other),
            })),
            BinaryOp::Or => ExprKind::Or(flatten(left, right, |kind| match kind {
                ExprKind::Or(items) => Ok(items),
                other => Err(other),
            })),
            _ => combine(op, left, right),
        };
        Typed::new(kind, shape, span).with_form(form)
    }

    /// The language allows it, but the service refuses to compare a text with a number, a time or a truth.
    fn expect_comparable_values(&mut self, span: Span, left: &Typed, right: &Typed) {
        if left.form == Form::Star {
            return;
        }
        let Some(other) = beside_text(left.ty(), right.ty()) else { return };
        let message = format!("a {other} is compared with a string, which the service refuses");
        self.not_comparable(span, message, other);
    }

    /// `n in ("1")`: a text and what is none are never equal.
    fn expect_comparable_members(
        &mut self,
        span: Span,
        needle: ScalarType,
        candidates: impl IntoIterator<Item = ScalarType>,
    ) {
        for candidate in candidates {
            if let Some(other) = beside_text(needle, candidate) {
                let message = format!("a {needle} is looked up among values of type {candidate}");
                self.not_comparable(span, message, other);
                return;
            }
        }
    }

    fn not_comparable(&mut self, span: Span, message: String, other: ScalarType) {
        let help = format!("convert one of them first, for example with `tostring` or `to{other}`");
        self.report(Diagnostic::warning(NOT_COMPARABLE, span, message).with_help(help));
    }

    /// `* has "x"`: some column of the row fits.
    fn any_column(&mut self, op: BinaryOp, _star: Typed, right: Typed, span: Span) -> Typed {
        let value = self.next_local();
        let column = Typed::new(ExprKind::Local(value), Shape::of(ScalarType::String), span);
        let op = if op == BinaryOp::Search { BinaryOp::Has } else { op };
        let test = Typed::new(combine(op, column, right), Shape::of(ScalarType::Bool), span);
        let columns = (0..self.scope.rows.as_ref().map_or(0, |rows| rows.columns.len())).collect();
        let kind = ExprKind::AnyColumn { columns, value, test: Box::new(test.expr) };
        Typed::new(kind, Shape::of(ScalarType::Bool), span)
    }

    /// A bare text in `search`: some column has it as a term. Stars at its ends stand for the rest
    /// of a term, stars inside for anything.
    pub(super) fn any_term(&mut self, term: Typed) -> Typed {
        let span = term.span();
        let star = Typed::new(ExprKind::Broken, Shape::DYNAMIC, span).with_form(Form::Star);
        let case = self.search_case;
        let heeds_case = case == LetterCase::Heeded;
        let Some(text) = term.text().filter(|text| text.contains('*')).map(str::to_owned) else {
            let op = if heeds_case { BinaryOp::HasCs } else { BinaryOp::Has };
            return self.any_column(op, star, term, span);
        };
        let inner = text.trim_matches('*');
        let (op, pattern) = match (text.starts_with('*'), text.ends_with('*')) {
            _ if inner.contains('*') => (BinaryOp::MatchesRegex, term_regex(&text, case)),
            (true, true) if heeds_case => (BinaryOp::ContainsCs, inner.to_owned()),
            (true, true) => (BinaryOp::Contains, inner.to_owned()),
            (true, false) if heeds_case => (BinaryOp::HasSuffixCs, inner.to_owned()),
            (true, false) => (BinaryOp::HasSuffix, inner.to_owned()),
            (false, _) if heeds_case => (BinaryOp::HasPrefixCs, inner.to_owned()),
            (false, _) => (BinaryOp::HasPrefix, inner.to_owned()),
        };
        let pattern = Typed::literal(crate::value::Value::text(pattern), Shape::of(ScalarType::String), span);
        self.any_column(op, star, pattern, span)
    }

    /// Checks operands against an operator of the catalogue and returns the type of the result.
    pub(super) fn operator(
        &mut self,
        name: &str,
        span: Span,
        operands: &[&Typed],
        strictness: Strictness,
    ) -> Shape {
        let Some(entry) = catalogue::operator(name) else {
            return Shape::UNKNOWN;
        };
        let arguments: Vec<Argument> = operands.iter().map(|operand| operand.argument()).collect();
        let found = catalogue::resolve(&entry.signatures, &arguments, strictness);
        for misfit in &found.misfits {
            match misfit {
                Misfit::Type { index, expected } => {
                    let Some(operand) = operands.get(*index) else { continue };
                    let message = format!("{expected} is needed here, this is {}", operand.shape.name());
                    self.error(WRONG_TYPE, operand.span(), message);
                }
                Misfit::NoCommonType => {
                    self.error(NO_COMMON_TYPE, span, "the operands have no type in common");
                }
                _ => {
                    let types: Vec<&str> = operands.iter().map(|operand| operand.shape.name()).collect();
                    let message = format!("`{name}` is not defined for {}", types.join(" and "));
                    self.error(NO_OPERATOR, span, message);
                }
            }
        }
        found.shape
    }

    /// `a in (b, c)` and its family.
    pub(super) fn membership(
        &mut self,
        op: InOp,
        op_span: Span,
        operand: &'a Expr,
        list: &'a [Expr],
    ) -> Typed {
        let needle = self.scalar(operand);
        let (relation, negated, name) = match op {
            InOp::In => (Membership::In, false, "in"),
            InOp::NotIn => (Membership::In, true, "in"),
            InOp::InCi => (Membership::InIgnoreCase, false, "in~"),
            InOp::NotInCi => (Membership::InIgnoreCase, true, "in~"),
            InOp::HasAny => (Membership::HasAny, false, "has_any"),
            InOp::HasAll => (Membership::HasAll, false, "has_all"),
        };
        let is_equality = matches!(relation, Membership::In | Membership::InIgnoreCase);
        let bool = Shape::of(ScalarType::Bool);
        if let [only] = list
            && let Some(table) = self.table_argument(only)
        {
            let mut argument = Typed::broken(only.span);
            argument.form = Form::Table;
            if is_equality {
                let first = table.rows.columns.first().map(|column| column.shape.scalar());
                self.expect_comparable_members(op_span, needle.ty(), first);
            }
            self.operator(name, op_span, &[&needle, &argument], Strictness::Lenient);
            let slot = self.table_slot(table);
            let kind =
                ExprKind::MemberOfTable { relation, negated, needle: Box::new(needle.expr), table: slot };
            return Typed::new(kind, bool, op_span);
        }
        let candidates: Vec<Typed> = list.iter().map(|item| self.scalar(item)).collect();
        if is_equality {
            self.expect_comparable_members(op_span, needle.ty(), candidates.iter().map(member));
        }
        let mut operands = vec![&needle];
        operands.extend(&candidates);
        if !listed(relation, &needle) {
            self.operator(name, op_span, &operands, Strictness::Lenient);
        }
        let constant = operands.iter().all(|operand| operand.is_constant());
        let candidates = candidates.into_iter().map(|typed| typed.expr).collect();
        let kind = ExprKind::Member { relation, negated, needle: Box::new(needle.expr), candidates };
        Typed::new(kind, bool, op_span).with_form(if constant { Form::Constant } else { Form::Scalar })
    }

    /// `a between (b .. c)`.
    pub(super) fn between(&mut self, op_span: Span, operands: [&'a Expr; 3]) -> Typed {
        let [value, low, high] = operands.map(|operand| self.scalar(operand));
        self.operator("between", op_span, &[&value, &low, &high], Strictness::Lenient);
        let constant = value.is_constant() && low.is_constant() && high.is_constant();
        let kind = ExprKind::Between {
            negated: false,
            value: Box::new(value.expr),
            low: Box::new(low.expr),
            high: Box::new(high.expr),
        };
        let form = if constant { Form::Constant } else { Form::Scalar };
        Typed::new(kind, Shape::of(ScalarType::Bool), op_span).with_form(form)
    }
}

/// The type of the other side, if one is text and the other something that text is never equal to.
const fn beside_text(left: ScalarType, right: ScalarType) -> Option<ScalarType> {
    let ((ScalarType::String, other) | (other, ScalarType::String)) = (left, right) else { return None };
    if other.is_summable() || matches!(other, ScalarType::Bool | ScalarType::Guid) {
        Some(other)
    } else {
        None
    }
}

/// Decides the commonest cases without asking the catalogue.
fn quick(op: BinaryOp, left: &Typed, right: &Typed) -> Option<Shape> {
    let scalar = |typed: &Typed| match (&typed.shape, typed.form) {
        (_, Form::Star | Form::Table) => None,
        (Shape::Scalar(ty), _) if !ty.is_unknown() => Some(*ty),
        _ => None,
    };
    let (a, b) = (scalar(left)?, scalar(right)?);
    let fits = match op {
        BinaryOp::Eq | BinaryOp::Ne => true,
        BinaryOp::And | BinaryOp::Or => a == ScalarType::Bool && b == ScalarType::Bool,
        BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
            a == b && a == ScalarType::Datetime || a.is_numeric() && b.is_numeric()
        }
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => false,
        _ => a == ScalarType::String && b == ScalarType::String,
    };
    fits.then_some(Shape::of(ScalarType::Bool))
}

/// Whether any candidates will do for this needle.
fn listed(relation: Membership, needle: &Typed) -> bool {
    matches!(needle.shape, Shape::Scalar(ScalarType::String))
        || (relation == Membership::In
            && matches!(&needle.shape, Shape::Scalar(ty) if !matches!(ty, ScalarType::Unknown)))
}

/// Returns the name of the operator that `op` is or negates.
const fn plain(op: BinaryOp) -> (&'static str, bool) {
    match op {
        BinaryOp::NeTilde => ("=~", true),
        BinaryOp::NotContains => ("contains", true),
        BinaryOp::NotContainsCs => ("contains_cs", true),
        BinaryOp::NotHas => ("has", true),
        BinaryOp::NotHasCs => ("has_cs", true),
        BinaryOp::NotHasPrefix => ("hasprefix", true),
        BinaryOp::NotHasPrefixCs => ("hasprefix_cs", true),
        BinaryOp::NotHasSuffix => ("hassuffix", true),
        BinaryOp::NotHasSuffixCs => ("hassuffix_cs", true),
        BinaryOp::NotStartsWith => ("startswith", true),
        BinaryOp::NotStartsWithCs => ("startswith_cs", true),
        BinaryOp::NotEndsWith => ("endswith", true),
        BinaryOp::NotEndsWithCs => ("endswith_cs", true),
        BinaryOp::NotLike => ("like", true),
        BinaryOp::NotLikeCs => ("likecs", true),
        other => (other.text(), false),
    }
}

/// Turns a term with stars inside into a regular expression.
fn term_regex(text: &str, case: LetterCase) -> String {
    let parts: Vec<String> = text.trim_matches('*').split('*').map(regex::escape).collect();
    let start = if text.starts_with('*') { "" } else { r"\b" };
    let end = if text.ends_with('*') { "" } else { r"\b" };
    let flags = if case == LetterCase::Heeded { "s" } else { "is" };
    format!("(?{flags}){start}{}{end}", parts.join(".*"))
}

const fn text_match(op: BinaryOp) -> Option<TextMatch> {
    Some(match op {
        BinaryOp::EqTilde | BinaryOp::NeTilde => TextMatch::EqualIgnoreCase,
        BinaryOp::Contains | BinaryOp::NotContains => TextMatch::Contains,
        BinaryOp::ContainsCs | BinaryOp::NotContainsCs => TextMatch::ContainsCase,
        BinaryOp::Has | BinaryOp::NotHas | BinaryOp::Search => TextMatch::Has,
        BinaryOp::HasCs | BinaryOp::NotHasCs => TextMatch::HasCase,
        BinaryOp::HasPrefix | BinaryOp::NotHasPrefix => TextMatch::HasPrefix,
        BinaryOp::HasPrefixCs | BinaryOp::NotHasPrefixCs => TextMatch::HasPrefixCase,
        BinaryOp::HasSuffix | BinaryOp::NotHasSuffix => TextMatch::HasSuffix,
        BinaryOp::HasSuffixCs | BinaryOp::NotHasSuffixCs => TextMatch::HasSuffixCase,
        BinaryOp::StartsWith | BinaryOp::NotStartsWith => TextMatch::StartsWith,
        BinaryOp::StartsWithCs | BinaryOp::NotStartsWithCs => TextMatch::StartsWithCase,
        BinaryOp::EndsWith | BinaryOp::NotEndsWith => TextMatch::EndsWith,
        BinaryOp::EndsWithCs | BinaryOp::NotEndsWithCs => TextMatch::EndsWithCase,
        BinaryOp::Like | BinaryOp::NotLike => TextMatch::Like,
        BinaryOp::LikeCs | BinaryOp::NotLikeCs => TextMatch::LikeCase,
        BinaryOp::MatchesRegex => TextMatch::Regex,
        _ => return None,
    })
}

const fn arithmetic(op: BinaryOp) -> Arithmetic {
    match op {
        BinaryOp::Sub => Arithmetic::Subtract,
        BinaryOp::Mul => Arithmetic::Multiply,
        BinaryOp::Div => Arithmetic::Divide,
        BinaryOp::Mod => Arithmetic::Modulo,
        _ => Arithmetic::Add,
    }
}

fn combine(op: BinaryOp, left: Typed, right: Typed) -> ExprKind {
    let (_, negated) = plain(op);
    let (left, right) = (Box::new(left.expr), Box::new(right.expr));
    if let Some(comparison) = super::expr::comparison(op) {
        return ExprKind::Compare(comparison, left, right);
    }
    match text_match(op) {
        Some(relation) => ExprKind::Text { relation, negated, text: left, pattern: right },
        None => ExprKind::Arithmetic(arithmetic(op), left, right),
    }
}

/// Joins the operands of two `and`, or of two `or`, into one list.
fn flatten(
    left: Typed,
    right: Typed,
    items: impl Fn(ExprKind) -> Result<Vec<crate::plan::Expr>, ExprKind>,
) -> Vec<crate::plan::Expr> {
    let mut all = Vec::new();
    for side in [left, right] {
        let (ty, span) = (side.expr.ty, side.expr.span);
        match items(side.expr.kind) {
            Ok(inner) => all.extend(inner),
            Err(kind) => all.push(crate::plan::Expr { kind, ty, span }),
        }
    }
    all
}

/// The type of the values that a candidate of `in` gives: those of a list that is written out are known.
fn member(candidate: &Typed) -> ScalarType {
    match &candidate.shape {
        Shape::Array(element) if candidate.is_constant() => element.scalar(),
        _ => candidate.ty(),
    }
}
