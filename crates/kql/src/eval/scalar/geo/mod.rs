//! Places on the globe.

use super::Kernel;
use crate::value::Dynamic;

pub(super) fn find(_name: &str) -> Option<Kernel> {
    None
}

pub(in crate::eval) fn is_in_polygon(_point: (f64, f64), _polygon: &Dynamic) -> Option<bool> {
    None
}

pub(in crate::eval) fn distance_to_line(_point: (f64, f64), _line: &Dynamic) -> Option<f64> {
    None
}

pub(in crate::eval) fn distance_to_polygon(_point: (f64, f64), _polygon: &Dynamic) -> Option<f64> {
    None
}
