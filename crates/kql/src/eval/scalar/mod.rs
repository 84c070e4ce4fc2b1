//! Scalar functions.
//!
//! A [`Kernel`] computes one value from the values of its arguments. Kernels are grouped by
//! family, one file for each; [`find`] knows them by the canonical name of the catalogue.

mod args;
mod arrays;
mod bags;
mod bits;
mod convert;
mod datetime;
mod datetime_format;
mod encoding;
mod geo;
mod hashing;
mod ip;
mod ip_match;
mod math;
mod math_special;
mod memo;
mod parse;
mod regexes;
mod series;
mod series_fit;
mod series_math;
mod series_season;
mod series_transform;
mod sets;
mod strings;
mod strings_search;
mod timezone;
mod units;
mod various;

pub(super) use args::Args;
pub(super) use geo::{distance_to_line, distance_to_polygon, is_in_polygon};
pub(super) use hashing::hash_value;
pub(super) use ip_match::{AddressFamily, is_in_network};
pub(super) use memo::Memo;

use std::cell::Cell;

use super::Env;
use super::chance::Chance;
use crate::types::ScalarType;
use crate::value::Value;

/// What a kernel may know besides its arguments.
pub(super) struct Call<'a> {
    /// Type of the result.
    pub(super) ty: ScalarType,
    /// The world.
    pub(super) env: &'a Env<'a>,
    /// Prepared patterns.
    pub(super) memo: &'a Memo,
    /// Random numbers.
    pub(super) chance: &'a Chance,
    /// What a kernel found that it cannot do.
    pub(super) unsupported: Cell<Option<&'static str>>,
}

impl Call<'_> {
    /// Makes the call fail because of something that is not supported. The value is of no
    /// consequence.
    pub(super) fn unsupported(&self, what: &'static str, value: Value) -> Value {
        self.unsupported.set(Some(what));
        value
    }
}

/// Computes one value.
pub(super) type Kernel = fn(&Call<'_>, &Args<'_>) -> Value;

/// Finds the kernel of a function.
pub(super) fn find(name: &str) -> Option<Kernel> {
    let families = [
        strings::find,
        strings_search::find,
        convert::find,
        various::find,
        datetime::find,
        math::find,
        bags::find,
        arrays::find,
        sets::find,
        ip::find,
        ip_match::find,
        parse::find,
        regexes::find,
        encoding::find,
        hashing::find,
        bits::find,
        series::find,
        series_math::find,
        series_fit::find,
        series_season::find,
        series_transform::find,
        timezone::find,
        math_special::find,
        units::find,
        geo::find,
    ];
    families.iter().find_map(|family| family(name))
}

/// Whether each call gives another value, so that constants do not make it a constant.
pub(super) fn is_random(name: &str) -> bool {
    matches!(name, "rand" | "new_guid")
}
