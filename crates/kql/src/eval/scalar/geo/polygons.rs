//! Polygons.

use super::super::{Args, Call, Kernel};
use super::overlay::union_outline;
use super::shape::{Polygon, point, polygons};
use super::sphere::{RADIUS, Vector, chain_length, edges, meets, ring_centroid};
use crate::value::{Dynamic, Value};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "geo_polygon_area" => |call, args| {
            measured(call, args, "geo_polygon_area", |shape| {
                shape.iter().map(Polygon::area).sum::<f64>() * RADIUS * RADIUS
            })
        },
        "geo_polygon_perimeter" => |call, args| {
            measured(call, args, "geo_polygon_perimeter", |shape| {
                shape.iter().flat_map(|polygon| &polygon.rings).map(|ring| chain_length(ring)).sum::<f64>()
                    * RADIUS
            })
        },
        "geo_polygon_centroid" => centroid,
        "geo_polygon_simplify" => simplify,
        "geo_simplify_polygons_array" => simplify_array,
        "geo_intersects_2polygons" => intersects,
        "geo_union_polygons_array" => union_array,
        _ => return None,
    })
}

fn nothing() -> Value {
    Value::Dynamic(Dynamic::Null)
}

/// Polygons that are parts of one shape count once where they overlap.
fn merged(polygons: Vec<Polygon>) -> Option<Vec<Polygon>> {
    if polygons.len() < 2
        || !polygons
            .iter()
            .enumerate()
            .any(|(at, polygon)| polygons.iter().skip(at + 1).any(|other| overlap(polygon, other)))
    {
        return Some(polygons);
    }
    let rings = union_outline(polygons)?;
    Some(rings.into_iter().map(|ring| Polygon { rings: vec![ring] }).collect())
}

fn measured(call: &Call<'_>, args: &Args<'_>, name: &'static str, measure: fn(&[Polygon]) -> f64) -> Value {
    let Some(shape) = polygons(&args.dynamic(0)) else { return Value::Real(None) };
    match merged(shape) {
        Some(shape) => Value::from(measure(&shape)),
        None => call.unsupported(name, Value::Real(None)),
    }
}

fn centroid(call: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(shape) = polygons(&args.dynamic(0)) else { return nothing() };
    let Some(shape) = merged(shape) else { return call.unsupported("geo_polygon_centroid", nothing()) };
    let mut sum = Vector::new(0.0, 0.0, 0.0);
    for polygon in &shape {
        for (index, ring) in polygon.rings.iter().enumerate() {
            let part = ring_centroid(ring);
            sum = if index == 0 { sum.plus(part) } else { sum.minus(part) };
        }
    }
    Value::Dynamic(point(sum.unit().place()))
}

/// A polygon that is smaller than the tolerance is nothing; others are not simplified here.
fn simplify(call: &Call<'_>, args: &Args<'_>) -> Value {
    let tolerance = if args.has(1) { args.real(1) } else { Some(10.0) };
    let Some(shape) = polygons(&args.dynamic(0)) else { return nothing() };
    let Some(tolerance) = tolerance.filter(|tolerance| *tolerance >= 0.1) else { return nothing() };
    let half = |polygon: &Polygon| polygon.rings.first().map_or(0.0, |ring| chain_length(ring)) / 2.0;
    if shape.iter().map(half).sum::<f64>() * RADIUS < tolerance {
        return nothing();
    }
    call.unsupported("geo_polygon_simplify", nothing())
}

fn simplify_array(call: &Call<'_>, args: &Args<'_>) -> Value {
    let valid = !args.has(1) || args.real(1).is_some_and(|tolerance| tolerance >= 0.1);
    let shapes: Option<Vec<_>> = args.array(0).and_then(|items| items.iter().map(polygons).collect());
    if !valid || shapes.is_none() {
        return nothing();
    }
    call.unsupported("geo_simplify_polygons_array", nothing())
}

fn overlap(a: &Polygon, b: &Polygon) -> bool {
    let edges_of = |polygon: &Polygon| -> Vec<(Vector, Vector)> {
        polygon.rings.iter().flat_map(|ring| edges(ring)).collect()
    };
    let (first, second) = (edges_of(a), edges_of(b));
    let inside = |polygon: &Polygon, other: &Polygon| {
        other.rings.first().and_then(|ring| ring.first()).is_some_and(|corner| polygon.contains(*corner))
    };
    first.iter().any(|edge| second.iter().any(|other| meets(*edge, *other))) || inside(a, b) || inside(b, a)
}

fn intersects(_: &Call<'_>, args: &Args<'_>) -> Value {
    let shapes = polygons(&args.dynamic(0)).zip(polygons(&args.dynamic(1)));
    Value::Bool(shapes.map(|(a, b)| a.iter().any(|polygon| b.iter().any(|other| overlap(polygon, other)))))
}

fn union_array(call: &Call<'_>, args: &Args<'_>) -> Value {
    let shapes: Option<Vec<Vec<Polygon>>> =
        args.array(0).and_then(|items| items.iter().map(polygons).collect());
    let Some(shapes) = shapes.filter(|shapes| !shapes.is_empty()) else { return nothing() };
    match union_outline(shapes.into_iter().flatten().collect()) {
        Some(rings) => match rings.as_slice() {
            [single] => {
                let corners: Vec<_> = single.iter().skip(1).map(|corner| corner.place()).collect();
                let mut rotated = corners;
                rotated.rotate_right(1);
                Value::Dynamic(super::shape::polygon_of(&rotated))
            }
            _ => call.unsupported("geo_union_polygons_array of several parts", nothing()),
        },
        None => call.unsupported("geo_union_polygons_array", nothing()),
    }
}
