//! What a name means, and what to say if it means nothing.

use std::rc::Rc;

use super::env::Binding;
use super::rows::Rows;
use super::typed::Typed;
use super::{Binder, OUT_OF_PLACE, UNKNOWN_FUNCTION, UNKNOWN_NAME, UNKNOWN_TABLE, codes};
use crate::catalogue::{self, Form};
use crate::diagnostic::Diagnostic;
use crate::plan::ExprKind;
use crate::syntax::Name;
use crate::text::Span;
use crate::types::{ScalarType, Schema, Shape};

/// Least likeness of two names for one to be suggested for the other.
const LIKENESS_MIN: f64 = 0.75;

/// What a name means.
pub(super) enum Meaning<'a> {
    /// A scalar.
    Scalar(Typed),
    /// Something defined in the query.
    Defined(Binding<'a>),
    /// A table of the database.
    Table(String, Schema),
    /// A stored or built-in function that is not called.
    Function,
    /// Nothing.
    Nothing,
}

impl<'a> Binder<'a> {
    /// Finds what a name means where a scalar may stand.
    pub(super) fn meaning(&mut self, name: &'a Name) -> Meaning<'a> {
        let text = name.text.as_str();
        let in_groups = self.is_over_groups();
        if !in_groups && let Some(typed) = self.column(text, name.span) {
            return Meaning::Scalar(typed);
        }
        if let Some(binding) = self.env.find(text) {
            return Meaning::Defined(binding.clone());
        }
        if let Some(table) = self.database.table(text) {
            return Meaning::Table(table.name.to_owned(), (**table.schema).clone());
        }
        if self.database.function(text).is_some() || catalogue::function(text).is_some() {
            return Meaning::Function;
        }
        if !in_groups && let Some(typed) = self.infer_column(text, name.span) {
            return Meaning::Scalar(typed);
        }
        Meaning::Nothing
    }

    /// Finds a column in scope: on the left, then on the right.
    fn column(&self, name: &str, span: Span) -> Option<Typed> {
        let rows = self.scope.rows.as_ref();
        if let Some((index, column)) = rows.and_then(|rows| rows.find(name)) {
            let kind = self.column_kind(index, name);
            return Some(column_typed(kind, column, span));
        }
        let (index, column) = self.scope.right.as_ref()?.find(name)?;
        let left = rows.map_or(0, |rows| rows.columns.len());
        Some(column_typed(ExprKind::Column(left + index), column, span))
    }

    /// Returns how a column of the row is read: by its place, or by name if the input may lack it.
    pub(super) fn column_kind(&self, index: usize, name: &str) -> ExprKind {
        if index < self.scope.known { ExprKind::Column(index) } else { ExprKind::Named(name.to_owned()) }
    }

    /// Takes an unknown name for a column that the rows may have, if they are open.
    fn infer_column(&mut self, name: &str, span: Span) -> Option<Typed> {
        let rows = self.scope.rows.as_mut().filter(|rows| rows.open)?;
        let column = self.ids.column(name, Shape::UNKNOWN);
        rows.columns.push(column.clone());
        Some(column_typed(ExprKind::Named(name.to_owned()), &column, span))
    }

    /// Reports a name that means nothing where a scalar is needed.
    pub(super) fn unknown_name(&mut self, name: &Name) {
        if self.quiet || name.text.is_empty() {
            return;
        }
        let text = name.text.as_str();
        if self.scope.rows.as_ref().is_some_and(|rows| rows.find(text).is_some()) {
            let message = format!("column `{text}` is not a group key here, so it needs an aggregate");
            self.error(OUT_OF_PLACE, name.span, message);
            return;
        }
        let diagnostic = Diagnostic::error(
            UNKNOWN_NAME,
            name.span,
            format!("`{text}` is no column, variable or function"),
        );
        let diagnostic = match self.likely_column(text) {
            Some(likely) => {
                let help = format!("did you mean `{likely}`?");
                let sure = self.database.usual_column(text) == Some(likely.as_str())
                    || text.eq_ignore_ascii_case(&likely);
                let diagnostic = diagnostic.with_help(help);
                if sure { diagnostic.with_fix(name.span, likely) } else { diagnostic }
            }
            None => match self.database.elsewhere(text) {
                Some(product) => diagnostic.with_help(format!("it is a table of {product}")),
                None => diagnostic,
            },
        };
        self.report(diagnostic);
    }

    fn likely_column(&self, name: &str) -> Option<String> {
        let has = |candidate: &str| {
            let rows = [self.scope.rows.as_ref(), self.scope.right.as_ref()];
            rows.into_iter().flatten().any(|rows| rows.find(candidate).is_some())
        };
        if let Some(usual) = self.database.usual_column(name).filter(|usual| has(usual)) {
            return Some(usual.to_owned());
        }
        let rows = [self.scope.rows.as_ref(), self.scope.right.as_ref()];
        let columns =
            rows.into_iter().flatten().flat_map(|rows| rows.columns.iter().map(|column| &*column.name));
        let variables = self.env.iter().map(|(name, _)| name);
        nearest(name, columns.chain(variables))
    }

    /// Reports what a fuzzy union has to do without.
    pub(super) fn missing_fuzzy(&mut self, what: &str, name: &str, span: Span) {
        self.missing += 1;
        if !self.quiet && !name.is_empty() {
            let message = format!("{what} `{name}` does not exist and is left out");
            self.report(Diagnostic::warning(codes::MISSING_FUZZY, span, message));
        }
    }

    /// Reports a name that means nothing where a table is needed.
    pub(super) fn unknown_table(&mut self, name: &str, span: Span) {
        if self.fuzzy {
            self.missing_fuzzy("table", name, span);
            return;
        }
        if self.quiet || name.is_empty() {
            return;
        }
        let diagnostic =
            Diagnostic::error(UNKNOWN_TABLE, span, format!("`{name}` is no table, variable or function"));
        let diagnostic = if let Some(product) = self.database.elsewhere(name) {
            diagnostic.with_help(format!("it is a table of {product}, which these queries cannot read"))
        } else if let Some(replacement) = self.database.replacement(name) {
            diagnostic.with_help(format!("it is gone; see {replacement}"))
        } else {
            let variables = self.env.iter().map(|(name, _)| name);
            match nearest(name, self.database.table_names().chain(variables)) {
                Some(likely) if likely.eq_ignore_ascii_case(name) => {
                    diagnostic.with_help(format!("did you mean `{likely}`?")).with_fix(span, likely)
                }
                Some(likely) => diagnostic.with_help(format!("did you mean `{likely}`?")),
                None => diagnostic,
            }
        };
        self.report(diagnostic);
    }

    /// Reports a called name that means nothing.
    pub(super) fn unknown_function(&mut self, name: &Name) {
        if self.quiet || name.text.is_empty() {
            return;
        }
        let text = name.text.as_str();
        if catalogue::aggregate(text).is_some() {
            self.error(OUT_OF_PLACE, name.span, format!("the aggregate `{text}` is not possible here"));
            return;
        }
        let diagnostic = Diagnostic::error(UNKNOWN_FUNCTION, name.span, format!("`{text}` is no function"));
        let diagnostic = if text == "_GetWatchlist" || text.starts_with("_ASIM") || text.starts_with("_Im_") {
            diagnostic.with_help("it is a function of Microsoft Sentinel, which these queries cannot call")
        } else {
            let mut known: Vec<&str> = self.env.iter().map(|(name, _)| name).collect();
            known.extend(self.database.function_names());
            for name in catalogue::function_names().chain(catalogue::aggregate_names()) {
                known.push(name);
            }
            match nearest(text, known.into_iter()) {
                Some(likely) if likely.eq_ignore_ascii_case(text) => {
                    diagnostic.with_help(format!("did you mean `{likely}`?")).with_fix(name.span, likely)
                }
                Some(likely) => diagnostic.with_help(format!("did you mean `{likely}`?")),
                None => diagnostic,
            }
        };
        self.report(diagnostic);
    }

    /// Makes an expression of something defined in the query; nothing if it is not a scalar.
    pub(super) fn defined_scalar(&mut self, binding: &Binding<'a>, span: Span) -> Option<Typed> {
        Some(match binding {
            Binding::Literal(typed) => {
                let mut typed = (**typed).clone();
                typed.expr.span = span;
                typed
            }
            Binding::Slot(slot, shape) => {
                Typed::new(ExprKind::Slot(*slot), shape.clone(), span).with_form(Form::Constant)
            }
            Binding::Local(local, shape) => {
                self.local_reads += 1;
                // A parameter may be given a constant, so it passes where one is asked for.
                Typed::new(ExprKind::Local(*local), shape.clone(), span).with_form(Form::Constant)
            }
            Binding::Broken => Typed::broken(span),
            Binding::Table(..)
            | Binding::Function(..)
            | Binding::Element(..)
            | Binding::Step(..)
            | Binding::Graph(_) => return None,
        })
    }

    /// Returns fresh rows of a schema.
    pub(super) fn fresh(&mut self, schema: &Schema) -> Rows {
        self.ids.rows(schema)
    }

    /// Returns rows that could have any column.
    pub(super) fn open_rows() -> Rows {
        Rows { columns: Vec::new(), open: true }
    }

    /// Finds a type by its name, or reports that there is none.
    pub(super) fn type_named(&mut self, name: &crate::syntax::TypeName) -> ScalarType {
        if let Some(ty) = ScalarType::find(&name.text) {
            return ty;
        }
        if !name.text.is_empty() {
            self.error(codes::UNKNOWN_TYPE, name.span, format!("`{}` is no type", name.text));
        }
        ScalarType::Unknown
    }

    /// Returns the columns that a schema in the text declares.
    pub(super) fn declared_rows(&mut self, schema: &syntax_rows::RowSchema) -> Rows {
        let mut rows = Rows { columns: Vec::new(), open: schema.open };
        for declaration in &schema.columns {
            let ty = self.type_named(&declaration.ty);
            if rows.find(&declaration.name.text).is_some() {
                self.duplicate_column(&declaration.name.text, declaration.name.span);
                continue;
            }
            let column = self.ids.column(declaration.name.text.as_str(), Shape::of(ty));
            rows.columns.push(column);
        }
        rows
    }

    /// Reports that a column is named twice.
    pub(super) fn duplicate_column(&mut self, name: &str, span: Span) {
        self.error(codes::DUPLICATE_COLUMN, span, format!("a column `{name}` is there already"));
    }

    /// Keeps rows for several uses.
    pub(super) fn shared(rows: Rows) -> Rc<Rows> {
        Rc::new(rows)
    }
}

use crate::syntax as syntax_rows;

fn column_typed(kind: ExprKind, column: &super::rows::Col, span: Span) -> Typed {
    let mut typed = Typed::new(kind, column.shape.clone(), span).with_form(Form::Column);
    typed.column = Some(column.id);
    typed.name = Some(column.name.clone());
    typed
}

/// Finds the candidate most like `name`: equal but for case, or else alike enough.
pub(super) fn nearest<'n>(name: &str, candidates: impl Iterator<Item = &'n str>) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        if candidate.eq_ignore_ascii_case(name) {
            return Some(candidate.to_owned());
        }
        let likeness = strsim::normalized_damerau_levenshtein(&lower, &candidate.to_ascii_lowercase());
        if likeness >= LIKENESS_MIN && best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate.to_owned())
}
