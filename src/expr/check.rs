//! What can be known to be wrong before the first row comes.

use std::ops::Range;

use super::function::Function;
use super::lower::{Lowered, Lowering};
use super::meaning::{instant, mismatch};
use super::names::Subject;
use super::shape::Shape;
use super::value::{Compare, Kind};
use crate::diag::{Code, Problem, nearest};
use crate::model::duration;

impl Lowering<'_> {
    /// Checks the sides of a comparison, where their types are known.
    pub(super) fn check_comparison(
        &mut self,
        compare: Compare,
        left: &Lowered,
        right: &Lowered,
        range: &Range<usize>,
    ) {
        self.check_word(left, right);
        self.check_word(right, left);
        self.check_lower_case(left, right);
        self.check_lower_case(right, left);
        let whole = left.range.start..right.range.end;
        let code = Code::ExpressionType;
        let nothing = |side: &Lowered| side.shape.kind() == Some(Kind::Nothing);
        if nothing(left) || nothing(right) {
            if !compare.is_equality() {
                let message = format!("comparing with nothing by `{}` is never true", compare.as_str());
                self.problem(code, range.clone(), message);
            }
            return;
        }
        let (Some(left_kind), Some(right_kind)) = (left.shape.kind(), right.shape.kind()) else { return };
        match (left_kind, right_kind) {
            (Kind::Time, Kind::Text) | (Kind::Text, Kind::Time) => {
                let text = if left_kind == Kind::Text { left } else { right };
                if let Some(error) = text.node.text().and_then(|text| instant(text).err()) {
                    self.problem(code, text.range.clone(), error.to_string());
                }
            }
            (Kind::Bool, Kind::Bool) if compare.is_equality() => {}
            (Kind::Number, Kind::Number) | (Kind::Text, Kind::Text) | (Kind::Time, Kind::Time) => {}
            (left_kind, right_kind) => {
                let mut problem =
                    Problem::new(code, whole, mismatch(compare, left_kind, right_kind).to_string());
                for (text, other) in [(left, right_kind), (right, left_kind)] {
                    if let (Some(written), Kind::Number) = (text.node.text(), other)
                        && written.parse::<f64>().is_ok()
                    {
                        problem =
                            problem.suggest(text.range.clone(), written, "write the number without quotes");
                    }
                }
                if matches!(left_kind, Kind::Array | Kind::List)
                    || matches!(right_kind, Kind::Array | Kind::List)
                {
                    problem = problem.help("whether something is in a list is asked with `in`");
                }
                self.problems.push(problem);
            }
        }
    }

    /// Checks a literal against the known values of the field it is compared with.
    fn check_word(&mut self, field: &Lowered, literal: &Lowered) {
        let (Shape::Word(words), Some(text)) = (field.shape, literal.node.text()) else { return };
        let known: Vec<&str> = words.iter().filter_map(serde_json::Value::as_str).collect();
        if known.contains(&text) {
            return;
        }
        let message = format!("`{text}` is no value this field has");
        let mut problem = Problem::new(Code::ExpressionType, literal.range.clone(), message)
            .help(format!("known values: `{}`", known.join("`, `")))
            .help(
                "a value of a newer version of the service is compared in lower case: `to_lower(..) == ..`",
            );
        if let Some(word) = nearest(text, known.iter().copied()) {
            let message = format!("a similar value exists: `{word}`");
            problem = problem.suggest(literal.range.clone(), format!("\"{word}\""), message);
        }
        self.problems.push(problem);
    }

    /// Checks that what is compared with a lower case is in lower case.
    fn check_lower_case(&mut self, folded: &Lowered, literal: &Lowered) {
        use super::node::Node;
        let (Node::Call(Function::ToLower, ..), Some(text)) = (&folded.node, literal.node.text()) else {
            return;
        };
        if text.to_lowercase() != text {
            let lower = text.to_lowercase();
            let message = format!("`{text}` is never the lower case of anything");
            let problem = Problem::new(Code::ExpressionType, literal.range.clone(), message);
            self.problems.push(problem.suggest(
                literal.range.clone(),
                format!("{lower:?}"),
                "write it in lower case",
            ));
        }
    }

    /// Checks the arguments of a call, where their types are known.
    pub(super) fn check_arguments(&mut self, function: Function, values: &[Lowered]) {
        for (index, value) in values.iter().enumerate() {
            let wanted = function.takes(index);
            let Some(kind) = value.shape.kind() else { continue };
            if !wanted.is_empty() && kind != Kind::Nothing && !wanted.contains(&kind) {
                let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
                let message =
                    format!("`{}` takes {} here, this is {kind}", function.as_str(), wanted.join(" or "));
                self.problem(Code::ExpressionType, value.range.clone(), message);
            }
        }
        match (function, values) {
            (Function::Contains, [container, item]) => self.check_membership(container, item),
            (Function::Ago, [length]) => {
                if let Some(Err(error)) = length.node.text().map(duration) {
                    self.problem(Code::Duration, length.range.clone(), error.to_string());
                }
            }
            (Function::Time, [text]) => {
                if let Some(error) = text.node.text().and_then(|text| instant(text).err()) {
                    self.problem(Code::ExpressionType, text.range.clone(), error.to_string());
                }
            }
            _ => {}
        }
    }

    /// Checks `item in container`.
    fn check_membership(&mut self, container: &Lowered, item: &Lowered) {
        use super::node::Node;
        let (within, kind) = (container.shape.kind(), item.shape.kind());
        let text_only = matches!(within, Some(Kind::Text | Kind::List | Kind::Object));
        if let Some(kind) = kind.filter(|kind| text_only && !matches!(kind, Kind::Text | Kind::Nothing)) {
            let message = format!("only a text can be looked for here, this is {kind}");
            self.problem(Code::ExpressionType, item.range.clone(), message);
        }
        if matches!(within, Some(Kind::Text)) {
            self.check_lower_case(container, item);
        }
        let Node::Array(items) = &container.node else { return };
        for each in items {
            let Node::Constant(constant) = each else { continue };
            let text = each.text();
            let literal = Lowered {
                node: each.clone(),
                shape: Shape::Kind(constant.value().kind()),
                range: text
                    .and_then(|text| self.find_text(text, &container.range))
                    .unwrap_or(container.range.clone()),
            };
            let before = self.problems.len();
            self.check_comparison(Compare::Equal, item, &literal, &literal.range);
            // One wrong type in a long list is said once.
            if self.problems.len() > before && text.is_none() {
                break;
            }
        }
    }

    /// Finds a quoted literal after a place, for a caret on it.
    fn find_text(&self, text: &str, after: &Range<usize>) -> Option<Range<usize>> {
        let quoted = format!("\"{text}\"");
        let rest = self.places.source().get(after.start..)?;
        let start = after.start + rest.find(&quoted)?;
        Some(start..start + quoted.len())
    }

    /// Checks that a column exists, where the columns are known.
    pub(super) fn check_column(&mut self, name: &str, range: &Range<usize>) {
        let Subject::Rows { columns: Some(columns) } = &self.names.subject else { return };
        if !columns.is_mistaken(name) {
            return;
        }
        let quoted = self.places.source().get(range.clone()).is_some_and(|text| text.starts_with('"'));
        let range = if quoted { range.start + 1..range.end - 1 } else { range.clone() };
        let mut problem = Problem::new(Code::UnknownName, range, format!("the query has no column `{name}`"))
            .nearest(name, columns.names());
        if problem.suggestion.is_none() && columns.names().len() <= 40 {
            let names: Vec<&str> = columns.names().collect();
            problem = problem.help(format!("its columns are: `{}`", names.join("`, `")));
        }
        self.problems.push(problem);
    }

    /// What is known of a column's values.
    pub(super) fn column_shape(&self, name: &str) -> Shape {
        match &self.names.subject {
            Subject::Rows { columns: Some(columns) } => columns.kind(name).map_or(Shape::Any, Shape::Kind),
            Subject::Rows { columns: None } | Subject::Incidents | Subject::Alerts => Shape::Any,
        }
    }
}
