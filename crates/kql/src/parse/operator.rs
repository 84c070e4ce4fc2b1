//! Which operator is next, and the operators that are quickly read.

use super::parser::Parser;
use super::{EXPECTED, NAMED_CONDITION, UNKNOWN_OPERATOR};
use crate::diagnostic::Diagnostic;
use crate::lex::{Punct, TokenKind};
use crate::syntax::{Distinct, Evaluate, Expr, Operator, OperatorKind, Order, ReorderItem};
use crate::text::Span;

/// The words an operator can begin with.
const WORDS: &[&str] = &[
    "as",
    "assert-schema",
    "consume",
    "count",
    "distinct",
    "evaluate",
    "execute-and-cache",
    "extend",
    "facet",
    "filter",
    "find",
    "fork",
    "getschema",
    "graph-mark-components",
    "graph-match",
    "graph-shortest-paths",
    "graph-to-table",
    "graph-where-edges",
    "graph-where-nodes",
    "invoke",
    "join",
    "limit",
    "lookup",
    "macro-expand",
    "make-graph",
    "make-series",
    "mv-apply",
    "mv-expand",
    "mvapply",
    "mvexpand",
    "order",
    "parse",
    "parse-kv",
    "parse-where",
    "partition",
    "print",
    "project",
    "project-away",
    "project-by-names",
    "project-keep",
    "project-rename",
    "project-reorder",
    "range",
    "reduce",
    "render",
    "sample",
    "sample-distinct",
    "scan",
    "search",
    "serialize",
    "sort",
    "summarize",
    "take",
    "top",
    "top-hitters",
    "top-nested",
    "union",
    "where",
];

/// Least likeness of a word to an operator for it to be suggested. Half of the letters wrong is no
/// slip of the hand.
const LIKENESS_MIN: f64 = 0.75;

/// Most wrong letters in the name of an operator for it to be read as the one that was meant.
const SLIPS_MAX: usize = 2;

/// Tells whether an operator begins with this word and hardly anything else does.
pub(super) fn is_operator_word(word: &str) -> bool {
    // These are common names of columns and functions, or words of other operators.
    let common = matches!(
        word,
        "as" | "count"
            | "evaluate"
            | "facet"
            | "fork"
            | "lookup"
            | "order"
            | "partition"
            | "range"
            | "reduce"
            | "render"
            | "sample"
            | "scan"
    );
    !common && WORDS.binary_search(&word).is_ok()
}

/// Tells whether the operator that begins with this word needs no rows before it.
pub(super) fn is_source_word(word: &str) -> bool {
    matches!(word, "evaluate" | "find" | "macro-expand" | "print" | "range" | "search" | "union")
}

impl Parser<'_> {
    /// Reads the operator behind a bar.
    pub(super) fn operator(&mut self) -> Operator {
        let start = self.start();
        let keyword = self.peek().span;
        let kind = match self.word() {
            "" => self.no_operator(),
            word => {
                self.bump();
                self.operator_kind(word).unwrap_or_else(|| self.unknown_operator(word))
            }
        };
        Operator { kind, keyword, span: self.since(start) }
    }

    fn operator_kind(&mut self, word: &str) -> Option<OperatorKind> {
        Some(match word {
            "where" | "filter" => self.where_operator(),
            "extend" => OperatorKind::Extend(self.named_exprs()),
            "project" => OperatorKind::Project(self.commas_or_none(Self::named_expr)),
            "project-away" => OperatorKind::ProjectAway(self.commas_or_none(Self::name_or_pattern)),
            "project-keep" => OperatorKind::ProjectKeep(self.commas(Self::name_or_pattern)),
            "project-rename" => OperatorKind::ProjectRename(self.commas_or_none(Self::named_expr)),
            "project-reorder" => OperatorKind::ProjectReorder(self.commas_or_none(Self::reorder_item)),
            "project-by-names" => OperatorKind::ProjectByNames(self.commas(Self::expr)),
            "summarize" => self.summarize(),
            "sort" | "order" => self.sort(),
            "top" => self.top(),
            "take" | "limit" => OperatorKind::Take(self.expr()),
            "count" => OperatorKind::Count(self.eat_word("as").then(|| self.name("the name for the count"))),
            "distinct" => self.distinct(),
            "sample" => OperatorKind::Sample(self.expr()),
            "sample-distinct" => self.sample_distinct(),
            "join" => OperatorKind::Join(self.join()),
            "lookup" => OperatorKind::Lookup(self.join()),
            "union" => OperatorKind::Union(self.union()),
            "mv-expand" | "mvexpand" => self.mv_expand(),
            "mv-apply" | "mvapply" => self.mv_apply(),
            "parse" => OperatorKind::Parse(self.parse_operator()),
            "parse-where" => OperatorKind::ParseWhere(self.parse_operator()),
            "parse-kv" => OperatorKind::ParseKv(self.parse_kv()),
            "make-series" => OperatorKind::MakeSeries(self.make_series()),
            "evaluate" => self.evaluate(),
            "invoke" => OperatorKind::Invoke(self.expr()),
            "as" => OperatorKind::As {
                properties: self.properties(&[]),
                name: self.name("the name for the rows"),
            },
            "serialize" => {
                self.properties(&[]);
                OperatorKind::Serialize(self.commas_or_none(Self::named_expr))
            }
            "render" => self.render(),
            _ => return self.rare_operator_kind(word),
        })
    }

    fn rare_operator_kind(&mut self, word: &str) -> Option<OperatorKind> {
        Some(match word {
            "partition" => OperatorKind::Partition(self.partition()),
            "scan" => OperatorKind::Scan(self.scan()),
            "top-nested" => self.top_nested(),
            "top-hitters" => self.top_hitters(),
            "reduce" => self.reduce(),
            "range" => self.range(),
            "print" => OperatorKind::Print(self.named_exprs()),
            "search" => OperatorKind::Search(self.search()),
            "find" => OperatorKind::Find(self.find()),
            "facet" => self.facet(),
            "fork" => self.fork(),
            "consume" => OperatorKind::Consume(self.properties(&["decodeblocks"])),
            "getschema" => OperatorKind::GetSchema(self.properties(&["kind"])),
            "assert-schema" => OperatorKind::AssertSchema(self.row_schema()),
            "execute-and-cache" | "__executeAndCache" => OperatorKind::ExecuteAndCache,
            "macro-expand" => self.macro_expand(),
            "make-graph" => OperatorKind::MakeGraph(Box::new(self.make_graph())),
            "graph-match" => OperatorKind::GraphMatch(self.graph_match()),
            "graph-shortest-paths" => OperatorKind::GraphShortestPaths(self.graph_match()),
            "graph-mark-components" => {
                OperatorKind::GraphMarkComponents(self.properties(&["kind", "with_component_id"]))
            }
            "graph-to-table" => OperatorKind::GraphToTable(self.commas(Self::graph_output)),
            "graph-where-nodes" => OperatorKind::GraphWhereNodes(self.expr()),
            "graph-where-edges" => OperatorKind::GraphWhereEdges(self.expr()),
            _ => return None,
        })
    }

    fn no_operator(&mut self) -> OperatorKind {
        let found = self.found().map_or_else(String::new, |found| format!(", found {found}"));
        self.error(EXPECTED, format!("expected an operator such as `where` behind `|`{found}"));
        if !self.is_end_of_operator() {
            self.skip_to(is_end_of_skip);
        }
        OperatorKind::Error
    }

    /// Says that `word`, which has been read, is no operator, and leaves out what belongs to it.
    fn unknown_operator(&mut self, word: &str) -> OperatorKind {
        let start = self.since(0).end.saturating_sub(u32::try_from(word.len()).unwrap_or_default());
        // The name of an operator may have dashes.
        let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let word = self.text_from(start).split(|c: char| !is_part(c)).next().unwrap_or(word);
        let span = Span::new(start, start.saturating_add(u32::try_from(word.len()).unwrap_or_default()));
        while self.peek().kind != TokenKind::End && self.peek().span.start < span.end {
            self.bump();
        }
        let mut diagnostic = Diagnostic::error(UNKNOWN_OPERATOR, span, format!("`{word}` is no operator"));
        let best = WORDS
            .iter()
            .map(|known| (strsim::jaro_winkler(known, word), known))
            .filter(|(likeness, _)| *likeness > LIKENESS_MIN)
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        if let Some((_, known)) = best {
            diagnostic = diagnostic.with_help(format!("did you mean `{known}`?")).with_fix(span, *known);
        }
        self.report(diagnostic);
        // A slip of the pen hides nothing of what follows; a digit is what a blank was left out before.
        let is_slip = |known: &&str| {
            strsim::osa_distance(known, word) <= SLIPS_MAX && !word.contains(|c: char| c.is_ascii_digit())
        };
        let meant = best.map(|(_, known)| *known).filter(is_slip);
        meant.and_then(|known| self.operator_kind(known)).unwrap_or_else(|| {
            self.skip_to(is_end_of_skip);
            OperatorKind::Error
        })
    }

    fn where_operator(&mut self) -> OperatorKind {
        self.properties(&[]);
        if self.is_assignment() {
            let after_name = if self.is_bracketed_name() { 3 } else { 1 };
            let sign = self.nth(after_name).span;
            let named = self.named_expr();
            let message = "`=` gives the condition a name; nothing is compared";
            let diagnostic = Diagnostic::warning(NAMED_CONDITION, named.span, message)
                .with_help("`==` compares")
                .with_fix(sign, "==");
            self.report(diagnostic);
            return OperatorKind::Where(named.expr);
        }
        OperatorKind::Where(self.expr())
    }

    fn reorder_item(&mut self) -> ReorderItem {
        let column = self.name_or_pattern();
        let order = match self.word() {
            "asc" => Some(Order::Asc),
            "desc" => Some(Order::Desc),
            "granny-asc" => Some(Order::GrannyAsc),
            "granny-desc" => Some(Order::GrannyDesc),
            _ => None,
        };
        if order.is_some() {
            self.bump();
        }
        ReorderItem { column, order }
    }

    fn distinct(&mut self) -> OperatorKind {
        let properties = self.properties(&[]);
        OperatorKind::Distinct(Distinct { properties, columns: self.named_exprs() })
    }

    fn sample_distinct(&mut self) -> OperatorKind {
        let count = self.expr();
        self.expect_word("of");
        OperatorKind::SampleDistinct { count, of: self.named_expr() }
    }

    fn evaluate(&mut self) -> OperatorKind {
        let properties = self.properties(&[]);
        let call = Box::new(self.scoped(Self::postfix));
        let schema = self.eat(Punct::Colon).then(|| self.row_schema());
        OperatorKind::Evaluate(Evaluate { properties, call, schema })
    }

    fn range(&mut self) -> OperatorKind {
        let name = self.name("the name of the column");
        self.expect_word("from");
        let from = self.expr();
        self.expect_word("to");
        let to = self.expr();
        let step = self.eat_word("step").then(|| self.expr());
        OperatorKind::Range { name, from, to, step }
    }

    fn reduce(&mut self) -> OperatorKind {
        let properties = self.properties(&["kind"]);
        self.expect_word("by");
        let by = self.named_expr();
        let with = if self.eat_word("with") { self.commas(Self::property) } else { Vec::new() };
        OperatorKind::Reduce { properties, by, with }
    }

    fn render(&mut self) -> OperatorKind {
        let chart = self.name_if(|word| word != "with");
        let mut properties = Vec::new();
        if self.eat_word("with") {
            properties = self.render_properties();
        } else {
            while self.is_assignment() {
                properties.push(self.render_property());
            }
        }
        OperatorKind::Render { chart, properties }
    }

    /// Reads the expression of a table: a name, a path, a call, or anything in parentheses.
    pub(super) fn entity(&mut self) -> Expr {
        self.scoped(Self::postfix)
    }
}

fn is_end_of_skip(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Punct(Punct::Bar | Punct::CloseParen | Punct::CloseBrace | Punct::CloseBracket))
}
