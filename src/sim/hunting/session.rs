//! One run of one query: what names mean, what may be spent, how sources and operators follow.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::bind::{Binder, Typed};
use super::fault::Fault;
use super::library::Library;
use super::operators;
use super::relation::{Column, Relation, Row};
use super::syntax::{Expr, Let, LetValue, Named, Node, Pipeline, Source};
use super::value::{Kind, Value};

/// Rows that may be looked at by all operators of a query together. The sample tenant has some
/// thousands of rows, a benchmark a hundred thousand; a join that explodes is stopped in a second or two.
const COST_MAX: usize = 20_000_000;

/// Rows an operator may give. The service keeps 100,000 at the end; joins may pass that on the way.
const ROWS_MAX: usize = 500_000;

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Meaning {
    Scalar(Typed),
    Table(Arc<Relation>),
}

/// A query that runs.
#[derive(Debug)]
pub(super) struct Session<'d> {
    library: &'d Library,
    /// Ticks of `now()`.
    pub(super) now: i64,
    /// First and last instant of base tables looked at, in ticks.
    window: (i64, i64),
    names: BTreeMap<Arc<str>, Meaning>,
    spent: Cell<usize>,
}

impl<'d> Session<'d> {
    pub(super) const fn new(library: &'d Library, now: i64, window: (i64, i64)) -> Self {
        Self { library, now, window, names: BTreeMap::new(), spent: Cell::new(0) }
    }

    /// What a `let` gave a name.
    pub(super) fn meaning(&self, name: &str) -> Option<&Meaning> {
        self.names.get(name)
    }

    /// Counts rows looked at.
    pub(super) fn spend(&self, rows: usize) -> Result<(), Fault> {
        let spent = self.spent.get().saturating_add(rows);
        self.spent.set(spent);
        if spent > COST_MAX { Err(Fault::limit(0, "The query looks at too many rows")) } else { Ok(()) }
    }

    /// Checks the size of a result on the way.
    pub(super) fn admit(rows: usize) -> Result<(), Fault> {
        if rows > ROWS_MAX { Err(Fault::limit(0, "The query makes too many rows")) } else { Ok(()) }
    }

    /// Runs a `let`.
    pub(super) fn define(&mut self, statement: &Let) -> Result<(), Fault> {
        let meaning = match &statement.value {
            LetValue::Tabular(pipeline) => Meaning::Table(self.run(pipeline)?),
            LetValue::Scalar(expr) => match self.table_operand(expr)? {
                Some(table) => Meaning::Table(table),
                None => self.scalar(expr)?,
            },
        };
        self.names.insert(Arc::clone(&statement.name), meaning);
        Ok(())
    }

    fn scalar(&self, expr: &Expr) -> Result<Meaning, Fault> {
        let binder = Binder::new(self, &[], "let");
        let typed = binder.bind(expr)?;
        match typed.value() {
            Some(_) => Ok(Meaning::Scalar(typed)),
            None => Err(Fault::unsupported(expr.at, "'let' of a value that is not constant")),
        }
    }

    /// The table an argument stands for, if it is one: a pipeline, `materialize(…)`, or the name of a
    /// table that no scalar hides.
    pub(super) fn table_operand(&self, expr: &Expr) -> Result<Option<Arc<Relation>>, Fault> {
        match &expr.node {
            Node::Table(pipeline) => self.run(pipeline).map(Some),
            Node::Call(name, arguments) if name.as_ref() == "materialize" => match arguments.as_slice() {
                [inner] => self.table_operand(inner),
                _ => Ok(None),
            },
            Node::Name(name) => match self.names.get(name) {
                Some(Meaning::Table(table)) => Ok(Some(Arc::clone(table))),
                Some(Meaning::Scalar(_)) => Ok(None),
                None => Ok(self.base(name)?),
            },
            _ => Ok(None),
        }
    }

    /// Rows of a base table within the window.
    fn base(&self, name: &str) -> Result<Option<Arc<Relation>>, Fault> {
        let Some(table) = self.library.table(name) else { return Ok(None) };
        self.spend(table.rows.len())?;
        let Some(timestamp) = table.position("Timestamp") else { return Ok(Some(table)) };
        let within = |row: &&Row| match row.get(timestamp) {
            Some(Value::Time(at)) => self.window.0 <= *at && *at <= self.window.1,
            _ => true,
        };
        let rows = table.rows.iter().filter(within).cloned().collect();
        Ok(Some(Arc::new(Relation { columns: table.columns.clone(), rows })))
    }

    /// Runs a pipeline.
    pub(super) fn run(&self, pipeline: &Pipeline) -> Result<Arc<Relation>, Fault> {
        let mut relation = self.source(pipeline.at, &pipeline.source)?;
        for step in &pipeline.steps {
            self.spend(relation.rows.len())?;
            relation = Arc::new(operators::apply(self, step, &relation)?);
            Self::admit(relation.rows.len())?;
        }
        Ok(relation)
    }

    fn source(&self, at: usize, source: &Source) -> Result<Arc<Relation>, Fault> {
        match source {
            Source::Name(name) => match self.names.get(name) {
                Some(Meaning::Table(table)) => Ok(Arc::clone(table)),
                Some(Meaning::Scalar(_)) => {
                    Err(Fault::semantic(at, format!("'{name}' is a scalar, a table is expected")))
                }
                None => self.base(name)?.ok_or_else(|| {
                    let what = format!(
                        "'where' operator: Failed to resolve table or column expression named '{name}'"
                    );
                    Fault::semantic(at, what)
                }),
            },
            Source::Nested(pipeline) => self.run(pipeline),
            Source::Union(union) => operators::union(self, at, None, union).map(Arc::new),
            Source::Datatable(columns, values) => self.datatable(at, columns, values).map(Arc::new),
            Source::Print(items) => self.print(items).map(Arc::new),
        }
    }

    fn datatable(&self, at: usize, columns: &[(Arc<str>, Kind)], values: &[Expr]) -> Result<Relation, Fault> {
        if !values.len().is_multiple_of(columns.len().max(1)) {
            return Err(Fault::semantic(at, "'datatable': the values do not fill the last row"));
        }
        let binder = Binder::new(self, &[], "datatable");
        let mut rows = Vec::new();
        for values in values.chunks(columns.len().max(1)) {
            let row = values.iter().zip(columns).map(|(value, (_, kind))| {
                let typed = binder.bind(value)?;
                let constant = binder.constant(value, "a value of a datatable")?;
                Ok(fitted(constant, typed.kind, *kind))
            });
            rows.push(row.collect::<Result<Row, Fault>>()?);
        }
        let columns = columns.iter().map(|(name, kind)| Column::new(Arc::clone(name), *kind)).collect();
        Ok(Relation { columns, rows })
    }

    fn print(&self, items: &[Named]) -> Result<Relation, Fault> {
        let binder = Binder::new(self, &[], "print");
        let mut columns = Vec::new();
        let mut row = Vec::new();
        for (number, item) in items.iter().enumerate() {
            let typed = binder.bind(&item.expr)?;
            let name = item.name.clone().unwrap_or_else(|| format!("print_{number}").into());
            columns.push(Column::new(name, typed.kind));
            row.push(typed.bound.eval(&[]));
        }
        Ok(Relation { columns, rows: vec![row.into()] })
    }
}

/// A literal as a value of the column it stands in.
fn fitted(value: Value, from: Kind, to: Kind) -> Value {
    match (value, to) {
        (Value::Long(value), Kind::Real) => Value::Real(super::value::real(value)),
        (value, Kind::Dynamic) if from != Kind::Dynamic => Value::json(value.to_json()),
        (Value::Null, to) => to.absent(),
        (value, _) => value,
    }
}
