//! Is each table read for a limited time?

use std::collections::{BTreeMap, BTreeSet};

use super::walk::{self, Visit, strip};
use super::{Context, NO_TIME_FILTER};
use crate::diagnostic::Diagnostic;
use crate::lex::Token;
use crate::schema::Database;
use crate::syntax::{
    BinaryOp, Expr, ExprKind, LetValue, NameStyle, Operator, OperatorKind, Pipeline, Statement,
    StatementKind, fits_pattern,
};
use crate::text::Span;
use crate::types::{ScalarType, Schema};

/// How far back the service keeps events; a filter of this length changes no result.
const RETENTION: &str = "30d";

/// A place where a table of events is read.
#[derive(Clone, Copy)]
struct Scan<'a> {
    span: Span,
    column: &'a str,
    mend: Mend,
}

/// How a filter can be added to a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mend {
    /// Behind the table itself.
    Behind,
    /// By rewriting the operator: a pattern, and the tables of `search` and `find`, take no operators.
    Rewrite,
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
        let table = scan.span.of(context.text);
        let message = format!("`{table}` is read without a time filter");
        let help = format!(
            "reading all {RETENTION} costs time and quota; compare `{}` with `ago(...)`",
            scan.column
        );
        let diagnostic = Diagnostic::warning(NO_TIME_FILTER, scan.span, message).with_help(help);
        let filter = format!("| where {} > ago({RETENTION})", scan.column);
        found.push(match scan.mend {
            Mend::Rewrite => diagnostic,
            Mend::Behind if is_operand(context, scan.span) => {
                diagnostic.with_fix(scan.span, format!("({table} {filter})"))
            }
            Mend::Behind => diagnostic.with_fix(scan.span.after(), format!("\n{filter}")),
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
    fn scan_of(&self, expr: &'a Expr) -> Option<Scan<'a>> {
        let (text, span) = walk::table_named(expr)?;
        if let ExprKind::Name(name) = &expr.kind {
            if let Some(scan) = self.open.get(text) {
                return Some(*scan);
            }
            if self.names.contains(text) {
                return None;
            }
            if name.style == NameStyle::Pattern {
                let mut tables = self.database.tables().filter(|table| fits_pattern(table.name, text));
                let column = tables.find_map(|table| time_column(table.schema))?;
                // What reads everything has a rule of its own.
                return (text != "*").then_some(Scan { span, column, mend: Mend::Rewrite });
            }
        }
        let column = time_column(self.database.table(text)?.schema)?;
        Some(Scan { span, column, mend: Mend::Behind })
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline) {
        let source = pipeline.source.as_deref().and_then(|source| self.scan_of(strip(source)));
        if let Some(scan) = source
            && !pipeline.operators.iter().any(is_time_filter)
        {
            self.found.push(scan);
        }
        let mut operators = pipeline.operators.as_slice();
        while let Some((operator, further)) = operators.split_first() {
            operators = further;
            let (tables, mend): (Vec<&'a Expr>, _) = match &operator.kind {
                OperatorKind::Join(join) | OperatorKind::Lookup(join) => {
                    self.found.extend(self.scan_of(strip(&join.right)));
                    continue;
                }
                OperatorKind::Union(union) => (union.tables.iter().collect(), Mend::Behind),
                OperatorKind::Search(search) => (search.tables.iter().collect(), Mend::Rewrite),
                OperatorKind::Find(find) => (find.tables.iter().collect(), Mend::Rewrite),
                _ => continue,
            };
            if is_time_filter(operator) || further.iter().any(is_time_filter) {
                continue;
            }
            let scans = tables.into_iter().filter_map(|table| self.scan_of(strip(table)));
            let scans: Vec<Scan<'a>> = scans
                .map(|scan| Scan { mend: if mend == Mend::Rewrite { mend } else { scan.mend }, ..scan })
                .collect();
            self.found.extend(scans);
        }
    }
}

/// Returns the column with the time of a table's events.
fn time_column(schema: &Schema) -> Option<&str> {
    let is_time = |column: &&crate::types::Column| {
        column.ty == ScalarType::Datetime && matches!(&*column.name, "Timestamp" | "TimeGenerated")
    };
    schema.columns.iter().find(is_time).map(|column| &*column.name)
}

/// Looks for tables inside an expression that is none itself.
struct Nested<'s, 'a> {
    scans: &'s mut Scans<'a>,
}

impl<'a> Visit<'a> for Nested<'_, 'a> {
    fn pipeline(&mut self, pipeline: &'a Pipeline) {
        self.scans.pipeline(pipeline);
    }
}

/// Whether an operator keeps rows by their time.
fn is_time_filter(operator: &Operator) -> bool {
    let condition = match &operator.kind {
        OperatorKind::Where(condition) => condition,
        OperatorKind::Search(search) => &search.predicate,
        OperatorKind::Find(find) => &find.predicate,
        _ => return false,
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
        let is_time = |column: &str| matches!(column, "Timestamp" | "TimeGenerated");
        self.found |= operands.into_iter().any(|operand| names_time(operand, &is_time));
    }
}

/// Whether an expression is made of the time of an event: of a column that holds it, or the time of arrival.
pub(super) fn names_time(expr: &Expr, is_time: &impl Fn(&str) -> bool) -> bool {
    match &strip(expr).kind {
        ExprKind::Name(name) => is_time(&name.text),
        ExprKind::Call { name, arguments, .. } => {
            name.text == "ingestion_time"
                || arguments.iter().any(|argument| names_time(&argument.value, is_time))
        }
        ExprKind::Binary { op: BinaryOp::Add | BinaryOp::Sub, left, right, .. } => {
            names_time(left, is_time) || names_time(right, is_time)
        }
        _ => false,
    }
}
