//! Gives a query its meaning: resolves every name, types every expression, names every column,
//! and reports all that does not fit.
//!
//! In: the tree as written and the [`Database`]. Out: the [`Plan`] the evaluator runs, the columns
//! of the result, diagnostics. Nothing is read but the arguments, and nothing is remembered
//! between calls. A name that cannot be resolved is reported once; what depends on it is `unknown`
//! and silent.
//!
//! User functions are bound where they are written, for their diagnostics, and again at each call
//! with the arguments' types, silently, for the plan.

mod aggregate;
mod call;
mod codes;
mod conditions;
mod env;
mod expr;
mod function;
mod graph;
mod literal;
mod names;
mod parameter;
mod rows;
mod source;
mod stage;
mod statement;
mod typed;

pub use codes::*;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::parse::{Parameters, Parsed, parse_with};
use crate::plan::{AggregateCall, LocalId, Pipeline, Plan, Slot, SlotId};
use crate::schema::Database;
use crate::syntax;
use crate::text::Span;
use crate::types::Schema;

use env::Env;
use rows::{Ids, Rows};

/// Deepest nesting of expressions, pipelines and calls. Deeper than any query people write; the
/// stack holds it with room to spare.
const DEPTH_MAX: usize = 96;

/// Most expressions bound for one query, functions counted at each call. Keeps functions that call
/// functions from growing without end.
const EXPRESSIONS_MAX: usize = 200_000;

/// Most diagnostics of one query; further ones say the same again.
const DIAGNOSTICS_MAX: usize = 200;

/// The function that says where an address is; what it knows comes from outside.
const PLACES_OF_ADDRESSES: &str = "geo_info_from_ip_address";

/// What a query means.
#[derive(Debug, Clone)]
pub struct Bound {
    /// What the evaluator runs. Not to be run if there are errors among the diagnostics.
    pub plan: Plan,
    /// Columns of the result, which is that of the last tabular statement. If `open`, the rows may
    /// have more.
    pub columns: Schema,
    /// What is wrong, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// What a run may ask for. Nothing else is read.
    pub reads: Reads,
}

/// What a query reads besides its own text and documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Tables of the database under their current names: those the query names and those its patterns fit.
    pub tables: BTreeSet<String>,
    /// Functions whose answers come from outside: those of the service, and the one that knows the places
    /// of addresses.
    pub functions: BTreeSet<String>,
}

impl Bound {
    /// Whether the service would refuse the query.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Binds a query against a database.
#[must_use]
pub fn bind(query: &syntax::Query, database: &Database) -> Bound {
    let stored = function::Stored::new(database);
    let mut binder = Binder::new(database, &stored);
    let results = binder.statements(&query.statements);
    let columns = results.last().map(|pipeline| pipeline.schema.clone()).unwrap_or_default();
    let mut diagnostics = binder.sink;
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    diagnostics.dedup();
    Bound { plan: Plan { slots: binder.slots, results }, columns, diagnostics, reads: binder.reads }
}

/// Where the binder is in the query.
struct Binder<'a> {
    database: &'a Database,
    stored: &'a function::Stored<'a>,
    sink: Vec<Diagnostic>,
    reads: Reads,
    /// Whether problems are not reported: a function's body at a call.
    quiet: bool,
    slots: Vec<Slot>,
    ids: Ids,
    locals: u32,
    /// How often a local was read; tells whether an expression depends on the row.
    local_reads: usize,
    env: Env<'a>,
    scope: Scope,
    depth: usize,
    expressions: usize,
    /// The part of the pipeline before the operator being bound.
    so_far: Span,
    /// Number behind the last `Column`.
    unnamed: usize,
    /// Whether tables that do not exist are left out.
    fuzzy: bool,
    /// How many of them there were in the unions being bound.
    missing: usize,
    /// Whether the terms of the `search` that is being bound heed case.
    search_case: LetterCase,
    /// Names that `as` gave to table slots.
    slot_names: std::collections::BTreeMap<SlotId, Arc<str>>,
    /// Options that `set` statements gave a value.
    settings: Vec<(&'a str, crate::plan::Expr)>,
    /// The graph pattern that is being bound.
    matching: Option<graph::Matching>,
}

/// The columns in scope.
#[derive(Debug, Default)]
struct Scope {
    /// Rows the operator receives, if any.
    rows: Option<Rows>,
    /// How many of their columns the input really has; further ones were only named.
    known: usize,
    /// Rows of the other side, in a join condition.
    right: Option<Rows>,
    /// Where aggregates go, and whether this is a place for them.
    aggregation: Option<Aggregation>,
}

/// Aggregates found in an expression over groups.
#[derive(Debug, Default)]
struct Aggregation {
    calls: Vec<AggregateCall>,
    /// Place of the next result in the row that outputs read.
    next: usize,
    /// Identities of the columns that are group keys.
    keys: BTreeSet<u32>,
    /// What the current expression is over.
    over: Over,
}

/// What an expression is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Over {
    /// Columns of rows.
    #[default]
    Rows,
    /// Groups: aggregates are possible, columns are not.
    Groups,
}

/// Whether capital letters differ from small ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LetterCase {
    /// They do.
    Heeded,
    /// They do not.
    Ignored,
}

impl<'a> Binder<'a> {
    fn new(database: &'a Database, stored: &'a function::Stored<'a>) -> Self {
        Self {
            database,
            stored,
            sink: Vec::new(),
            reads: Reads::default(),
            quiet: false,
            slots: Vec::new(),
            ids: Ids::default(),
            locals: 0,
            local_reads: 0,
            env: Env::default(),
            scope: Scope::default(),
            depth: 0,
            expressions: 0,
            so_far: Span::default(),
            unnamed: 0,
            fuzzy: false,
            missing: 0,
            search_case: LetterCase::Ignored,
            slot_names: std::collections::BTreeMap::new(),
            settings: Vec::new(),
            matching: None,
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        if !self.quiet && self.sink.len() < DIAGNOSTICS_MAX {
            self.sink.push(diagnostic);
        }
    }

    fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        if !self.quiet {
            self.report(Diagnostic::error(code, span, message));
        }
    }

    /// Goes one level deeper, or reports that the query is too complex and returns nothing.
    fn deeper<T>(&mut self, span: Span, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.expressions += 1;
        if self.depth >= DEPTH_MAX || self.expressions > EXPRESSIONS_MAX {
            self.quiet_once(span);
            return None;
        }
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        Some(result)
    }

    /// Reports that the query is too complex, even from within a function's body, but once.
    fn quiet_once(&mut self, span: Span) {
        if !self.sink.iter().any(|diagnostic| diagnostic.code == TOO_COMPLEX) {
            let message = "the query is nested too deeply or calls too many functions";
            self.sink.push(Diagnostic::error(TOO_COMPLEX, span, message));
        }
    }

    /// Runs `work` with other columns in scope, and puts the present ones back.
    fn with_scope<T>(&mut self, scope: Scope, work: impl FnOnce(&mut Self) -> T) -> T {
        let saved = std::mem::replace(&mut self.scope, scope);
        let result = work(self);
        self.scope = saved;
        result
    }

    fn add_slot(&mut self, slot: Slot) -> SlotId {
        let id = SlotId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.slots.push(slot);
        id
    }

    fn add_table_slot(&mut self, pipeline: Pipeline) -> SlotId {
        self.add_slot(Slot::Table(pipeline))
    }

    fn next_local(&mut self) -> LocalId {
        self.locals = self.locals.wrapping_add(1);
        LocalId(self.locals)
    }

    /// Says what the next expressions are over, where aggregates are possible at all.
    fn set_over(&mut self, over: Over) {
        if let Some(aggregation) = &mut self.scope.aggregation {
            aggregation.over = over;
        }
    }

    /// Whether the current expression is over groups.
    fn is_over_groups(&self) -> bool {
        self.scope.aggregation.as_ref().is_some_and(|aggregation| aggregation.over == Over::Groups)
    }

    /// Returns `Column1`, `Column2`, ...; the first that names nothing in scope.
    fn unnamed_column(&mut self) -> Arc<str> {
        loop {
            self.unnamed += 1;
            let name = format!("Column{}", self.unnamed);
            let taken = self.scope.rows.as_ref().is_some_and(|rows| rows.find(&name).is_some());
            if !taken && self.env.find(&name).is_none() {
                return name.into();
            }
        }
    }
}

impl Scope {
    /// Makes a scope of rows.
    fn of(rows: Rows) -> Self {
        Self { known: rows.columns.len(), rows: Some(rows), right: None, aggregation: None }
    }
}

/// A query text with all that is found out about it.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The tree.
    pub parsed: Parsed,
    /// The meaning.
    pub bound: Bound,
    /// What is wrong with either, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses and binds a query text that has no parameters.
#[must_use]
pub fn check(text: &str, database: &Database) -> Checked {
    check_with(text, database, &Parameters::default())
}

/// Parses and binds a query text whose parameters stand for literals.
#[must_use]
pub fn check_with(text: &str, database: &Database, parameters: &Parameters) -> Checked {
    let parsed = parse_with(text, parameters);
    let bound = bind(&parsed.query, database);
    let mut diagnostics = parsed.diagnostics.clone();
    // Where the syntax is wrong, the meaning of what is there says nothing new.
    let is_told =
        |found: &&Diagnostic| parsed.diagnostics.iter().all(|told| told.span.start != found.span.start);
    diagnostics.extend(bound.diagnostics.iter().filter(is_told).cloned());
    diagnostics.extend(parameter::unknown(text, &parsed.tokens, parameters));
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    Checked { parsed, bound, diagnostics }
}
