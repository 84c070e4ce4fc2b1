//! Where rows come from: joins, searches, and rows without order.

use super::walk::{self, Visit, strip};
use super::{ARBITRARY_ROWS, Context, IMPLICIT_JOIN, PARALLEL_EXPANSION, UNBOUNDED_JOIN, WIDE_SEARCH};
use crate::diagnostic::Diagnostic;
use crate::schema::Database;
use crate::syntax::{Expr, ExprKind, Join, NameStyle, Operator, OperatorKind, Pipeline};
use crate::text::Span;

/// Reports sources that read more than they need, or give what nobody chose.
pub(super) fn sources(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut look = Look { database: context.database, found };
    walk::query(&context.checked.parsed.query, &mut look);
}

struct Look<'f, 'a> {
    database: &'a Database,
    found: &'f mut Vec<Diagnostic>,
}

impl<'a> Visit<'a> for Look<'_, '_> {
    fn pipeline(&mut self, pipeline: &'a Pipeline) {
        let mut sorted = false;
        for operator in &pipeline.operators {
            match &operator.kind {
                OperatorKind::Sort { .. } | OperatorKind::Top { .. } => sorted = true,
                OperatorKind::Summarize(_)
                | OperatorKind::Join(_)
                | OperatorKind::Union(_)
                | OperatorKind::Distinct(_) => {
                    sorted = false;
                }
                OperatorKind::Take(_) if !sorted => {
                    let message = "`take` gives any rows, and other ones each time";
                    let help = "use `top ... by`, or sort first, if the rows matter";
                    self.found
                        .push(Diagnostic::note(ARBITRARY_ROWS, operator.keyword, message).with_help(help));
                }
                _ => {}
            }
        }
    }

    fn operator(&mut self, operator: &'a Operator) {
        match &operator.kind {
            OperatorKind::Join(join) => self.join(operator.keyword, join),
            OperatorKind::Search(search) if search.tables.is_empty() => {
                self.wide(operator.keyword, "`search` without `in`");
            }
            OperatorKind::Find(find) if find.tables.is_empty() => {
                self.wide(operator.keyword, "`find` without `in`");
            }
            OperatorKind::Search(search) => self.everything(&search.tables, "`search in (*)`"),
            OperatorKind::Find(find) => self.everything(&find.tables, "`find in (*)`"),
            OperatorKind::Union(union) => self.everything(&union.tables, "`union *`"),
            OperatorKind::MvExpand(expand) if expand.expand.items.len() > 2 => {
                let message = "several arrays are expanded side by side, not crossed";
                let help =
                    "the n-th elements stand in one row; expand one after the other for all combinations";
                self.found
                    .push(Diagnostic::note(PARALLEL_EXPANSION, operator.keyword, message).with_help(help));
            }
            _ => {}
        }
    }
}

impl Look<'_, '_> {
    fn join(&mut self, keyword: Span, join: &Join) {
        if join.kind.is_none() && !join.properties.iter().any(|property| property.name.text == "kind") {
            let message = "a join without kind keeps one left row for each key (`innerunique`)";
            let help = "write `kind=innerunique` if that is meant, `kind=inner` for all pairs";
            let diagnostic = Diagnostic::note(IMPLICIT_JOIN, keyword, message).with_help(help);
            self.found.push(diagnostic.with_fix(keyword.after(), " kind=innerunique"));
        }
        let Some((table, span)) = walk::table_named(strip(&join.right)) else {
            return;
        };
        if self.database.table(table).is_some() {
            let message = format!("the join reads all of `{table}`");
            let help = "filter the right side by time and by what is joined before joining";
            self.found.push(Diagnostic::warning(UNBOUNDED_JOIN, span, message).with_help(help));
        }
    }

    fn everything(&mut self, tables: &[Expr], what: &str) {
        let is_everything = |table: &&Expr| match &strip(table).kind {
            ExprKind::Star => true,
            ExprKind::Name(name) => name.style == NameStyle::Pattern && name.text == "*",
            _ => false,
        };
        if let Some(table) = tables.iter().find(is_everything) {
            self.wide(table.span, what);
        }
    }

    fn wide(&mut self, span: Span, what: &str) {
        let message = format!("{what} reads every table");
        let help = "name the tables; the quota is spent on all of them otherwise";
        self.found.push(Diagnostic::warning(WIDE_SEARCH, span, message).with_help(help));
    }
}
