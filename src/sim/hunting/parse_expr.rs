//! Tokens to the tree: expressions.

use std::sync::Arc;

use super::fault::Fault;
use super::lex::TokenKind;
use super::parse::Parser;
use super::syntax::{Arithmetic, Case, Comparison, Expr, How, Match, Membership, Node, Sense, Terms};
use super::time;
use super::value::{Kind, Value};

/// Longest chain of arithmetic operators without parentheses.
const CHAIN_MAX: usize = 200;

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Result<Expr, Fault> {
        self.deeper(Self::any)
    }

    fn any(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut parts = vec![self.all()?];
        while self.eat_word("or") {
            parts.push(self.all()?);
        }
        Ok(joined(at, parts, Node::Any))
    }

    fn all(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut parts = vec![self.test()?];
        while self.eat_word("and") {
            parts.push(self.test()?);
        }
        Ok(joined(at, parts, Node::All))
    }

    /// At most one comparison.
    fn test(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let left = self.sum()?;
        let sign: &str = match &self.peek().kind {
            TokenKind::Sign(sign) => sign,
            TokenKind::Name(word) => &word.clone(),
            _ => return Ok(left),
        };
        let node = if let Some(comparison) = comparison(sign) {
            self.advance();
            Node::Compare(comparison, Box::new(left), Box::new(self.sum()?))
        } else if let Some(how) = text_match(sign) {
            self.advance();
            if how.how == How::Regex {
                self.expect_word("regex")?;
            }
            Node::Match(how, Box::new(left), Box::new(self.sum()?))
        } else if let Some(membership) = membership(sign) {
            self.advance();
            Node::In(membership, Box::new(left), self.operands()?)
        } else if let "has_any" | "has_all" = sign {
            let terms = if sign == "has_any" { Terms::Any } else { Terms::All };
            self.advance();
            Node::Terms(terms, Box::new(left), self.operands()?)
        } else if let "between" | "!between" = sign {
            let sense = if sign == "between" { Sense::Is } else { Sense::IsNot };
            self.advance();
            self.expect_sign("(")?;
            let low = Box::new(self.expr()?);
            self.expect_sign("..")?;
            let high = Box::new(self.expr()?);
            self.expect_sign(")")?;
            Node::Between { value: Box::new(left), low, high, sense }
        } else {
            return Ok(left);
        };
        Ok(Expr { at, node })
    }

    /// `(a, b)`, `(pipeline)`, or a bare name of a list or table.
    fn operands(&mut self) -> Result<Vec<Expr>, Fault> {
        if !self.is_sign("(") {
            return Ok(vec![self.primary()?]);
        }
        self.arguments()
    }

    fn sum(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut left = self.product()?;
        let mut chain = 0;
        loop {
            let operator = match self.peek().kind {
                TokenKind::Sign("+") => Arithmetic::Add,
                TokenKind::Sign("-") => Arithmetic::Subtract,
                _ => return Ok(left),
            };
            chain += 1;
            if chain > CHAIN_MAX {
                return Err(Fault::syntax(self.at(), "The expression is too long"));
            }
            self.advance();
            left = Expr { at, node: Node::Arithmetic(operator, Box::new(left), Box::new(self.product()?)) };
        }
    }

    fn product(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut left = self.unary()?;
        let mut chain = 0;
        loop {
            let operator = match self.peek().kind {
                TokenKind::Sign("*") => Arithmetic::Multiply,
                TokenKind::Sign("/") => Arithmetic::Divide,
                TokenKind::Sign("%") => Arithmetic::Remainder,
                _ => return Ok(left),
            };
            chain += 1;
            if chain > CHAIN_MAX {
                return Err(Fault::syntax(self.at(), "The expression is too long"));
            }
            self.advance();
            left = Expr { at, node: Node::Arithmetic(operator, Box::new(left), Box::new(self.unary()?)) };
        }
    }

    fn unary(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        if self.eat_sign("-") {
            let inner = self.deeper(Self::unary)?;
            return Ok(Expr { at, node: Node::Negate(Box::new(inner)) });
        }
        self.eat_sign("+");
        self.primary()
    }

    /// A literal, name or call, and the members and indexes after it.
    fn primary(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut expr = self.atom()?;
        let mut chain = 0;
        loop {
            if self.eat_sign(".") {
                let name = self.name()?;
                expr = Expr { at, node: Node::Member(Box::new(expr), name) };
            } else if self.is_sign("[") {
                self.advance();
                let index = self.expr()?;
                self.expect_sign("]")?;
                expr = Expr { at, node: Node::Index(Box::new(expr), Box::new(index)) };
            } else {
                return Ok(expr);
            }
            chain += 1;
            if chain > CHAIN_MAX {
                return Err(Fault::syntax(self.at(), "The expression is too long"));
            }
        }
    }

    fn atom(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let node = match self.peek().kind.clone() {
            TokenKind::Text(_) => {
                let mut text = String::new();
                // Literals that follow each other are one.
                while let TokenKind::Text(part) = &self.peek().kind {
                    text.push_str(part);
                    self.advance();
                }
                Node::Literal(Value::text(text), Kind::Text)
            }
            TokenKind::Long(value) => self.literal(Value::Long(value), Kind::Long),
            TokenKind::Real(value) => self.literal(Value::Real(value), Kind::Real),
            TokenKind::Span(ticks) => self.literal(Value::Span(ticks), Kind::Span),
            TokenKind::Literal(name, text) => {
                let (value, kind) = special(name, &text, at)?;
                self.literal(value, kind)
            }
            TokenKind::Sign("*") => {
                self.advance();
                Node::Star
            }
            TokenKind::Sign("$") => {
                self.advance();
                Node::Name(format!("${}", self.name()?).into())
            }
            TokenKind::Sign("(") => return self.group(),
            TokenKind::Name(_) | TokenKind::Sign("[") => self.name_or_call()?,
            _ => return Err(self.unexpected("an expression")),
        };
        Ok(Expr { at, node })
    }

    fn literal(&mut self, value: Value, kind: Kind) -> Node {
        self.advance();
        Node::Literal(value, kind)
    }

    fn group(&mut self) -> Result<Expr, Fault> {
        self.expect_sign("(")?;
        let inner = self.argument()?;
        self.expect_sign(")")?;
        Ok(inner)
    }

    fn name_or_call(&mut self) -> Result<Node, Fault> {
        let name = self.name()?;
        match name.as_ref() {
            "true" => return Ok(Node::Literal(Value::Bool(true), Kind::Bool)),
            "false" => return Ok(Node::Literal(Value::Bool(false), Kind::Bool)),
            _ if !self.is_sign("(") => return Ok(Node::Name(name)),
            "dynamic" => {
                self.expect_sign("(")?;
                let json = self.json()?;
                self.expect_sign(")")?;
                return Ok(json.node);
            }
            "bool" | "int" | "long" | "real" | "double" | "string" => return self.typed_literal(&name),
            _ => {}
        }
        Ok(Node::Call(name, self.arguments()?))
    }

    /// `long(5)`, `real(null)`
    fn typed_literal(&mut self, name: &str) -> Result<Node, Fault> {
        let at = self.at();
        let kind = Kind::parse(name).unwrap_or(Kind::Long);
        self.expect_sign("(")?;
        let negative = self.eat_sign("-");
        let value = match (self.advance().kind, kind) {
            (TokenKind::Name(word), _) if word.as_ref() == "null" => kind.absent(),
            (TokenKind::Name(word), Kind::Bool) if word.as_ref() == "true" => Value::Bool(true),
            (TokenKind::Name(word), Kind::Bool) if word.as_ref() == "false" => Value::Bool(false),
            (TokenKind::Long(value), Kind::Int | Kind::Long) => {
                Value::Long(if negative { value.wrapping_neg() } else { value })
            }
            (TokenKind::Long(value), Kind::Real) => {
                Value::Real(super::value::real(if negative { value.wrapping_neg() } else { value }))
            }
            (TokenKind::Real(value), Kind::Real) => Value::Real(if negative { -value } else { value }),
            (TokenKind::Text(text), Kind::Text) => Value::Text(text),
            _ => return Err(Fault::unsupported(at, format!("'{name}()' of something else than a literal"))),
        };
        self.expect_sign(")")?;
        Ok(Node::Literal(value, kind))
    }

    /// `( argument, … )`
    fn arguments(&mut self) -> Result<Vec<Expr>, Fault> {
        self.expect_sign("(")?;
        if self.eat_sign(")") {
            return Ok(Vec::new());
        }
        let arguments = self.list(Self::argument)?;
        self.expect_sign(")")?;
        Ok(arguments)
    }

    /// An expression or a pipeline.
    fn argument(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        if self.pipe_ahead() || self.is_word("datatable") {
            let pipeline = Box::new(self.pipeline()?);
            return Ok(Expr { at, node: Node::Table(pipeline) });
        }
        self.expr()
    }

    /// What stands in `dynamic(…)`: JSON, with strings in either quotes and KQL's own literals.
    fn json(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        self.deeper(|parser| {
            if parser.eat_sign("[") {
                let mut items = Vec::new();
                while !parser.eat_sign("]") {
                    items.push(parser.json()?);
                    if !parser.eat_sign(",") {
                        parser.expect_sign("]")?;
                        break;
                    }
                }
                return Ok(Expr { at, node: Node::List(items) });
            }
            if parser.eat_sign("{") {
                let mut members = Vec::new();
                while !parser.eat_sign("}") {
                    members.push(parser.json_member()?);
                    if !parser.eat_sign(",") {
                        parser.expect_sign("}")?;
                        break;
                    }
                }
                return Ok(Expr { at, node: Node::Bag(members) });
            }
            if parser.eat_word("null") {
                return Ok(Expr { at, node: Node::Literal(Value::Null, Kind::Dynamic) });
            }
            parser.unary()
        })
    }

    fn json_member(&mut self) -> Result<(Arc<str>, Expr), Fault> {
        let TokenKind::Text(name) = self.peek().kind.clone() else { return Err(self.unexpected("a string")) };
        self.advance();
        self.expect_sign(":")?;
        Ok((name, self.json()?))
    }
}

fn joined(at: usize, mut parts: Vec<Expr>, join: impl FnOnce(Vec<Expr>) -> Node) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            Expr { at, node: join(parts) }
        }
    }
}

/// `datetime(…)`, `timespan(…)`, `guid(…)`
fn special(name: &str, text: &str, at: usize) -> Result<(Value, Kind), Fault> {
    let null = text == "null";
    let (value, kind) = match name {
        "datetime" => (time::parse_time(text).map(Value::Time), Kind::Time),
        "timespan" => (time::parse_span(text).map(Value::Span), Kind::Span),
        _ => (Some(Value::text(text.to_ascii_lowercase())), Kind::Guid),
    };
    match value {
        _ if null => Ok((Value::Null, kind)),
        Some(value) => Ok((value, kind)),
        None => Err(Fault::unsupported(at, format!("this notation of a {name}: '{text}'"))),
    }
}

fn comparison(sign: &str) -> Option<Comparison> {
    Some(match sign {
        "==" => Comparison::Equal,
        "!=" | "<>" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn membership(sign: &str) -> Option<Membership> {
    let (case, sense) = match sign {
        "in" => (Case::Keep, Sense::Is),
        "!in" => (Case::Keep, Sense::IsNot),
        "in~" => (Case::Fold, Sense::Is),
        "!in~" => (Case::Fold, Sense::IsNot),
        _ => return None,
    };
    Some(Membership { case, sense })
}

fn text_match(sign: &str) -> Option<Match> {
    let (sense, word) = sign.strip_prefix('!').map_or((Sense::Is, sign), |word| (Sense::IsNot, word));
    let (case, word) = word.strip_suffix("_cs").map_or((Case::Fold, word), |word| (Case::Keep, word));
    let how = match word {
        "=~" | "~" => How::Equal,
        "contains" => How::Contains,
        "startswith" => How::StartsWith,
        "endswith" => How::EndsWith,
        "has" => How::Has,
        "hasprefix" => How::HasPrefix,
        "hassuffix" => How::HasSuffix,
        "matches" => How::Regex,
        _ => return None,
    };
    Some(Match { how, case, sense })
}
