//! Gives a parsed expression its meaning: resolves names, checks types, notes what is read.
//!
//! Every problem is collected; what cannot be resolved becomes [`Node::Opaque`] so that the rest is
//! still checked. The tree of the script engine is walked by a white list: what is not named here is
//! refused.

use std::collections::BTreeSet;
use std::ops::Range;

use rhai::{AST, Expr, FnCallExpr, Position, Stmt};

use super::chain::Step;
use super::function::Function;
use super::names::{Names, Place, Subject};
use super::node::{Absent, Constant, Link, Node, call};
use super::place::Places;
use super::shape::{ALERT, ALERTS, INCIDENT, INCIDENTS, OUTCOME, Shape};
use super::value::{Compare, Kind, Reckon};
use super::{Reads, RowsUse};
use crate::diag::{Code, Problem};

/// A node, what is known of its value, and where it stands.
#[derive(Debug)]
pub(super) struct Lowered {
    pub(super) node: Node,
    pub(super) shape: Shape,
    pub(super) range: Range<usize>,
}

/// The names and reads collected on the way.
pub(super) struct Lowering<'a> {
    pub(super) ast: &'a AST,
    pub(super) names: &'a Names,
    pub(super) places: Places<'a>,
    pub(super) problems: Vec<Problem>,
    /// Parameters of the closures around, outermost first.
    pub(super) locals: Vec<(String, Shape)>,
    /// Columns of `row` in order of their first use, as [`Node::Column`] counts them.
    pub(super) columns: Vec<Box<str>>,
    /// Columns of `row` or of the rows in `rows`.
    pub(super) reads: Reads,
    pub(super) rows: RowsUse,
    pub(super) lists: Vec<Box<str>>,
    /// Whether it may say something else of the same item at another time.
    pub(super) timed: bool,
    /// Whether all of it can be evaluated without the script engine.
    pub(super) native: bool,
    /// What the script engine would not evaluate as the native way does, and what to say of it.
    pub(super) differs: Option<(Range<usize>, &'static str)>,
}

impl<'a> Lowering<'a> {
    /// Starts with nothing read.
    pub(super) fn new(ast: &'a AST, source: &'a str, names: &'a Names) -> Self {
        Self {
            ast,
            names,
            places: Places::new(source),
            problems: Vec::new(),
            locals: Vec::new(),
            columns: Vec::new(),
            reads: Reads::Only(BTreeSet::new()),
            rows: RowsUse::None,
            lists: Vec::new(),
            timed: false,
            native: true,
            differs: None,
        }
    }

    /// Lowers the whole expression, which must be able to be true or false.
    pub(super) fn run(&mut self) -> Node {
        let [Stmt::Expr(expr)] = self.ast.statements() else {
            self.problem(Code::Expression, 0..self.places.source().len(), "a condition is one expression");
            return Node::Opaque;
        };
        let whole = self.expr(expr);
        if let Some(kind) = whole.shape.kind().filter(|kind| *kind != Kind::Bool) {
            let range = 0..self.places.source().len();
            self.problem(
                Code::ExpressionType,
                range,
                format!("a condition must be true or false, this is {kind}"),
            );
        }
        if let (false, Some((range, message))) = (self.native, self.differs.take()) {
            self.problem(Code::Expression, range, message);
        }
        whole.node
    }

    /// Reports a problem.
    pub(super) fn problem(&mut self, code: Code, range: Range<usize>, message: impl Into<String>) {
        self.problems.push(Problem::new(code, range, message));
    }

    /// Reports something that conditions may not contain.
    fn refuse(&mut self, position: Position, message: &str) -> Lowered {
        let range = self.places.token(position);
        self.problem(Code::Expression, range.clone(), message);
        Lowered { node: Node::Opaque, shape: Shape::Any, range }
    }

    /// Lowers any expression.
    pub(super) fn expr(&mut self, expr: &Expr) -> Lowered {
        let position = expr.start_position();
        let constant = |constant, kind| Lowered {
            node: Node::Constant(constant),
            shape: Shape::Kind(kind),
            range: self.places.token(position),
        };
        match expr {
            Expr::BoolConstant(value, _) => constant(Constant::Bool(*value), Kind::Bool),
            Expr::IntegerConstant(value, _) => constant(Constant::Int(*value), Kind::Number),
            Expr::FloatConstant(value, _) => constant(Constant::Real(**value), Kind::Number),
            Expr::StringConstant(text, _) => constant(Constant::Text(text.as_str().into()), Kind::Text),
            Expr::Unit(_) => constant(Constant::Nothing, Kind::Nothing),
            Expr::CharConstant(..) => self.refuse(position, "texts are written in double quotes"),
            Expr::Array(items, _) => self.array(items, position),
            Expr::Variable(variable, ..) => self.variable(&variable.1, position),
            Expr::FnCall(called, at) => self.call(called, *at),
            Expr::Dot(..) | Expr::Index(..) => self.chain(expr),
            Expr::And(operands, at) => self.junction(operands, *at, Node::And),
            Expr::Or(operands, at) => self.junction(operands, *at, Node::Or),
            Expr::Coalesce(operands, _) => self.coalesce(operands, position),
            Expr::Stmt(block) => self.block(block.statements(), position),
            Expr::InterpolatedString(..) => self.refuse(position, "texts are joined with `+`"),
            Expr::DynamicConstant(..) => {
                self.refuse(position, "a closure may only be given to `any`, `all` or `filter`")
            }
            _ => self.refuse(position, "this is not allowed in a condition"),
        }
    }

    fn array(&mut self, items: &[Expr], position: Position) -> Lowered {
        let range = self.places.token(position);
        let mut first: Option<(Kind, Range<usize>)> = None;
        let mut nodes = Vec::with_capacity(items.len());
        for item in items {
            let item = self.expr(item);
            match (&first, item.shape.kind()) {
                (Some((kind, _)), Some(other)) if *kind != other && other != Kind::Nothing => {
                    let message = format!("an array of {kind} also holds {other}");
                    self.problem(Code::ExpressionType, item.range.clone(), message);
                }
                (None, Some(kind)) if kind != Kind::Nothing => first = Some((kind, item.range.clone())),
                _ => {}
            }
            nodes.push(item.node);
        }
        Lowered { node: Node::Array(nodes), shape: Shape::Kind(Kind::Array), range }
    }

    /// The names that mean something here, parameters of closures aside.
    fn globals(&self) -> Vec<(&'static str, Node, Shape)> {
        let mut globals = vec![
            ("run", Node::Run, Shape::Run),
            ("now", Node::Now, Shape::Kind(Kind::Time)),
            ("lists", Node::Opaque, Shape::Lists),
        ];
        globals.push(match (self.names.place, &self.names.subject) {
            (Place::When, Subject::Rows { .. }) => ("rows", Node::Subject, Shape::Rows),
            (Place::When, Subject::Incidents) => ("incidents", Node::Subject, Shape::of(&INCIDENTS)),
            (Place::Where | Place::Action, Subject::Rows { .. }) => ("row", Node::Subject, Shape::Row),
            (Place::Where | Place::Action, Subject::Incidents) => {
                ("incident", Node::Subject, Shape::of(&INCIDENT))
            }
            (Place::When, Subject::Alerts) => ("alerts", Node::Subject, Shape::of(&ALERTS)),
            (Place::Where | Place::Action, Subject::Alerts) => ("alert", Node::Subject, Shape::of(&ALERT)),
            (Place::Notify, _) => ("outcome", Node::Outcome, Shape::of(&OUTCOME)),
        });
        globals
    }

    fn variable(&mut self, name: &str, position: Position) -> Lowered {
        let range = self.places.token(position);
        if let Some(slot) = self.locals.iter().rposition(|(local, _)| local == name) {
            let shape = self.locals.get(slot).map_or(Shape::Any, |(_, shape)| *shape);
            return Lowered { node: Node::Local(slot), shape, range };
        }
        let globals = self.globals();
        if let Some((_, node, shape)) = globals.iter().find(|(global, ..)| *global == name) {
            self.timed |= matches!(node, Node::Now | Node::Run);
            return Lowered { node: node.clone(), shape: *shape, range };
        }
        let known = globals
            .iter()
            .map(|(global, ..)| *global)
            .chain(self.locals.iter().map(|(local, _)| local.as_str()));
        let known: Vec<&str> = known.collect();
        if ["row", "rows", "incident", "incidents", "alert", "alerts", "outcome"].contains(&name)
            && let Some((subject, ..)) = globals.last()
        {
            let message = format!("there is no `{name}` here, but `{subject}`");
            let problem = Problem::new(Code::UnknownName, range.clone(), message);
            // One for another; one row in place of all rows would mean something else.
            let problem = if name.ends_with('s') == subject.ends_with('s') {
                problem.suggest(range.clone(), *subject, "what this expression is about")
            } else {
                problem.help(
                    "`when` is about all `rows`, `incidents` or `alerts`, `where` and `if` of an action about one",
                )
            };
            self.problems.push(problem);
            return Lowered { node: Node::Opaque, shape: Shape::Any, range };
        }
        let problem = Problem::new(Code::UnknownName, range.clone(), format!("`{name}` does not exist here"))
            .nearest(name, known.iter().copied())
            .help(format!("known here: `{}`", known.join("`, `")));
        self.problems.push(problem);
        Lowered { node: Node::Opaque, shape: Shape::Any, range }
    }

    /// Takes note that a value is used as a whole: a row then needs all its columns.
    pub(super) fn whole(&mut self, value: &Lowered) {
        match value.shape {
            Shape::Row => {
                self.reads = Reads::All;
                if self.names.place == Place::When {
                    self.rows = RowsUse::Columns(Reads::All);
                }
            }
            Shape::Rows => {
                self.reads = Reads::All;
                self.rows = RowsUse::Columns(Reads::All);
            }
            Shape::Lists => {
                let message = "`lists` is used as `lists.NAME`";
                self.problem(Code::UnknownReference, value.range.clone(), message);
            }
            _ => {}
        }
    }

    /// Takes note that rows are looked at one by one, whatever columns that turns out to need.
    pub(super) fn rows_are_read(&mut self) {
        self.rows = RowsUse::Columns(self.reads.clone());
    }

    /// Lowers a value that is used as a whole.
    pub(super) fn value(&mut self, expr: &Expr) -> Lowered {
        let value = self.expr(expr);
        self.whole(&value);
        value
    }

    fn junction(
        &mut self,
        operands: &[Expr],
        _position: Position,
        make: impl Fn(Vec<(Node, Range<usize>)>) -> Node,
    ) -> Lowered {
        let mut nodes = Vec::with_capacity(operands.len());
        let mut range = None;
        for operand in operands {
            let operand = self.truth(operand);
            range = Some(
                range.map_or(operand.range.clone(), |range: Range<usize>| range.start..operand.range.end),
            );
            nodes.push((operand.node, operand.range));
        }
        Lowered { node: make(nodes), shape: Shape::Kind(Kind::Bool), range: range.unwrap_or_default() }
    }

    /// Lowers a value that must be true or false.
    fn truth(&mut self, expr: &Expr) -> Lowered {
        let value = self.value(expr);
        if let Some(kind) = value.shape.kind().filter(|kind| *kind != Kind::Bool) {
            let message = format!("this must be true or false, it is {kind}");
            self.problem(Code::ExpressionType, value.range.clone(), message);
        }
        value
    }

    fn coalesce(&mut self, operands: &[Expr], position: Position) -> Lowered {
        let values: Vec<Lowered> = operands.iter().map(|operand| self.value(operand)).collect();
        let mut shapes = values.iter().map(|value| value.shape);
        let first = shapes.next().unwrap_or(Shape::Any);
        let shape = if shapes.all(|shape| shape == first) { first } else { Shape::Any };
        let node = Node::Coalesce(values.into_iter().map(|value| value.node).collect());
        Lowered { node, shape, range: self.places.token(position) }
    }

    /// Lowers what the script engine keeps as statements: `if`, `switch`, and closures that capture.
    pub(super) fn block(&mut self, statements: &[Stmt], position: Position) -> Lowered {
        match statements {
            [] => Lowered {
                node: Node::Constant(Constant::Nothing),
                shape: Shape::Kind(Kind::Nothing),
                range: self.places.token(position),
            },
            [Stmt::Expr(expr)] => self.expr(expr),
            [Stmt::FnCall(called, at)] => self.call(called, *at),
            [Stmt::Block(block)] => self.block(block.statements(), position),
            [Stmt::If(flow, at)] => {
                let condition = self.truth(&flow.expr);
                let (body, branch) =
                    (self.block(flow.body.statements(), *at), self.block(flow.branch.statements(), *at));
                self.whole(&body);
                self.whole(&branch);
                let shape = if body.shape == branch.shape { body.shape } else { Shape::Any };
                let node = Node::If(Box::new((condition.node, body.node, branch.node)), condition.range);
                Lowered { node, shape, range: self.places.token(*at) }
            }
            [Stmt::Switch(parts, at)] => {
                self.native = false;
                self.value(&parts.0);
                for case in &parts.1.expressions {
                    self.value(&case.lhs);
                    self.value(&case.rhs);
                }
                Lowered { node: Node::Opaque, shape: Shape::Any, range: self.places.token(*at) }
            }
            [Stmt::Share(_), ..] => {
                self.refuse(position, "a closure may only be given to `any`, `all` or `filter`")
            }
            _ => self.refuse(position, "a condition is one expression, without statements"),
        }
    }

    /// Lowers a call written as `f(a, b)`, an operator or `a in b`.
    fn call(&mut self, called: &FnCallExpr, position: Position) -> Lowered {
        let range = self.places.token(position);
        match (called.name.as_str(), called.args.as_slice()) {
            ("!", [operand]) => {
                let value = self.truth(operand);
                Lowered {
                    node: Node::Not(Box::new(value.node), value.range),
                    shape: Shape::Kind(Kind::Bool),
                    range,
                }
            }
            ("-", [operand]) => {
                let value = self.number(operand, "-");
                Lowered {
                    node: Node::Negate(Box::new(value.node), value.range),
                    shape: Shape::Kind(Kind::Number),
                    range,
                }
            }
            (name, [left, right]) if called.op_token.is_some() && name != Function::Contains.as_str() => {
                self.operator(name, left, right, range)
            }
            (name, arguments) => {
                let values = arguments.iter().map(Step::Expr).collect();
                self.function(name, values, range)
            }
        }
    }

    fn operator(&mut self, name: &str, left: &Expr, right: &Expr, range: Range<usize>) -> Lowered {
        if let Some(compare) = Compare::ALL.into_iter().find(|compare| compare.as_str() == name) {
            let (left, right) = (self.value(left), self.value(right));
            self.check_comparison(compare, &left, &right, &range);
            let node = Node::Compare(compare, Box::new((left.node, right.node)), range);
            return Lowered {
                node,
                shape: Shape::Kind(Kind::Bool),
                range: left.range.start..right.range.end,
            };
        }
        let Some(reckon) = Reckon::ALL.into_iter().find(|reckon| reckon.as_str() == name) else {
            let help = match name {
                "&" => "`and` is written `&&`",
                "|" => "`or` is written `||`",
                "**" | "^" => "powers are not reckoned in conditions",
                ".." | "..=" => "ranges are written `x >= 1 && x < 3`",
                _ => "see the list of operators in the manual",
            };
            let problem = Problem::new(
                Code::Expression,
                range.clone(),
                format!("`{name}` is not an operator of conditions"),
            );
            self.problems.push(problem.help(help));
            return Lowered { node: Node::Opaque, shape: Shape::Any, range };
        };
        let (left, right) = (self.value(left), self.value(right));
        let texts = |side: &Lowered| side.shape.kind() == Some(Kind::Text);
        let shape =
            if reckon == Reckon::Add && (texts(&left) || texts(&right)) { Kind::Text } else { Kind::Number };
        for side in [&left, &right] {
            if let Some(kind) = side.shape.kind().filter(|kind| *kind != shape && *kind != Kind::Nothing) {
                let message = format!("`{name}` does not take {kind} here");
                self.problem(Code::ExpressionType, side.range.clone(), message);
            }
        }
        let unknown = left.shape.kind().is_none() && right.shape.kind().is_none();
        let shape = if unknown { Shape::Any } else { Shape::Kind(shape) };
        let node = Node::Reckon(reckon, Box::new((left.node, right.node)), range);
        Lowered { node, shape, range: left.range.start..right.range.end }
    }

    fn number(&mut self, operand: &Expr, name: &str) -> Lowered {
        let value = self.value(operand);
        if let Some(kind) = value.shape.kind().filter(|kind| !matches!(kind, Kind::Number | Kind::Nothing)) {
            self.problem(Code::ExpressionType, value.range.clone(), format!("`{name}` does not take {kind}"));
        }
        value
    }

    /// Lowers a call of the catalogue; the first argument may be what stands before the dot.
    pub(super) fn function(
        &mut self,
        name: &str,
        mut arguments: Vec<Step<'_>>,
        range: Range<usize>,
    ) -> Lowered {
        let Some(function) = Function::find(name) else {
            let message = format!("there is no function `{name}`");
            let problem = Problem::new(Code::UnknownFunction, range.clone(), message);
            let problem = match Function::named_elsewhere(name) {
                Some(ours) => problem.suggest(range.clone(), ours, format!("here it is called `{ours}`")),
                None => problem.nearest(name, Function::names()),
            };
            let all: Vec<_> = Function::names().collect();
            self.problems.push(problem.help(format!("known functions: `{}`", all.join("`, `"))));
            for argument in arguments {
                let value = self.step(argument);
                self.whole(&value);
            }
            return Lowered { node: Node::Opaque, shape: Shape::Any, range };
        };
        if arguments.len() != function.arity() {
            let (wanted, got) = (function.arity(), arguments.len());
            let message =
                format!("`{name}` takes {wanted} values (the one before the dot counts), not {got}");
            self.problem(Code::UnknownFunction, range.clone(), message);
            return Lowered { node: Node::Opaque, shape: Shape::Kind(function.gives()), range };
        }
        if function.takes_closure() {
            let closure = arguments.pop();
            let over = arguments.pop().map(|over| self.step(over));
            return self.each(function, over, closure.as_ref(), range);
        }
        let values: Vec<Lowered> = arguments.into_iter().map(|argument| self.step(argument)).collect();
        for value in &values {
            if (function, value.shape) == (Function::Len, Shape::Rows) {
                // Counting needs no column.
                self.rows = std::mem::replace(&mut self.rows, RowsUse::None).at_least_count();
            } else {
                self.whole(value);
            }
        }
        self.timed |= function == Function::Ago;
        self.check_arguments(function, &values);
        let start =
            values.iter().map(|value| value.range.start).min().unwrap_or(range.start).min(range.start);
        let end = values.iter().map(|value| value.range.end).max().unwrap_or(range.end).max(range.end);
        let node = call(function, values.into_iter().map(|value| value.node).collect(), range);
        Lowered { node, shape: Shape::Kind(function.gives()), range: start..end }
    }

    /// Notes a column; gives its node.
    pub(super) fn column(&mut self, name: &str, of: Lowered, range: Range<usize>) -> Lowered {
        self.check_column(name, &range);
        if let Reads::Only(columns) = &mut self.reads {
            columns.insert(name.to_owned());
        }
        if self.names.place == Place::When {
            self.rows_are_read();
        }
        let span = of.range.start..range.end;
        let node = if matches!(of.node, Node::Subject) {
            let known = self.columns.iter().position(|column| **column == *name);
            Node::Column(known.unwrap_or_else(|| {
                self.columns.push(name.into());
                self.columns.len() - 1
            }))
        } else {
            Node::Field {
                of: Box::new(of.node),
                name: name.into(),
                absent: Absent::Nothing,
                link: Link::Strict,
                range,
            }
        };
        Lowered { node, shape: self.column_shape(name), range: span }
    }

    /// Notes a list; gives its node.
    pub(super) fn list(&mut self, name: &str, range: Range<usize>) -> Lowered {
        if !self.names.lists.contains(name) {
            let problem =
                Problem::new(Code::UnknownReference, range.clone(), format!("there is no list `{name}`"))
                    .nearest(name, self.names.lists.iter().map(String::as_str));
            let is_near = problem.suggestion.is_some();
            let help = format!("a list is a file of the lists folder: `{name}.txt`, one entry on each line");
            self.problems.push(if is_near { problem } else { problem.help(help) });
        }
        let known = self.lists.iter().position(|list| **list == *name);
        let place = known.unwrap_or_else(|| {
            self.lists.push(name.into());
            self.lists.len() - 1
        });
        Lowered { node: Node::List(place), shape: Shape::Kind(Kind::List), range }
    }
}
