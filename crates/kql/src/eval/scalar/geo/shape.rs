//! Shapes as `GeoJSON`.

use std::sync::Arc;

use super::sphere::{LngLat, Vector, goes_round, ring_area};
use crate::value::{Bag, Dynamic, to_real};

/// A chain of places; that of a ring ends where it begins.
pub(super) type Chain = Vec<Vector>;

/// A ring and its holes.
pub(super) struct Polygon {
    /// The outer ring first; all go round to the left.
    pub(super) rings: Vec<Chain>,
}

impl Polygon {
    /// Whether a point lies inside.
    pub(super) fn contains(&self, point: Vector) -> bool {
        let mut rings = self.rings.iter();
        rings.next().is_some_and(|outer| goes_round(outer, point))
            && !rings.any(|hole| goes_round(hole, point))
    }

    /// Returns the area in steradians.
    pub(super) fn area(&self) -> f64 {
        let mut areas = self.rings.iter().map(|ring| ring_area(ring));
        areas.next().unwrap_or(0.0) - areas.sum::<f64>()
    }
}

fn number(value: &Dynamic) -> Option<f64> {
    match value {
        Dynamic::Long(_) | Dynamic::Real(_) => {
            to_real(&value.clone().into_scalar()).filter(|number| number.is_finite())
        }
        _ => None,
    }
}

fn position(value: &Dynamic) -> Option<LngLat> {
    match value.as_array()? {
        [longitude, latitude, ..] => {
            let place = (number(longitude)?, number(latitude)?);
            (place.0.abs() <= 360.0 && place.1.abs() <= 90.0).then_some(place)
        }
        _ => None,
    }
}

/// Reads places; one that repeats its neighbour is left out.
pub(super) fn positions(value: &Dynamic) -> Option<Vec<LngLat>> {
    let mut places: Vec<LngLat> = value.as_array()?.iter().map(position).collect::<Option<_>>()?;
    places.dedup();
    Some(places)
}

fn chain(value: &Dynamic) -> Option<Chain> {
    let places = positions(value)?;
    (places.len() > 1).then(|| places.into_iter().map(Vector::of).collect())
}

fn type_and_coordinates(value: &Dynamic) -> Option<(Arc<str>, Dynamic)> {
    match value.property("type") {
        Dynamic::String(name) => Some((name, value.property("coordinates"))),
        _ => None,
    }
}

/// Reads a `LineString` or `MultiLineString` as places.
pub(super) fn line_places(value: &Dynamic) -> Option<Vec<Vec<LngLat>>> {
    let (name, coordinates) = type_and_coordinates(value)?;
    let lines = match name.as_ref() {
        "LineString" => vec![positions(&coordinates)?],
        "MultiLineString" => coordinates.as_array()?.iter().map(positions).collect::<Option<Vec<_>>>()?,
        _ => return None,
    };
    (!lines.is_empty() && lines.iter().all(|line| line.len() > 1)).then_some(lines)
}

/// Reads a `LineString` or `MultiLineString`.
pub(super) fn lines(value: &Dynamic) -> Option<Vec<Chain>> {
    let to_chain = |places: Vec<LngLat>| places.into_iter().map(Vector::of).collect();
    Some(line_places(value)?.into_iter().map(to_chain).collect())
}

/// Reads a ring: closed, at least a triangle, no corner twice.
fn ring(value: &Dynamic) -> Option<Chain> {
    let places = positions(value)?;
    if places.len() < 4 || places.first() != places.last() {
        return None;
    }
    let corners = places.get(1..)?;
    let repeats = corners
        .iter()
        .enumerate()
        .any(|(at, corner)| corners.iter().skip(at + 1).any(|other| other == corner));
    if repeats {
        return None;
    }
    let mut ring = chain(value)?;
    // The inside is the smaller part of the sphere, whichever way the ring goes.
    if ring_area(&ring) < 0.0 {
        ring.reverse();
    }
    Some(ring)
}

/// Finds the rings in arrays of arrays, however deep they are.
fn collect_rings(value: &Dynamic, rings: &mut Vec<Chain>) -> Option<()> {
    let items = value.as_array()?;
    let is_ring = items
        .first()
        .and_then(Dynamic::as_array)
        .is_some_and(|first| first.iter().all(|item| number(item).is_some()));
    if is_ring {
        rings.push(ring(value)?);
        return Some(());
    }
    items.iter().try_for_each(|item| collect_rings(item, rings))
}

fn polygon(coordinates: &Dynamic) -> Option<Polygon> {
    let mut rings = Vec::new();
    collect_rings(coordinates, &mut rings)?;
    (!rings.is_empty()).then_some(Polygon { rings })
}

/// Reads a `Polygon` or `MultiPolygon`.
pub(super) fn polygons(value: &Dynamic) -> Option<Vec<Polygon>> {
    let (name, coordinates) = type_and_coordinates(value)?;
    let polygons = match name.as_ref() {
        "Polygon" => vec![polygon(&coordinates)?],
        "MultiPolygon" => coordinates.as_array()?.iter().map(polygon).collect::<Option<Vec<_>>>()?,
        _ => return None,
    };
    (!polygons.is_empty()).then_some(polygons)
}

/// Writes a shape.
pub(super) fn geo_json(name: &str, coordinates: Dynamic) -> Dynamic {
    Dynamic::bag(Bag::from_iter([
        (Arc::from("type"), Dynamic::text(name)),
        (Arc::from("coordinates"), coordinates),
    ]))
}

/// Writes a place.
pub(super) fn pair((longitude, latitude): LngLat) -> Dynamic {
    Dynamic::array(vec![Dynamic::Real(longitude), Dynamic::Real(latitude)])
}

/// Writes a `Point`.
pub(super) fn point(place: LngLat) -> Dynamic {
    geo_json("Point", pair(place))
}

/// Writes a `Polygon` with one ring, which is closed here.
pub(super) fn polygon_of(corners: &[LngLat]) -> Dynamic {
    let ring = corners.iter().chain(corners.first()).copied().map(pair).collect();
    geo_json("Polygon", Dynamic::array(vec![Dynamic::array(ring)]))
}

/// Writes a `LineString`, or a `MultiLineString` if there are several lines.
pub(super) fn line_of(lines: &[Vec<LngLat>]) -> Dynamic {
    let line = |places: &Vec<LngLat>| Dynamic::array(places.iter().copied().map(pair).collect());
    match lines {
        [single] => geo_json("LineString", line(single)),
        several => geo_json("MultiLineString", Dynamic::array(several.iter().map(line).collect())),
    }
}
