//! Aggregates.
//!
//! A [`Kernel`] gets its arguments as columns over all rows and the group of each row, and gives
//! a column over the groups for each of its results.

mod collect;
mod count;
mod extreme;
mod percentile;
mod schema;
mod sum;
mod variance;

use std::sync::Arc;

use crate::types::ScalarType;
use crate::value::{Cells, Value, to_bool};

/// The groups of rows.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    /// The group of each row.
    pub(super) of: Arc<[u32]>,
    /// How many groups there are.
    pub(super) count: usize,
}

/// What an aggregate works on.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// Arguments over all rows.
    pub(super) args: Vec<Arc<Cells>>,
    /// The group of each row.
    pub(super) of: Arc<[u32]>,
    /// How many groups there are.
    pub(super) count: usize,
    /// Types of the results.
    pub(super) results: Vec<ScalarType>,
}

/// Computes an aggregate.
pub(super) type Kernel = fn(&Input) -> Vec<Cells>;

/// Finds the kernel of an aggregate by its canonical name.
pub(super) fn find(name: &str) -> Option<Kernel> {
    let families = [
        count::find,
        sum::find,
        extreme::find,
        collect::find,
        variance::find,
        percentile::find,
        schema::find,
    ];
    families.iter().find_map(|family| family(name))
}

impl Input {
    /// Returns an argument of a row.
    fn get(&self, arg: usize, row: usize) -> Option<Value> {
        self.args.get(arg).map(|column| column.get(row))
    }

    /// Returns an argument that is the same for all rows.
    fn constant(&self, arg: usize) -> Option<Value> {
        self.args.get(arg).filter(|column| !column.is_empty()).map(|column| column.get(0))
    }

    /// Returns the type of a result.
    fn result(&self, index: usize) -> ScalarType {
        self.results.get(index).copied().unwrap_or(ScalarType::Dynamic)
    }

    /// Returns the rows and their groups.
    fn rows(&self) -> impl Iterator<Item = (usize, usize)> {
        self.of.iter().enumerate().map(|(row, group)| (row, *group as usize))
    }

    /// Folds the rows of each group, and makes a column of what comes out.
    fn fold<S: Clone>(
        &self,
        initial: S,
        mut step: impl FnMut(&mut S, usize),
        ty: ScalarType,
        finish: impl Fn(S) -> Value,
    ) -> Cells {
        let mut states = vec![initial; self.count];
        for (row, group) in self.rows() {
            if let Some(state) = states.get_mut(group) {
                step(state, row);
            }
        }
        Cells::from_values(ty, states.into_iter().map(finish))
    }

    /// Keeps the rows for which an argument is true, and drops that argument.
    fn filtered(&self, predicate: usize) -> Self {
        let is_true =
            |row: usize| self.get(predicate, row).is_some_and(|value| to_bool(&value) == Some(true));
        let kept: Vec<u32> = (0..self.of.len())
            .filter(|row| is_true(*row))
            .filter_map(|row| u32::try_from(row).ok())
            .collect();
        let of = kept.iter().filter_map(|row| self.of.get(*row as usize).copied()).collect();
        let args = self.args.iter().enumerate().filter(|(index, _)| *index != predicate);
        let args = args.map(|(_, column)| Arc::new(column.gather(&kept))).collect();
        Self { args, of, count: self.count, results: self.results.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Dynamic, to_text};

    /// Two groups: rows alternate between them.
    #[track_caller]
    fn check(name: &str, args: Vec<Cells>, ty: ScalarType, expected: [&str; 2]) {
        let rows = args.first().map_or(4, Cells::len);
        let of = (0..rows).map(|row| u32::try_from(row % 2).unwrap()).collect();
        let args = args.into_iter().map(Arc::new).collect();
        let input = Input { args, of, count: 2, results: vec![ty] };
        let columns = find(name).unwrap()(&input);
        let printed = |group: usize| match columns[0].cast(ty).get(group) {
            value if value.is_null() => "null".to_owned(),
            value => to_text(&value).to_string(),
        };
        assert_eq!([printed(0), printed(1)], expected, "{name}");
    }

    fn longs(values: &[Option<i64>]) -> Cells {
        Cells::Long(values.to_vec())
    }

    fn texts(values: &[&str]) -> Cells {
        Cells::String(values.iter().map(|text| Arc::from(*text)).collect())
    }

    #[test]
    fn counting() {
        let values = || longs(&[Some(1), None, Some(1), None, Some(2), Some(7)]);
        let odd = || Cells::Bool(vec![Some(true), None, Some(false), Some(true), Some(true), Some(true)]);
        check("count", vec![values()], ScalarType::Long, ["3", "3"]);
        check("countif", vec![odd()], ScalarType::Long, ["2", "2"]);
        check("dcount", vec![values()], ScalarType::Long, ["2", "1"]);
        check("dcountif", vec![values(), odd()], ScalarType::Long, ["2", "1"]);
    }

    #[test]
    fn sums_of_nothing_are_zero_and_averages_are_not_a_number() {
        let values = || longs(&[Some(1), None, Some(2), None]);
        check("sum", vec![values()], ScalarType::Long, ["3", "0"]);
        check("avg", vec![values()], ScalarType::Real, ["1.5", "NaN"]);
        check("max", vec![values()], ScalarType::Long, ["2", "null"]);
        check("min", vec![values()], ScalarType::Long, ["1", "null"]);
        check("stdev", vec![values()], ScalarType::Real, ["0.7071067811865476", "0.0"]);
        let huge = longs(&[Some(i64::MAX - 1), Some(1), Some(i64::MAX), Some(1)]);
        check("avg", vec![huge], ScalarType::Real, ["-1.5", "1.0"]);
    }

    #[test]
    fn variances_have_ten_decimals() {
        let values = longs(&[Some(1), Some(1), Some(2), Some(5), Some(3), Some(9), Some(4), Some(9)]);
        check("variance", vec![values.clone()], ScalarType::Real, ["1.6666666667", "14.6666666667"]);
        check("stdev", vec![values.clone()], ScalarType::Real, ["1.2909944487487156", "3.8297084310297047"]);
        check("variancep", vec![values], ScalarType::Real, ["1.25", "11.0"]);
    }

    #[test]
    fn not_a_number_is_the_extreme() {
        let values =
            || Cells::Real(vec![Some(1.5), Some(f64::NAN), Some(f64::NAN), Some(2.0), Some(2.5), None]);
        check("max", vec![values()], ScalarType::Real, ["NaN", "NaN"]);
        check("min", vec![values()], ScalarType::Real, ["NaN", "NaN"]);
        check("sum", vec![values()], ScalarType::Real, ["NaN", "NaN"]);
    }

    #[test]
    fn collections_keep_the_order_of_rows() {
        let values = || texts(&["b", "x", "a", "x", "b", ""]);
        check("make_list", vec![values()], ScalarType::Dynamic, [r#"["b","a","b"]"#, r#"["x","x",""]"#]);
        check("make_set", vec![values()], ScalarType::Dynamic, [r#"["b","a"]"#, r#"["x",""]"#]);
        let two = Cells::Constant(Value::from(2), 6);
        check("make_list", vec![values(), two], ScalarType::Dynamic, [r#"["b","a"]"#, r#"["x","x"]"#]);
        let nulls = || longs(&[None, None, Some(1), None]);
        check("make_list", vec![nulls()], ScalarType::Dynamic, ["[1]", "[]"]);
        check("make_list_with_nulls", vec![nulls()], ScalarType::Dynamic, ["[null,1]", "[null,null]"]);
        let bags = [r#"{"a":1}"#, "null", r#"{"a":2,"b":3}"#, r#"{"x":1}"#];
        let bags = Cells::Dynamic(bags.map(Dynamic::parse).to_vec());
        check("make_bag", vec![bags], ScalarType::Dynamic, [r#"{"a":1,"b":3}"#, r#"{"x":1}"#]);
    }

    #[test]
    fn percentiles_are_values_that_occur() {
        let values = Cells::Long((1..=40).map(Some).collect());
        let half = Cells::Constant(Value::from(50), 40);
        check("percentile", vec![values, half], ScalarType::Long, ["19", "20"]);
    }

    #[test]
    fn the_first_extreme_row_wins() {
        let by = longs(&[Some(5), None, Some(5), None, Some(3), None]);
        let input = Input {
            args: vec![Arc::new(by), Arc::new(texts(&["a", "b", "c", "d", "e", "f"]))],
            of: Arc::from([0, 1, 0, 1, 0, 1]),
            count: 3,
            results: vec![ScalarType::Long, ScalarType::String],
        };
        let columns = find("arg_max").unwrap()(&input);
        assert_eq!(columns[0], Cells::Long(vec![Some(5), None, None]));
        assert_eq!(columns[1], texts(&["a", "b", ""]));
        let columns = find("arg_min").unwrap()(&input);
        assert_eq!(columns[1], texts(&["e", "b", ""]));
    }
}
