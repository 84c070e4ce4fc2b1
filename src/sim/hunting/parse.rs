//! Tokens to the tree: statements, sources and the names of operators.
//!
//! What follows an operator's name is in `parse_operator`, expressions are in `parse_expr`.

use std::sync::Arc;

use super::fault::Fault;
use super::lex::{Token, TokenKind, lex};
use super::syntax::{Let, LetValue, Operator, Pipeline, Query, Source, Step};
use super::value::Kind;

/// Longest query, as in the service's documentation of custom detections; four times that for
/// queries with long lists.
const QUERY_BYTES_MAX: usize = 40_000;

/// How deep parentheses, pipelines and chains of arithmetic may nest: a person writes a dozen, the
/// stack of a worker thread holds thousands.
const DEPTH_MAX: usize = 64;

/// Operators of the language that this interpreter does not know.
const UNKNOWN_OPERATORS: &[&str] = &[
    "as",
    "assert-schema",
    "consume",
    "evaluate",
    "execute-and-cache",
    "facet",
    "find",
    "fork",
    "getschema",
    "graph-match",
    "graph-to-table",
    "graph-shortest-paths",
    "invoke",
    "lookup",
    "macro-expand",
    "make-graph",
    "make-series",
    "mv-apply",
    "parse",
    "parse-kv",
    "parse-where",
    "partition",
    "reduce",
    "render",
    "sample",
    "sample-distinct",
    "scan",
    "search",
    "serialize",
    "top-hitters",
    "top-nested",
];

/// Sources of the language that this interpreter does not know.
const UNKNOWN_SOURCES: &[&str] =
    &["search", "find", "range", "externaldata", "external_table", "evaluate", "cluster"];

/// Reads a query.
pub(crate) fn parse(query: &str) -> Result<Query, Fault> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(Fault::syntax(0, format!("The query is longer than {QUERY_BYTES_MAX} bytes")));
    }
    let tokens = lex(query)?;
    let mut parser = Parser { tokens: &tokens, next: 0, depth: 0 };
    parser.query()
}

pub(super) struct Parser<'t> {
    tokens: &'t [Token],
    next: usize,
    depth: usize,
}

/// What stands at the end of the tokens, should somebody look further.
static END: Token = Token { kind: TokenKind::End, at: usize::MAX, end: usize::MAX };

impl Parser<'_> {
    pub(super) fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.next + ahead).or(self.tokens.last()).unwrap_or(&END)
    }

    pub(super) fn at(&self) -> usize {
        self.peek().at
    }

    pub(super) fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len());
        token
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(&self.peek().kind, TokenKind::Sign(found) if *found == sign)
    }

    pub(super) fn eat_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.next += 1;
        }
        found
    }

    pub(super) fn expect_sign(&mut self, sign: &str) -> Result<(), Fault> {
        if self.eat_sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("'{sign}'"))) }
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(&self.peek().kind, TokenKind::Name(found) if found.as_ref() == word)
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.next += 1;
        }
        found
    }

    pub(super) fn unexpected(&self, wanted: &str) -> Fault {
        let token = self.peek();
        let found = match &token.kind {
            TokenKind::Name(name) => name.to_string(),
            TokenKind::Text(_) => "a string".to_owned(),
            TokenKind::Long(_) | TokenKind::Real(_) | TokenKind::Span(_) => "a number".to_owned(),
            TokenKind::Literal(name, _) => format!("{name}(...)"),
            TokenKind::Sign(sign) => (*sign).to_owned(),
            TokenKind::End => "the end of the query".to_owned(),
        };
        Fault::syntax(token.at, format!("Query could not be parsed at '{found}': {wanted} was expected"))
    }

    /// A name, plain or as `['name']`.
    pub(super) fn name(&mut self) -> Result<Arc<str>, Fault> {
        match (&self.peek().kind, &self.peek_at(1).kind, &self.peek_at(2).kind) {
            (TokenKind::Name(name), _, _) => {
                let name = Arc::clone(name);
                self.next += 1;
                Ok(name)
            }
            (TokenKind::Sign("["), TokenKind::Text(name), TokenKind::Sign("]")) => {
                let name = Arc::clone(name);
                self.next += 3;
                Ok(name)
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// Guards what may nest.
    pub(super) fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.depth >= DEPTH_MAX {
            return Err(Fault::syntax(self.at(), format!("The query nests deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// `item, item, …`
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut items = vec![item(self)?];
        while self.eat_sign(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Whether a `|` comes before the end of this argument, group or statement.
    pub(super) fn pipe_ahead(&self) -> bool {
        let mut open = 0_usize;
        for token in self.tokens.iter().skip(self.next) {
            match token.kind {
                TokenKind::Sign("(" | "[" | "{") => open += 1,
                TokenKind::Sign(")" | "]" | "}" | "," | ";") if open == 0 => return false,
                TokenKind::Sign(")" | "]" | "}") => open -= 1,
                TokenKind::Sign("|") if open == 0 => return true,
                _ => {}
            }
        }
        false
    }

    fn query(&mut self) -> Result<Query, Fault> {
        let mut lets = Vec::new();
        loop {
            if self.is_word("set") || self.is_word("declare") || self.is_word("alias") {
                return Err(Fault::unsupported(self.at(), "statement 'set', 'declare' or 'alias'"));
            }
            if !self.eat_word("let") {
                break;
            }
            lets.push(self.let_statement()?);
            self.expect_sign(";")?;
        }
        let body = self.pipeline()?;
        while self.eat_sign(";") {}
        match self.peek().kind {
            TokenKind::End => Ok(Query { lets, body }),
            _ => Err(self.unexpected("'|' or the end of the query")),
        }
    }

    fn let_statement(&mut self) -> Result<Let, Fault> {
        let name = self.name()?;
        self.expect_sign("=")?;
        let tabular = self.pipe_ahead()
            || ["datatable", "union", "print"].iter().chain(UNKNOWN_SOURCES).any(|word| self.is_word(word));
        if tabular {
            return Ok(Let { name, value: LetValue::Tabular(self.pipeline()?) });
        }
        let at = self.at();
        let value = self.expr();
        // `(x: string) { … }`, `() { … }`: tell a function from a broken expression.
        if self.is_sign("{") || (value.is_err() && (self.is_sign(":") || self.is_sign(")"))) {
            return Err(Fault::unsupported(at, "user-defined function"));
        }
        Ok(Let { name, value: LetValue::Scalar(value?) })
    }

    pub(super) fn pipeline(&mut self) -> Result<Pipeline, Fault> {
        self.deeper(|parser| {
            let at = parser.at();
            let source = parser.source()?;
            let mut steps = Vec::new();
            while parser.eat_sign("|") {
                let at = parser.at();
                steps.push(Step { at, operator: parser.operator()? });
            }
            Ok(Pipeline { at, source, steps })
        })
    }

    pub(super) fn source(&mut self) -> Result<Source, Fault> {
        let at = self.at();
        if self.eat_sign("(") {
            let inner = self.pipeline()?;
            self.expect_sign(")")?;
            return Ok(Source::Nested(Box::new(inner)));
        }
        let name = self.name()?;
        match name.as_ref() {
            "union" => Ok(Source::Union(self.union()?)),
            "datatable" => self.datatable(),
            "print" => Ok(Source::Print(self.list(Self::named)?)),
            "materialize" if self.eat_sign("(") => {
                let inner = self.pipeline()?;
                self.expect_sign(")")?;
                Ok(Source::Nested(Box::new(inner)))
            }
            unknown if UNKNOWN_SOURCES.contains(&unknown) => {
                Err(Fault::unsupported(at, format!("source '{unknown}'")))
            }
            function if self.is_sign("(") => {
                Err(Fault::unsupported(at, format!("tabular function '{function}()'")))
            }
            _ => Ok(Source::Name(name)),
        }
    }

    /// `datatable(name: kind, …) [ value, … ]`
    fn datatable(&mut self) -> Result<Source, Fault> {
        self.expect_sign("(")?;
        let columns = self.list(|parser| {
            let name = parser.name()?;
            parser.expect_sign(":")?;
            Ok((name, parser.kind()?))
        })?;
        self.expect_sign(")")?;
        self.expect_sign("[")?;
        let mut values = Vec::new();
        while !self.is_sign("]") {
            values.push(self.expr()?);
            if !self.eat_sign(",") {
                break;
            }
        }
        self.expect_sign("]")?;
        Ok(Source::Datatable(columns, values))
    }

    pub(super) fn kind(&mut self) -> Result<Kind, Fault> {
        let at = self.at();
        let TokenKind::Name(name) = self.advance().kind else {
            return Err(Fault::syntax(at, "A type was expected"));
        };
        Kind::parse(&name).ok_or_else(|| Fault::unsupported(at, format!("type '{name}'")))
    }

    /// Name of an operator, with its hyphens.
    fn operator_name(&mut self) -> Result<String, Fault> {
        let mut name = self.name()?.to_string();
        loop {
            let Some(before) = self.tokens.get(self.next.wrapping_sub(1)) else { return Ok(name) };
            let (hyphen, word) = (self.peek(), self.peek_at(1));
            let TokenKind::Name(part) = &word.kind else { return Ok(name) };
            let joined =
                hyphen.kind == TokenKind::Sign("-") && hyphen.at == before.end && word.at == hyphen.end;
            if !joined {
                return Ok(name);
            }
            name = format!("{name}-{part}");
            self.next += 2;
        }
    }

    fn operator(&mut self) -> Result<Operator, Fault> {
        let at = self.at();
        let name = self.operator_name()?;
        Ok(match name.as_str() {
            "where" | "filter" => Operator::Where(self.expr()?),
            "extend" => Operator::Extend(self.list(Self::named)?),
            "project" => Operator::Project(self.list(Self::named)?),
            "project-away" => Operator::ProjectAway(self.list(Self::pattern)?),
            "project-keep" => Operator::ProjectKeep(self.list(Self::pattern)?),
            "project-reorder" => Operator::ProjectReorder(self.list(Self::pattern)?),
            "project-rename" => Operator::ProjectRename(self.list(Self::named)?),
            "summarize" => self.summarize()?,
            "distinct" if self.eat_sign("*") => Operator::Distinct(Vec::new()),
            "distinct" => Operator::Distinct(self.list(Self::named)?),
            "sort" | "order" => {
                self.expect_word("by")?;
                Operator::Sort(self.list(Self::order)?)
            }
            "top" => {
                let count = self.expr()?;
                self.expect_word("by")?;
                Operator::Top(count, self.list(Self::order)?)
            }
            "take" | "limit" => Operator::Take(self.expr()?),
            "count" => Operator::Count,
            "join" => Operator::Join(self.join()?),
            "union" => Operator::Union(self.union()?),
            "mv-expand" | "mvexpand" => Operator::MvExpand(self.mv_expand()?),
            unknown if UNKNOWN_OPERATORS.contains(&unknown) => {
                return Err(Fault::unsupported(at, format!("operator '{unknown}'")));
            }
            unknown => {
                return Err(Fault::syntax(at, format!("'{unknown}' is not the name of an operator")));
            }
        })
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), Fault> {
        if self.eat_word(word) { Ok(()) } else { Err(self.unexpected(&format!("'{word}'"))) }
    }
}
