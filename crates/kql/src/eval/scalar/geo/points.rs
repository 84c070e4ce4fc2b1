//! Points: distances, directions, and what they are near to.

use super::super::{Args, Call, Kernel};
use super::shape::{lines, point, polygons};
use super::sphere::{LngLat, RADIUS, Vector, nearest};
use crate::value::{Dynamic, Value};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "geo_distance_2points" => |_, args| Value::Real(two(args).map(|(a, b)| a.angle(b) * RADIUS)),
        "geo_azimuth" => |_, args| Value::Real(two(args).and_then(|(a, b)| azimuth(a, b))),
        "geo_angle" => geo_angle,
        "geo_point_in_circle" => geo_point_in_circle,
        "geo_point_in_polygon" => {
            |_, args| Value::Bool(place(args, 0).and_then(|point| is_in_polygon(point, &args.dynamic(2))))
        }
        "geo_distance_point_to_line" => {
            |_, args| Value::Real(place(args, 0).and_then(|point| distance_to_line(point, &args.dynamic(2))))
        }
        "geo_distance_point_to_polygon" => |_, args| {
            Value::Real(place(args, 0).and_then(|point| distance_to_polygon(point, &args.dynamic(2))))
        },
        "geo_closest_point_on_line" => |_, args| closest(args, |_, shape| lines(shape)),
        "geo_closest_point_on_polygon" => |_, args| closest(args, outline_or_inside),
        _ => return None,
    })
}

/// Reads longitude and latitude from an argument on.
pub(super) fn place(args: &Args<'_>, first: usize) -> Option<LngLat> {
    let (longitude, latitude) = (args.real(first)?, args.real(first + 1)?);
    (longitude.abs() <= 180.0 && latitude.abs() <= 90.0).then_some((longitude, latitude))
}

fn two(args: &Args<'_>) -> Option<(Vector, Vector)> {
    Some((Vector::of(place(args, 0)?), Vector::of(place(args, 2)?)))
}

/// Returns the direction from one point to another in radians, clockwise from the north.
fn azimuth(a: Vector, b: Vector) -> Option<f64> {
    if a.angle(b) == 0.0 {
        return None;
    }
    let east = Vector::new(0.0, 0.0, 1.0).cross(a).unit();
    let north = a.cross(east);
    let direction = b.dot(east).atan2(b.dot(north));
    Some(direction.rem_euclid(std::f64::consts::TAU))
}

/// Returns the clockwise angle at the second of three points.
fn geo_angle(_: &Call<'_>, args: &Args<'_>) -> Value {
    let angle = || {
        let middle = Vector::of(place(args, 2)?);
        let from = azimuth(middle, Vector::of(place(args, 0)?))?;
        let to = azimuth(middle, Vector::of(place(args, 4)?))?;
        Some((to - from).rem_euclid(std::f64::consts::TAU))
    };
    Value::Real(angle())
}

fn geo_point_in_circle(_: &Call<'_>, args: &Args<'_>) -> Value {
    let radius = args.real(4).filter(|radius| *radius >= 0.0);
    Value::Bool(two(args).zip(radius).map(|((a, b), radius)| a.angle(b) * RADIUS <= radius))
}

/// Whether a point lies in a polygon; nothing if the polygon is none.
pub(in crate::eval) fn is_in_polygon(point: LngLat, polygon: &Dynamic) -> Option<bool> {
    let point = Vector::of(point);
    Some(polygons(polygon)?.iter().any(|polygon| polygon.contains(point)))
}

/// Returns the distance of a point to a line in metres; nothing if the line is none.
pub(in crate::eval) fn distance_to_line(point: LngLat, line: &Dynamic) -> Option<f64> {
    nearest(Vector::of(point), lines(line)?.iter()).map(|(_, angle)| angle * RADIUS)
}

/// Returns the distance of a point to a polygon in metres, which is zero inside.
pub(in crate::eval) fn distance_to_polygon(point: LngLat, polygon: &Dynamic) -> Option<f64> {
    let polygons = polygons(polygon)?;
    let point = Vector::of(point);
    if polygons.iter().any(|polygon| polygon.contains(point)) {
        return Some(0.0);
    }
    nearest(point, polygons.iter().flat_map(|polygon| &polygon.rings)).map(|(_, angle)| angle * RADIUS)
}

/// The point itself inside a polygon, its rings outside.
fn outline_or_inside(at: Vector, shape: &Dynamic) -> Option<Vec<Vec<Vector>>> {
    let polygons = polygons(shape)?;
    if polygons.iter().any(|polygon| polygon.contains(at)) {
        return Some(vec![vec![at, at]]);
    }
    Some(polygons.into_iter().flat_map(|polygon| polygon.rings).collect())
}

fn closest(args: &Args<'_>, chains: fn(Vector, &Dynamic) -> Option<Vec<Vec<Vector>>>) -> Value {
    let found = || {
        let at = Vector::of(place(args, 0)?);
        let chains = chains(at, &args.dynamic(2))?;
        nearest(at, chains.iter()).map(|(found, _)| point(found.place()))
    };
    Value::Dynamic(found().unwrap_or_default())
}
