//! The outline of overlapping polygons.

use super::shape::{Chain, Polygon};
use super::sphere::{Vector, crossing, edges, goes_round, nearest_on_edge};

/// Returns the outer rings of polygons put together, going round to the left. Nothing if a
/// polygon or the result has holes, or where polygons touch without crossing.
pub(super) fn union_outline(polygons: Vec<Polygon>) -> Option<Vec<Chain>> {
    let rings: Vec<Chain> = polygons
        .into_iter()
        .map(|polygon| match <[Chain; 1]>::try_from(polygon.rings) {
            Ok([ring]) => Some(ring),
            Err(_) => None,
        })
        .collect::<Option<_>>()?;
    let mut pieces: Vec<(Vector, Vector)> = Vec::new();
    for (at, ring) in rings.iter().enumerate() {
        for edge in edges(ring) {
            let cuts = cuts(edge, at, &rings)?;
            for (a, b) in edges(&cuts) {
                let middle = a.plus(b).unit();
                let hidden =
                    rings.iter().enumerate().any(|(other, ring)| other != at && goes_round(ring, middle));
                if !hidden {
                    pieces.push((a, b));
                }
            }
        }
    }
    chained(pieces)
}

/// Cuts an edge where it crosses the edges of other rings.
fn cuts(edge: (Vector, Vector), at: usize, rings: &[Chain]) -> Option<Chain> {
    const TOUCH: f64 = 1e-12;
    let mut points = vec![edge.0, edge.1];
    for ring in rings.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, ring)| ring) {
        for other in edges(ring) {
            if let Some(point) = crossing(edge, other) {
                points.push(point);
            }
            if nearest_on_edge(other.0, edge).angle(other.0) < TOUCH {
                return None;
            }
        }
    }
    points.sort_by(|a, b| edge.0.angle(*a).total_cmp(&edge.0.angle(*b)));
    Some(points)
}

/// Joins pieces to rings; nothing if they do not close, or if one goes round to the right.
fn chained(pieces: Vec<(Vector, Vector)>) -> Option<Vec<Chain>> {
    const SAME: f64 = 1e-12;
    let mut left = pieces;
    let mut rings = Vec::new();
    while !left.is_empty() {
        let (first, second) = left.remove(0);
        let mut ring = vec![first, second];
        while let Some(end) = ring.last().copied().filter(|end| end.angle(first) > SAME) {
            let next = left.iter().position(|(start, _)| start.angle(end) < SAME)?;
            ring.push(left.remove(next).1);
        }
        if super::sphere::ring_area(&ring) <= 0.0 {
            return None;
        }
        rings.push(ring);
    }
    Some(rings)
}
