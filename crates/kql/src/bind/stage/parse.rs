//! `parse`, `parse-where` and `parse-kv`.

use super::super::rows::number_duplicates;
use super::super::source::Table;
use super::super::{AMBIGUOUS_PATTERN, Binder};
use crate::plan::{Operator, ParseKv, ParseMode, ParseOutput, ParsePart};
use crate::syntax::{self, ParsePiece};
use crate::text::Span;
use crate::types::{ScalarType, Shape};

/// What happens to rows that do not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unmatched {
    /// They stay, with nulls.
    Kept,
    /// They go.
    Dropped,
}

impl<'a> Binder<'a> {
    pub(super) fn parse(&mut self, table: &mut Table, parse: &'a syntax::Parse, unmatched: Unmatched) {
        let text = self.scalar(&parse.expr);
        let mut rows = self.in_scope();
        let mut outputs: Vec<ParseOutput> = (0..rows.columns.len()).map(ParseOutput::Input).collect();
        let mut named: Vec<&str> = Vec::new();
        let mut parts = Vec::new();
        for piece in &parse.pieces {
            let part = self.part(piece);
            if let (ParsePiece::Column { name, .. }, ParsePart::Column(ty)) = (piece, &part) {
                if named.contains(&name.text.as_str()) {
                    self.duplicate_column(&name.text, name.span);
                } else {
                    named.push(&name.text);
                    let column = self.ids.column(name.text.as_str(), Shape::of(*ty));
                    rows.columns.push(column);
                    outputs.push(ParseOutput::Part(parts.len()));
                }
            }
            parts.push(part);
        }
        self.check_order(&parse.pieces);
        number_duplicates(&mut self.ids, &mut rows.columns);
        let mode = match super::option(&parse.properties, "kind") {
            Some("regex") => {
                let flags = super::option(&parse.properties, "flags").unwrap_or_default().to_owned();
                ParseMode::Regex { flags }
            }
            Some("relaxed") => ParseMode::Relaxed,
            _ => ParseMode::Simple,
        };
        let where_matches = unmatched == Unmatched::Dropped;
        table.push(Operator::Parse { text: text.expr, mode, where_matches, parts, outputs }, rows);
    }

    fn part(&mut self, piece: &'a ParsePiece) -> ParsePart {
        match piece {
            ParsePiece::Star(_) => ParsePart::Skip,
            ParsePiece::Text(expr) => {
                let text = self.scalar(expr);
                ParsePart::Text(text.text().unwrap_or_default().to_owned())
            }
            ParsePiece::Column { ty, .. } => {
                ParsePart::Column(ty.as_ref().map_or(ScalarType::String, |ty| self.type_named(ty)))
            }
        }
    }

    /// Reports pieces whose order leaves open where one ends.
    fn check_order(&mut self, pieces: &'a [ParsePiece]) {
        for pair in pieces.windows(2) {
            match pair {
                [ParsePiece::Star(span), ParsePiece::Star(_) | ParsePiece::Column { .. }] => {
                    self.ambiguous(*span, "a text has to follow the `*`");
                }
                [ParsePiece::Column { ty, .. }, ParsePiece::Star(span)] if is_string(ty.as_ref()) => {
                    self.ambiguous(*span, "a `*` behind a string leaves open where the string ends");
                }
                [ParsePiece::Column { .. }, ParsePiece::Column { name, .. }] => {
                    self.ambiguous(name.span, "a text has to stand before the column");
                }
                _ => {}
            }
        }
    }

    fn ambiguous(&mut self, span: Span, message: &str) {
        self.error(AMBIGUOUS_PATTERN, span, message);
    }

    pub(super) fn parse_kv(&mut self, table: &mut Table, parse: &'a syntax::ParseKv) {
        let text = self.scalar(&parse.expr);
        let keys = self.declared_rows(&parse.columns);
        let mut rows = self.in_scope();
        let mut outputs: Vec<ParseOutput> = (0..rows.columns.len()).map(ParseOutput::Input).collect();
        rows.columns.extend(keys.columns.iter().cloned());
        outputs.extend((0..keys.columns.len()).map(ParseOutput::Part));
        number_duplicates(&mut self.ids, &mut rows.columns);
        let text_of = |name: &str| super::option(&parse.properties, name).map(str::to_owned);
        let quotes = match text_of("quote") {
            Some(both) => vec![(both.clone(), both)],
            None => text_of("quote_open").zip(text_of("quote_close")).into_iter().collect(),
        };
        let plan = ParseKv {
            text: text.expr,
            keys: keys.schema().columns,
            pair_delimiter: text_of("pair_delimiter"),
            kv_delimiter: text_of("kv_delimiter"),
            quotes,
            escape: text_of("escape"),
            greedy: super::option(&parse.properties, "greedy") == Some("true"),
            outputs,
        };
        table.push(Operator::ParseKv(plan), rows);
    }
}

fn is_string(ty: Option<&syntax::TypeName>) -> bool {
    ty.is_none_or(|ty| ScalarType::find(&ty.text) == Some(ScalarType::String))
}
