//! Lines.

use super::super::{Args, Call, Kernel};
use super::points::place;
use super::shape::{Chain, line_of, line_places, lines, point, polygons};
use super::sphere::{
    LngLat, RADIUS, Vector, between, chain_length, edge_centroid, edges, meets, nearest_on_edge,
};
use crate::value::{Dynamic, Value};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "geo_line_length" => |_, args| {
            let lines = lines(&args.dynamic(0));
            Value::Real(lines.map(|lines| lines.iter().map(|line| chain_length(line)).sum::<f64>() * RADIUS))
        },
        "geo_line_centroid" => |_, args| of(centroid(args)),
        "geo_line_interpolate_point" => |_, args| of(interpolate(args)),
        "geo_line_locate_point" => |_, args| Value::Real(locate(args)),
        "geo_line_densify" => geo_line_densify,
        "geo_line_simplify" => geo_line_simplify,
        "geo_intersects_2lines" => |_, args| {
            let shapes = lines(&args.dynamic(0)).zip(lines(&args.dynamic(1)));
            Value::Bool(shapes.map(|(a, b)| chains_meet(&a, &b)))
        },
        "geo_intersects_line_with_polygon" => intersects_line_with_polygon,
        "geo_intersection_2lines" => intersection_2lines,
        "geo_union_lines_array" => union_lines_array,
        _ => return None,
    })
}

fn of(shape: Option<Dynamic>) -> Value {
    Value::Dynamic(shape.unwrap_or_default())
}

fn centroid(args: &Args<'_>) -> Option<Dynamic> {
    let lines = lines(&args.dynamic(0))?;
    let all = lines.iter().flat_map(|line| edges(line)).map(edge_centroid);
    let sum = all.fold(Vector::new(0.0, 0.0, 0.0), Vector::plus);
    Some(point(sum.unit().place()))
}

/// Returns the point at a share of the length of a line.
fn interpolate(args: &Args<'_>) -> Option<Dynamic> {
    let lines = lines(&args.dynamic(0))?;
    let share = args.real(1).filter(|share| (0.0..=1.0).contains(share))?;
    let [line] = lines.as_slice() else { return None };
    let mut left = chain_length(line) * share;
    let mut last = *line.last()?;
    for (a, b) in edges(line) {
        let length = a.angle(b);
        if left <= length {
            last = between(a, b, if length > 0.0 { left / length } else { 0.0 });
            break;
        }
        left -= length;
    }
    Some(point(last.place()))
}

/// Returns the share of the length of a line at which it is nearest to a point.
fn locate(args: &Args<'_>) -> Option<f64> {
    let lines = lines(&args.dynamic(0))?;
    let at = Vector::of(place(args, 1)?);
    let [line] = lines.as_slice() else { return None };
    let mut before = 0.0;
    let mut best: Option<(f64, f64)> = None;
    for (a, b) in edges(line) {
        let foot = nearest_on_edge(at, (a, b));
        let distance = foot.angle(at);
        if best.is_none_or(|(known, _)| distance < known) {
            best = Some((distance, before + a.angle(foot)));
        }
        before += a.angle(b);
    }
    best.filter(|_| before > 0.0).map(|(_, along)| along / before)
}

/// Parts edges, which are straight on the map, in halves until the shortest ways between their
/// ends are as near to them as the tolerance.
fn geo_line_densify(call: &Call<'_>, args: &Args<'_>) -> Value {
    let tolerance = if args.has(1) { args.real(1) } else { Some(10.0) };
    let Some(lines) = line_places(&args.dynamic(0)) else { return of(None) };
    let Some(tolerance) = tolerance.filter(|tolerance| (0.1..=10_000.0).contains(tolerance)) else {
        return of(None);
    };
    let beyond = lines.iter().flatten().any(|(longitude, _)| longitude.abs() > 180.0);
    let preserves = args.has(2) && args.bool(2) != Some(false);
    if beyond || preserves {
        return call.unsupported(
            "geo_line_densify beyond the map's edge or by the sphere",
            Value::Dynamic(Dynamic::Null),
        );
    }
    let densified: Vec<Vec<LngLat>> = lines.iter().map(|line| densify(line, tolerance)).collect();
    of(Some(line_of(&densified)))
}

fn densify(line: &[LngLat], tolerance: f64) -> Vec<LngLat> {
    let mut places: Vec<LngLat> = line.first().copied().into_iter().collect();
    for (a, b) in line.iter().zip(line.iter().skip(1)) {
        split(*a, *b, tolerance, 20, &mut places);
    }
    places
}

fn along(a: LngLat, b: LngLat, share: f64) -> LngLat {
    (a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share)
}

/// Adds the places of an edge behind its first one.
fn split(a: LngLat, b: LngLat, tolerance: f64, depth: usize, out: &mut Vec<LngLat>) {
    // Where the two ways differ most, and how much less than there they differ in truth; from the
    // edge tessellator of the S2 library.
    const PROBE: f64 = 0.312_156_910_822_482_5;
    const SCALE: f64 = 0.838_299_925_698_885_1;
    let distance = |share: f64| {
        let straight = Vector::of(along(a, b, share));
        straight.angle(between(Vector::of(a), Vector::of(b), share)) * RADIUS
    };
    if depth == 0 || distance(PROBE).max(distance(1.0 - PROBE)) <= SCALE * tolerance {
        out.push(b);
        return;
    }
    let middle = along(a, b, 0.5);
    split(a, middle, tolerance, depth - 1, out);
    split(middle, b, tolerance, depth - 1, out);
}

/// A line that is smaller than the tolerance is nothing; others are not simplified here.
fn geo_line_simplify(call: &Call<'_>, args: &Args<'_>) -> Value {
    let tolerance = if args.has(1) { args.real(1) } else { Some(10.0) };
    let Some(lines) = lines(&args.dynamic(0)) else { return of(None) };
    let Some(tolerance) = tolerance.filter(|tolerance| *tolerance >= 0.1) else { return of(None) };
    if lines.iter().map(|line| chain_length(line)).sum::<f64>() * RADIUS < tolerance {
        return of(None);
    }
    call.unsupported("geo_line_simplify", Value::Dynamic(Dynamic::Null))
}

fn chains_meet(first: &[Chain], second: &[Chain]) -> bool {
    let all = |chains: &[Chain]| -> Vec<(Vector, Vector)> {
        chains.iter().flat_map(|chain| edges(chain)).collect()
    };
    let second = all(second);
    all(first).iter().any(|edge| second.iter().any(|other| meets(*edge, *other)))
}

fn intersects_line_with_polygon(_: &Call<'_>, args: &Args<'_>) -> Value {
    let shapes = lines(&args.dynamic(0)).zip(polygons(&args.dynamic(1)));
    Value::Bool(shapes.map(|(lines, polygons)| {
        polygons.iter().any(|polygon| {
            chains_meet(&lines, &polygon.rings)
                || lines.iter().filter_map(|line| line.first()).any(|start| polygon.contains(*start))
        })
    }))
}

/// Lines that are the same, or that cross in one point; anything else is not computed here.
fn intersection_2lines(call: &Call<'_>, args: &Args<'_>) -> Value {
    let shapes = lines(&args.dynamic(0)).zip(lines(&args.dynamic(1)));
    let Some((first, second)) = shapes else { return of(None) };
    if first == second {
        return of(Some(args.dynamic(0)));
    }
    let mut points = Vec::new();
    for edge in first.iter().flat_map(|line| edges(line)) {
        for other in second.iter().flat_map(|line| edges(line)) {
            match super::sphere::crossing(edge, other) {
                Some(found) => points.push(found),
                None if meets(edge, other) => {
                    return call.unsupported(
                        "geo_intersection_2lines of lines that touch",
                        Value::Dynamic(Dynamic::Null),
                    );
                }
                None => {}
            }
        }
    }
    match points.as_slice() {
        [] => of(None),
        [single] => of(Some(point(single.place()))),
        _ => call.unsupported("geo_intersection_2lines in several points", Value::Dynamic(Dynamic::Null)),
    }
}

/// Puts lines together that share edges; lines that cross are not cut here.
fn union_lines_array(call: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(items) = args.array(0) else { return of(None) };
    let shapes: Option<Vec<Vec<Vec<LngLat>>>> = items.iter().map(line_places).collect();
    let Some(shapes) = shapes.filter(|shapes| !shapes.is_empty()) else { return of(None) };
    let mut unique: Vec<(LngLat, LngLat)> = Vec::new();
    for line in shapes.iter().flatten() {
        for (a, b) in line.iter().zip(line.iter().skip(1)) {
            if !unique.contains(&(*a, *b)) && !unique.contains(&(*b, *a)) {
                unique.push((*a, *b));
            }
        }
    }
    let vectors: Vec<(Vector, Vector)> =
        unique.iter().map(|(a, b)| (Vector::of(*a), Vector::of(*b))).collect();
    let cross = |(at, edge): (usize, &(Vector, Vector))| {
        vectors.iter().skip(at + 1).any(|other| super::sphere::crossing(*edge, *other).is_some())
    };
    if vectors.iter().enumerate().any(cross) {
        return call.unsupported("geo_union_lines_array of lines that cross", Value::Dynamic(Dynamic::Null));
    }
    of(Some(line_of(&chained(unique))))
}

/// Joins edges end to end where just two of them meet.
fn chained(edges: Vec<(LngLat, LngLat)>) -> Vec<Vec<LngLat>> {
    let degree = |edges: &[(LngLat, LngLat)], place: LngLat| {
        edges.iter().filter(|(a, b)| *a == place || *b == place).count()
    };
    let all = edges.clone();
    let mut left = edges;
    let mut chains = Vec::new();
    while !left.is_empty() {
        let start =
            left.iter().position(|(a, b)| degree(&all, *a) != 2 || degree(&all, *b) != 2).unwrap_or(0);
        let (a, b) = left.remove(start);
        let mut chain = if degree(&all, a) == 2 && degree(&all, b) != 2 { vec![b, a] } else { vec![a, b] };
        while let Some(end) = chain.last().copied().filter(|end| degree(&all, *end) == 2) {
            let Some(next) = left.iter().position(|(a, b)| *a == end || *b == end) else { break };
            let (a, b) = left.remove(next);
            chain.push(if a == end { b } else { a });
        }
        chains.push(chain);
    }
    chains
}
