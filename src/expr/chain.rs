//! Lowers chains: `row.X`, `incident.alerts[0].title`, `row.Name.to_lower().contains("x")`.

use std::ops::Range;

use rhai::{ASTFlags, Expr, Position};

use super::lower::{Lowered, Lowering};
use super::node::{Absent, Link, Node};
use super::shape::Shape;
use super::value::Kind;
use crate::diag::{Code, Problem};

/// An argument: still to be lowered, or what stands before the dot.
pub(super) enum Step<'e> {
    /// Still to be lowered.
    Expr(&'e Expr),
    /// Lowered already.
    Done(Lowered),
}

impl Lowering<'_> {
    /// Lowers an argument.
    pub(super) fn step(&mut self, step: Step<'_>) -> Lowered {
        match step {
            Step::Expr(expr) => self.expr(expr),
            Step::Done(lowered) => lowered,
        }
    }

    /// Lowers a chain from its beginning.
    pub(super) fn chain(&mut self, expr: &Expr) -> Lowered {
        let (Expr::Dot(pair, ..) | Expr::Index(pair, ..)) = expr else {
            return self.expr(expr);
        };
        let base = self.expr(&pair.lhs);
        self.links(base, expr)
    }

    /// Goes on with the links of a chain; `link` is the dot or bracket after `base`.
    fn links(&mut self, mut base: Lowered, mut link: &Expr) -> Lowered {
        loop {
            let (pair, flags, dot, at) = match link {
                Expr::Dot(pair, flags, at) => (pair, *flags, true, *at),
                Expr::Index(pair, flags, at) => (pair, *flags, false, *at),
                _ => return base,
            };
            let lenient = if flags.contains(ASTFlags::NEGATED) { Link::Lenient } else { Link::Strict };
            // The right side is the next link itself, or a chain whose left side it is.
            let (part, next) = match &pair.rhs {
                Expr::Dot(rest, ..) | Expr::Index(rest, ..) if !flags.contains(ASTFlags::BREAK) => {
                    (&rest.lhs, Some(&pair.rhs))
                }
                part => (part, None),
            };
            base =
                if dot { self.member(base, part, lenient, at) } else { self.index(base, part, lenient, at) };
            let Some(next) = next else { return base };
            if lenient == Link::Lenient {
                // The script engine ends the whole chain where `?.` meets nothing.
                self.differs = Some((base.range.clone(), "beside `switch`, `?.` comes last in its chain"));
            }
            link = next;
        }
    }

    /// `base.part`.
    fn member(&mut self, base: Lowered, part: &Expr, link: Link, at: Position) -> Lowered {
        match part {
            Expr::Property(property, position) => {
                let range = self.places.token(*position);
                self.field(base, &property.2, link, range)
            }
            Expr::MethodCall(called, position) => {
                let range = self.places.token(*position);
                if link == Link::Lenient {
                    let message = "`?.` is not used before functions: they accept nothing `()` anyway";
                    self.problem(Code::Expression, range.clone(), message);
                }
                let rest = called.args.iter().map(Step::Expr);
                let arguments = std::iter::once(Step::Done(base)).chain(rest).collect();
                self.function(&called.name, arguments, range)
            }
            _ => {
                let range = self.places.token(at);
                self.problem(Code::Expression, range.clone(), "after a dot comes a field or a function");
                Lowered { node: Node::Opaque, shape: Shape::Any, range }
            }
        }
    }

    /// `base.name` or `base["name"]`.
    fn field(&mut self, base: Lowered, name: &str, link: Link, range: Range<usize>) -> Lowered {
        match base.shape {
            Shape::Row => return self.column(name, base, range),
            Shape::Lists => return self.list(name, range),
            _ => {}
        }
        if let Some(kind) = base.shape.kind().filter(|kind| *kind != Kind::Object) {
            let mut problem =
                Problem::new(Code::ExpressionType, range.clone(), format!("{kind} has no field `{name}`"));
            if kind == Kind::Array {
                problem = problem.help(format!("look into each item: `.any(|x| x.{name} == ..)`"));
            }
            self.problems.push(problem);
        }
        let shape = base.shape.field(name).unwrap_or_else(|| {
            let known = base.shape.fields().unwrap_or_default();
            let problem =
                Problem::new(Code::UnknownName, range.clone(), format!("there is no field `{name}` here"))
                    .nearest(name, known.iter().copied())
                    .help(format!("known fields: `{}`", known.join("`, `")));
            self.problems.push(problem);
            Shape::Any
        });
        let absent = if base.shape == Shape::Run { Absent::Error } else { Absent::Nothing };
        let span = base.range.start..range.end;
        let node = Node::Field { of: Box::new(base.node), name: name.into(), absent, link, range };
        Lowered { node, shape, range: span }
    }

    /// `base[part]`.
    fn index(&mut self, base: Lowered, part: &Expr, link: Link, at: Position) -> Lowered {
        if let Expr::StringConstant(name, position) = part {
            let range = self.places.token(*position);
            return self.field(base, name, link, range);
        }
        let index = self.value(part);
        let range = self.places.token(at);
        let fits = |kind: &Kind| matches!(kind, Kind::Number | Kind::Text);
        if let Some(kind) = index.shape.kind().filter(|kind| !fits(kind)) {
            let message = format!("an index is a number or a text, not {kind}");
            self.problem(Code::ExpressionType, index.range.clone(), message);
        }
        let wanted = match index.shape.kind() {
            Some(Kind::Number) => Some(Kind::Array),
            Some(Kind::Text) => Some(Kind::Object),
            _ => None,
        };
        if let (Some(wanted), Some(kind)) = (wanted, base.shape.kind())
            && wanted != kind
        {
            let message = format!("{kind} is not indexed so: {wanted} is");
            self.problem(Code::ExpressionType, base.range, message);
            return Lowered { node: Node::Opaque, shape: Shape::Any, range };
        }
        if base.shape != Shape::Rows {
            self.whole(&base);
        }
        if base.shape == Shape::Rows {
            self.rows_are_read();
        }
        let span = base.range.start..index.range.end + 1;
        let shape = base.shape.item();
        let node = Node::Item { of: Box::new(base.node), index: Box::new(index.node), link, range };
        Lowered { node, shape, range: span }
    }
}
