//! Lowers closures: `x.any(|item| item.name == "y")`.

use std::ops::Range;

use rhai::{ASTNode, Expr, Stmt};

use super::chain::Step;
use super::function::Function;
use super::lower::{Lowered, Lowering};
use super::node::{Each, Node};
use super::shape::Shape;
use super::value::Kind;
use crate::diag::Code;

impl Lowering<'_> {
    /// Lowers `over.any(|item| body)` and its kin.
    pub(super) fn each(
        &mut self,
        function: Function,
        over: Option<Lowered>,
        closure: Option<&Step<'_>>,
        range: Range<usize>,
    ) -> Lowered {
        let over = over.unwrap_or(Lowered { node: Node::Opaque, shape: Shape::Any, range: range.clone() });
        if let Some(kind) = over.shape.kind().filter(|kind| !matches!(kind, Kind::Array | Kind::Nothing)) {
            let message = format!("`{}` needs an array, this is {kind}", function.as_str());
            self.problem(Code::ExpressionType, over.range.clone(), message);
        }
        if over.shape == Shape::Rows {
            self.rows_are_read();
        }
        let item = over.shape.item();
        let body = match closure {
            Some(Step::Expr(expr)) => self.closure(expr, item, function),
            _ => None,
        };
        let slot = self.locals.len();
        let shape = if function == Function::Filter { over.shape } else { Shape::Kind(Kind::Bool) };
        let body = body.unwrap_or(Node::Opaque);
        let start = over.range.start.min(range.start);
        let end = range.end;
        let node = Node::Each(Box::new(Each { function, over: over.node, slot, body, range }));
        Lowered { node, shape, range: start..end }
    }

    /// Lowers the body of a closure with its parameter in scope.
    fn closure(&mut self, expr: &Expr, item: Shape, function: Function) -> Option<Node> {
        let position = expr.start_position();
        let pointer = closure_pointer(expr);
        let Some((name, captured)) = pointer else {
            let range = self.places.token(position);
            let message = format!("`{}` needs a closure: `|x| x == 1`", function.as_str());
            self.problem(Code::ExpressionType, range, message);
            return None;
        };
        // The parameters of the compiled function are what it captures, then its own.
        let Some(parameter) = self.parameter(&name, captured + 1) else {
            let range = self.places.token(position);
            self.problem(Code::Expression, range, "the closure takes one value: `|x| ..`");
            return None;
        };
        if captured > 0 {
            // The script engine locks what a closure captures while the closure runs.
            let message = "beside `switch`, a closure may use only its own value";
            self.differs = Some((self.places.token(position), message));
        }
        let body = self.body(&name);
        self.locals.push((parameter, item));
        let value = self.block(&body, position);
        self.whole(&value);
        self.locals.pop();
        if let Some(kind) = value.shape.kind().filter(|kind| *kind != Kind::Bool) {
            let message = format!("the closure must be true or false, this is {kind}");
            self.problem(Code::ExpressionType, value.range, message);
        }
        Some(value.node)
    }

    /// The last parameter of a compiled closure that has `count` of them.
    fn parameter(&self, name: &str, count: usize) -> Option<String> {
        self.ast.shared_lib().get_script_fn(name, count)?.params.last().map(ToString::to_string)
    }

    /// The statements of a compiled closure. The engine shows them only on a walk.
    fn body(&self, name: &str) -> Vec<Stmt> {
        let mut alone = self.ast.clone_functions_only();
        alone.retain_functions(|_, _, function, _| function == name);
        let mut statements = Vec::new();
        alone.walk(&mut |path: &[ASTNode<'_>]| {
            if let [ASTNode::Stmt(statement)] = path {
                statements.push((*statement).clone());
            }
            true
        });
        statements
    }
}

/// The function a closure compiled to, and how many outer names it captures.
fn closure_pointer(expr: &Expr) -> Option<(String, usize)> {
    let pointer = |expr: &Expr| match expr {
        Expr::DynamicConstant(value, _) => {
            value.read_lock::<rhai::FnPtr>().map(|pointer| pointer.fn_name().to_owned())
        }
        _ => None,
    };
    match expr {
        Expr::Stmt(block) => match block.statements() {
            [Stmt::Share(_), Stmt::Expr(curried)] => match &**curried {
                Expr::FnCall(call, _) => Some((pointer(call.args.first()?)?, call.args.len() - 1)),
                _ => None,
            },
            _ => None,
        },
        _ => Some((pointer(expr)?, 0)),
    }
}
