//! Time: is each table read for a limited time, and does the rule look as far back as its query?

use std::collections::{BTreeMap, BTreeSet};

use super::walk::{self, Visit, strip};
use super::{Context, LOOK_BACK, NO_TIME_FILTER};
use crate::diagnostic::Diagnostic;
use crate::lex::Token;
use crate::schema::Database;
use crate::syntax::{
    BinaryOp, Expr, ExprKind, LetValue, LiteralKind, OperatorKind, Pipeline, Statement, StatementKind,
};
use crate::text::Span;
use crate::types::ScalarType;
use crate::value::Timespan;

/// How far back the service keeps events; a filter of this length changes no result.
const RETENTION: &str = "30d";

/// A place where a table of events is read.
struct Scan<'a> {
    span: Span,
    table: &'a str,
    column: &'a str,
}

/// Reports tables of events that are read without a limit in time. Where a rule runs the query, the rule's
/// period is one.
pub(super) fn unbounded_scans(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if context.purpose.period.is_some() {
        return;
    }
    let mut scans = Scans {
        database: context.database,
        open: BTreeMap::new(),
        found: Vec::new(),
        names: BTreeSet::new(),
    };
    scans.statements(&context.checked.parsed.query.statements);
    for scan in scans.found {
        let message = format!("`{}` is read without a time filter", scan.table);
        let help = format!(
            "reading all {RETENTION} costs time and quota; compare `{}` with `ago(...)`",
            scan.column
        );
        let diagnostic = Diagnostic::warning(NO_TIME_FILTER, scan.span, message).with_help(help);
        let filter = format!("| where {} > ago({RETENTION})", scan.column);
        found.push(if is_operand(context, scan.span) {
            diagnostic.with_fix(scan.span, format!("({} {filter})", scan.table))
        } else {
            diagnostic.with_fix(scan.span.after(), format!("\n{filter}"))
        });
    }
}

/// Whether a table is an operand, as of `join` or `union`: there a filter needs parentheses. Elsewhere it is
/// the source of a pipeline, which begins a text, a statement, a body or a parenthesis, and operators follow.
fn is_operand(context: &Context<'_>, table: Span) -> bool {
    let tokens = &context.checked.parsed.tokens;
    let text = |token: &Token| context.text.get(token.span.start as usize..token.span.end as usize);
    let before = tokens.iter().rev().find(|token| token.span.end <= table.start).and_then(text);
    let after = tokens.iter().find(|token| table.end <= token.span.start).and_then(text);
    !matches!((before, after), (None | Some("(" | ";" | "{" | "="), None | Some("|" | ";" | ")" | "}")))
}

struct Scans<'a> {
    database: &'a Database,
    /// Variables that stand for a table as it is, with the place that reads it.
    open: BTreeMap<&'a str, Scan<'a>>,
    found: Vec<Scan<'a>>,
    /// Names that mean something of the query.
    names: BTreeSet<&'a str>,
}

impl<'a> Scans<'a> {
    fn statements(&mut self, statements: &'a [Statement]) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Let(binding) => {
                    self.binding(&binding.name.text, &binding.value);
                    self.names.insert(&binding.name.text);
                }
                StatementKind::Expression(expr) => self.expr(expr),
                _ => {}
            }
        }
    }

    fn binding(&mut self, name: &'a str, value: &'a LetValue) {
        match value {
            LetValue::Expr(value) => match self.scan_of(strip(value)) {
                Some(scan) => {
                    self.open.insert(name, scan);
                }
                None => self.expr(value),
            },
            LetValue::Function(function) => {
                self.statements(&function.body.statements);
                function.body.result.iter().for_each(|result| self.expr(result));
            }
        }
    }

    fn expr(&mut self, expr: &'a Expr) {
        if let Some(scan) = self.scan_of(strip(expr)) {
            self.found.push(scan);
            return;
        }
        walk::expr(expr, &mut Nested { scans: self });
    }

    /// Returns the scan that a bare table, or a variable for one, is.
    fn scan_of(&mut self, expr: &'a Expr) -> Option<Scan<'a>> {
        let ExprKind::Name(name) = &expr.kind else {
            return None;
        };
        let text = name.text.as_str();
        if let Some(scan) = self.open.get(text) {
            return Some(Scan { span: scan.span, table: scan.table, column: scan.column });
        }
        if self.names.contains(text) {
            return None;
        }
        let table = self.database.table(text)?;
        let column = table.schema.columns.iter().find(|column| {
            column.ty == ScalarType::Datetime && matches!(&*column.name, "Timestamp" | "TimeGenerated")
        })?;
        Some(Scan { span: name.span, table: text, column: &column.name })
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline) {
        let Some(source) = pipeline.source.as_deref() else {
            return;
        };
        match self.scan_of(strip(source)) {
            Some(_) if pipeline.operators.iter().any(is_time_filter) => {}
            Some(scan) => self.found.push(scan),
            None => {}
        }
    }
}

/// Looks for tables inside an expression that is none itself.
struct Nested<'s, 'a> {
    scans: &'s mut Scans<'a>,
}

impl<'a> Visit<'a> for Nested<'_, 'a> {
    fn pipeline(&mut self, pipeline: &'a Pipeline) {
        self.scans.pipeline(pipeline);
    }

    fn operator(&mut self, operator: &'a crate::syntax::Operator) {
        let tables: Vec<&'a Expr> = match &operator.kind {
            OperatorKind::Join(join) | OperatorKind::Lookup(join) => vec![&*join.right],
            OperatorKind::Union(union) => union.tables.iter().collect(),
            _ => Vec::new(),
        };
        for table in tables {
            if let Some(scan) = self.scans.scan_of(strip(table)) {
                self.scans.found.push(scan);
            }
        }
    }
}

/// Whether an operator keeps rows by their time.
fn is_time_filter(operator: &crate::syntax::Operator) -> bool {
    let OperatorKind::Where(condition) = &operator.kind else {
        return false;
    };
    let mut times = Times { found: false };
    walk::expr(condition, &mut times);
    times.found
}

struct Times {
    found: bool,
}

impl<'a> Visit<'a> for Times {
    fn expr(&mut self, expr: &'a Expr) {
        let operands: Vec<&Expr> = match &expr.kind {
            ExprKind::Binary {
                op: BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge | BinaryOp::Eq,
                left,
                right,
                ..
            } => vec![&**left, &**right],
            ExprKind::Between { operand, .. } => vec![&**operand],
            ExprKind::In { operand, .. } => vec![&**operand],
            _ => return,
        };
        self.found |= operands.into_iter().any(names_time);
    }
}

/// Whether an expression is made of the time of an event.
fn names_time(expr: &Expr) -> bool {
    match &strip(expr).kind {
        ExprKind::Name(name) => matches!(name.text.as_str(), "Timestamp" | "TimeGenerated"),
        ExprKind::Call { name, arguments, .. } => {
            name.text == "ingestion_time" || arguments.iter().any(|argument| names_time(&argument.value))
        }
        ExprKind::Binary { op: BinaryOp::Add | BinaryOp::Sub, left, right, .. } => {
            names_time(left) || names_time(right)
        }
        _ => false,
    }
}

/// Reports `ago(...)` that reaches further back than the rule that runs the query.
pub(super) fn look_back(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(period) = context.purpose.period else {
        return;
    };
    let mut reaches = Reaches { found: Vec::new() };
    walk::query(&context.checked.parsed.query, &mut reaches);
    for (span, text) in reaches.found {
        let beyond = Timespan::parse(text).is_some_and(|span| span.0 > period);
        if beyond {
            let message = format!("the query looks back {text}, further than the rule that runs it");
            let help =
                "rows before the rule's period are not there; make the period as long, or look back less far";
            found.push(Diagnostic::warning(LOOK_BACK, span, message).with_help(help));
        }
    }
}

struct Reaches<'a> {
    found: Vec<(Span, &'a str)>,
}

impl<'a> Visit<'a> for Reaches<'a> {
    fn expr(&mut self, expr: &'a Expr) {
        let ExprKind::Call { name, arguments, .. } = &expr.kind else {
            return;
        };
        if name.text != "ago" {
            return;
        }
        if let Some(ExprKind::Literal(literal)) = arguments.first().map(|argument| &argument.value.kind)
            && let LiteralKind::TimeSpan(text) = &literal.kind
        {
            self.found.push((expr.span, text));
        }
    }
}
