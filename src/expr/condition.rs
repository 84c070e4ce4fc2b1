//! Conditions: compiled once, bound to what a run knows, asked about each row.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rhai::{AST, Engine, LexError, OptimizationLevel, ParseErrorType};
use serde_json::Value as Json;

use super::lower::Lowering;
use super::names::{Names, Reads, RowsUse};
use super::native::{About, Scene};
use super::node::Node;
use super::place::Places;
use super::value::AnyRow;
use super::{Env, EvalError, Language, script};
use crate::diag::{Code, Problem};
use crate::model::{List, Lists, Projection, Row, RowView};

/// Longest source of a condition. A literal list of five thousand names is a fifth of it.
const SOURCE_BYTES_MAX: usize = 1 << 20;

/// What a condition compiled to. Shared by everything bound from it.
#[derive(Debug)]
pub(super) struct Program {
    source: String,
    engine: Arc<Engine>,
    ast: AST,
    node: Node,
    native: bool,
    columns: Vec<Box<str>>,
    reads: Reads,
    rows: RowsUse,
    lists: Vec<Box<str>>,
    timed: bool,
    /// Whether it was ever false, and whether it was ever true.
    said: [AtomicBool; 2],
}

impl Program {
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) const fn ast(&self) -> &AST {
        &self.ast
    }

    /// Names of the lists it mentions, in the order in which [`Bound`] holds them.
    pub(super) fn lists(&self) -> &[Box<str>] {
        &self.lists
    }

    /// The columns it reads; `None` stands for all.
    pub(super) fn read_columns(&self) -> Option<Vec<&str>> {
        match &self.reads {
            Reads::All => None,
            Reads::Only(columns) => Some(columns.iter().map(String::as_str).collect()),
        }
    }
}

/// A condition that compiled. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Condition(Arc<Program>);

/// Two are the same if they were written alike.
impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl Condition {
    /// Compiles an expression.
    ///
    /// # Errors
    ///
    /// Every problem found, in the order of the text; ranges count bytes in `source`.
    pub fn compile(language: &Language, source: &str, names: &Names) -> Result<Self, Vec<Problem>> {
        if source.trim().is_empty() {
            let problem = Problem::new(Code::Expression, 0..source.len(), "the condition is empty");
            return Err(vec![problem.help("leave the key out to accept everything")]);
        }
        if source.len() > SOURCE_BYTES_MAX {
            let message = format!("the condition is longer than {SOURCE_BYTES_MAX} bytes");
            let problem = Problem::new(Code::Expression, 0..source.len(), message);
            return Err(vec![problem.help("long sets of values belong in a list: `x in lists.NAME`")]);
        }
        let engine = Arc::clone(language.engine());
        let mut ast = engine.compile_expression(source).map_err(|error| vec![syntax(source, &error)])?;
        let mut lowering = Lowering::new(&ast, source, names);
        let node = lowering.run();
        if !lowering.problems.is_empty() {
            let mut problems = lowering.problems;
            problems.sort_by_key(|problem| (problem.range.start, problem.range.end));
            problems.dedup();
            return Err(problems);
        }
        let Lowering { native, columns, reads, rows, lists, timed, .. } = lowering;
        ast.set_source("condition");
        let source = source.to_owned();
        let said = [AtomicBool::new(false), AtomicBool::new(false)];
        Ok(Self(Arc::new(Program {
            source,
            engine,
            ast,
            node,
            native,
            columns,
            reads,
            rows,
            lists,
            timed,
            said,
        })))
    }

    /// The expression as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The columns it reads of `row`, or in a `when` of the rows in `rows`.
    #[must_use]
    pub fn columns(&self) -> &Reads {
        &self.0.reads
    }

    /// Whether it reads the time or the run, so that it may say something else of the same item later.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.0.timed
    }

    /// What it needs of `rows`.
    #[must_use]
    pub fn rows_use(&self) -> &RowsUse {
        &self.0.rows
    }

    /// Names of the lists it mentions.
    pub fn lists(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.lists.iter().map(AsRef::as_ref)
    }

    /// What it has said so far, bound in whatever way: for telling which branches were never tried.
    #[must_use]
    pub fn answers(&self) -> Answers {
        let [no, yes] = &self.0.said;
        Answers { yes: yes.load(Ordering::Relaxed), no: no.load(Ordering::Relaxed) }
    }

    /// Binds it to the columns rows will carry and to the lists of this run.
    ///
    /// A list that is missing is an error of the evaluation that needs it. Rows may turn out to carry
    /// other columns; that costs a look-up and changes no answer.
    #[must_use]
    pub fn bind(&self, projection: &Projection, lists: &Lists) -> Bound {
        let places = self.0.columns.iter().map(|column| projection.index(column)).collect();
        let lists = self.0.lists.iter().map(|name| lists.get(name).cloned()).collect();
        Bound { program: Arc::clone(&self.0), places, lists }
    }
}

/// Which answers a condition has given since it was compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answers {
    /// It held.
    pub yes: bool,
    /// It did not hold.
    pub no: bool,
}

/// A condition ready to be asked. One for each thread; clone it for another.
#[derive(Debug, Clone)]
pub struct Bound {
    program: Arc<Program>,
    /// Where each column the condition reads lies in a row.
    places: Vec<Option<usize>>,
    lists: Vec<Option<Arc<List>>>,
}

impl Bound {
    /// Whether a streaming row is wanted (`where`, `if` over rows).
    ///
    /// # Errors
    ///
    /// [`EvalError`] if the expression has no value for this row, for example because it compares a
    /// text with a number. It never means "not wanted".
    pub fn test_row(&mut self, row: &RowView<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
        self.align(row.projection);
        self.test(About::Row(AnyRow::View(row), &self.places), env)
    }

    /// Whether a kept row is wanted.
    ///
    /// # Errors
    ///
    /// As [`Self::test_row`].
    pub fn test_kept(&mut self, row: &Row, env: &Env<'_>) -> Result<bool, EvalError> {
        self.align(&row.projection);
        self.test(About::Row(AnyRow::Kept(row), &self.places), env)
    }

    /// Whether an incident, in its serialised form, is wanted.
    ///
    /// # Errors
    ///
    /// As [`Self::test_row`].
    pub fn test_value(&self, incident: &Json, env: &Env<'_>) -> Result<bool, EvalError> {
        self.test(About::Value(incident), env)
    }

    /// Whether a `when` over rows holds. `rows` may be empty if [`Condition::rows_use`] asks for no more
    /// than their number.
    ///
    /// # Errors
    ///
    /// As [`Self::test_row`].
    pub fn test_rows(&self, count: u64, rows: &[Row], env: &Env<'_>) -> Result<bool, EvalError> {
        self.test(About::Rows(count, rows), env)
    }

    /// Whether a `when` over incidents holds.
    ///
    /// # Errors
    ///
    /// As [`Self::test_row`].
    pub fn test_values(&self, incidents: &[Json], env: &Env<'_>) -> Result<bool, EvalError> {
        self.test(About::Values(incidents), env)
    }

    /// Whether the `if` of a notification holds; it looks at the run and its outcome only.
    ///
    /// # Errors
    ///
    /// As [`Self::test_row`].
    pub fn test_outcome(&self, env: &Env<'_>) -> Result<bool, EvalError> {
        self.test(About::Run, env)
    }

    fn test(&self, about: About<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
        let holds = if self.program.native {
            let whole = 0..self.program.source.len();
            Scene::new(about, env, &self.lists).test(&self.program.node, &whole).map_err(|error| *error)
        } else {
            script::test(&self.program, about, env, &self.lists)
        }?;
        let [no, yes] = &self.program.said;
        let said = if holds { yes } else { no };
        // Asked a hundred thousand times and written twice: a look is cheaper than a write.
        if !said.load(Ordering::Relaxed) {
            said.store(true, Ordering::Relaxed);
        }
        Ok(holds)
    }

    /// Evaluates with the script engine whatever the condition is; the reference for the fast way.
    #[cfg(test)]
    pub(super) fn test_by_script(&mut self, about: About<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
        script::test(&self.program, about, env, &self.lists)
    }

    /// The same, until some instant at the latest.
    #[cfg(test)]
    pub(super) fn test_by_script_until(
        &mut self,
        deadline: Option<tokio::time::Instant>,
        about: About<'_>,
        env: &Env<'_>,
    ) -> Result<bool, EvalError> {
        script::test_until(deadline, &self.program, about, env, &self.lists)
    }

    /// Finds the columns anew if this row carries others than the row before.
    fn align(&mut self, projection: &Projection) {
        let fits = |column: &str, place: &Option<usize>| match place {
            Some(place) => projection.names().nth(*place) == Some(column),
            None => projection.index(column).is_none(),
        };
        if !self.program.columns.iter().zip(&self.places).all(|(column, place)| fits(column, place)) {
            self.places = self.program.columns.iter().map(|column| projection.index(column)).collect();
        }
    }
}

/// Puts a parse error into words of conditions.
fn syntax(source: &str, error: &rhai::ParseError) -> Problem {
    let places = Places::new(source);
    let range = places.token(error.position());
    let token = source.get(range.clone()).unwrap_or_default();
    let problem = |message: String| Problem::new(Code::Expression, range.clone(), message);
    let before = source.get(..range.start).unwrap_or_default().trim_end();
    let unexpected = |token: &str| match token {
        _ if before.split(|c: char| !c.is_alphanumeric() && c != '_').next_back() == Some("not") => {
            let word = before.len() - "not".len()..before.len();
            Problem::new(Code::Expression, word.clone(), "`not` is not an operator").suggest(
                word,
                "!",
                "`not` is written `!(..)`",
            )
        }
        "and" => {
            problem("`and` is not an operator".into()).suggest(range.clone(), "&&", "`and` is written `&&`")
        }
        "or" => {
            problem("`or` is not an operator".into()).suggest(range.clone(), "||", "`or` is written `||`")
        }
        "not" => {
            problem("`not` is not an operator".into()).suggest(range.clone(), "!", "`not` is written `!(..)`")
        }
        "=" => {
            problem("`=` does not compare".into()).suggest(range.clone(), "==", "sameness is asked with `==`")
        }
        "=~" => problem("`=~` is not an operator".into())
            .help("compare without regard to case with `to_lower(x) == \"abc\"`"),
        "has" | "contains" | "startswith" | "endswith" | "like" => problem(format!(
            "`{token}` is not an operator"
        ))
        .help("write `x.icontains(\"abc\")`, or `contains`, `starts_with`, `ends_with`, which heed the case"),
        "null" | "nil" | "None" => problem(format!("`{token}` is not a value")).suggest(
            range.clone(),
            "()",
            "what is not there is written `()`",
        ),
        "{" => problem("`{` is not expected here".into())
            .help("a condition is no text: write `row.X`, without braces"),
        "“" | "”" | "„" => problem(format!("`{token}` does not quote"))
            .help("texts are written in straight double quotes, `\"abc\"`"),
        "let" | "const" | "fn" | "loop" | "while" | "for" | "return" | "throw" | "import" | "export" => {
            problem(format!("`{token}` is a statement; a condition is one expression"))
        }
        "" => problem("the expression ends too early".into()),
        token => problem(format!("`{token}` is not expected here")),
    };
    match error.err_type() {
        ParseErrorType::BadInput(LexError::MalformedChar(_)) => {
            let inner = token.trim_matches('\'');
            let problem = problem("texts are written in double quotes".into());
            if inner.is_empty() {
                return problem;
            }
            problem.suggest(range.clone(), format!("{inner:?}"), "use double quotes")
        }
        ParseErrorType::BadInput(LexError::UnterminatedString) => problem("the text is not closed".into()),
        ParseErrorType::BadInput(LexError::UnexpectedInput(_)) | ParseErrorType::UnexpectedEOF => {
            unexpected(token)
        }
        ParseErrorType::Reserved(_) => unexpected(token),
        ParseErrorType::ExprTooDeep => problem("the expression is nested too deeply".into()),
        other => {
            // The engine's own words, as a fragment.
            let text = other.to_string();
            let mut characters = text.chars();
            let first = characters.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
            problem(format!("{first}{}", characters.as_str()))
        }
    }
}

/// Builds the engine once for the process.
pub(super) fn engine() -> Engine {
    let mut engine = script::engine();
    engine.set_optimization_level(OptimizationLevel::None);
    engine
}
