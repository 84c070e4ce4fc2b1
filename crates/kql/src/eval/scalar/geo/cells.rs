//! Cells: geohashes, and S2 cells.

use super::super::{Args, Call, Kernel};
use super::points::place;
use super::s2::Cell;
use super::shape::{Polygon, lines, point, polygon_of, polygons};
use super::sphere::{LngLat, Vector, crossing, edges, goes_round, meets};
use super::{geohash, shape::Chain};
use crate::types::ScalarType;
use crate::value::{Dynamic, Value};

/// The most cells a shape is covered with, as in the service.
const CELLS_MAX: usize = 65_536;

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "geo_point_to_geohash" => point_to_geohash,
        "geo_geohash_to_central_point" => {
            |_, args| of(geohash::decode(&args.text(0)).map(|area| point(area.center())))
        }
        "geo_geohash_to_polygon" => {
            |_, args| of(geohash::decode(&args.text(0)).map(|area| polygon_of(&area.corners())))
        }
        "geo_geohash_neighbors" => |_, args| {
            let text = args.text(0);
            of(geohash::decode(&text).map(|area| texts(&area.neighbours(text.len()))))
        },
        "geo_point_to_s2cell" => point_to_s2cell,
        "geo_s2cell_to_central_point" => {
            |_, args| of(Cell::parse(&args.text(0)).map(|cell| point(cell.center())))
        }
        "geo_s2cell_to_polygon" => |_, args| {
            of(Cell::parse(&args.text(0)).map(|cell| {
                let corners: Vec<LngLat> = cell.corners().iter().map(|corner| corner.place()).collect();
                polygon_of(&corners)
            }))
        },
        "geo_s2cell_neighbors" => |_, args| {
            // The service gives them in no order that is known.
            of(Cell::parse(&args.text(0))
                .map(|cell| texts(&cell.neighbours().into_iter().map(Cell::token).collect::<Vec<_>>())))
        },
        "geo_polygon_to_s2cells" => polygon_to_s2cells,
        "geo_line_to_s2cells" => line_to_s2cells,
        _ => return None,
    })
}

fn of(value: Option<Dynamic>) -> Value {
    Value::Dynamic(value.unwrap_or_default())
}

fn texts(items: &[String]) -> Dynamic {
    Dynamic::array(items.iter().map(|item| Dynamic::text(item)).collect())
}

fn point_to_geohash(_: &Call<'_>, args: &Args<'_>) -> Value {
    let length = if args.has(2) { args.long(2) } else { Some(5) };
    let length =
        length.and_then(|length| usize::try_from(length).ok()).filter(|length| (1..=18).contains(length));
    match place(args, 0).zip(length) {
        Some((place, length)) => Value::text(geohash::encode(place, length)),
        None => Value::null(ScalarType::String),
    }
}

fn level(args: &Args<'_>, index: usize) -> Option<u32> {
    let level = if args.has(index) { args.long(index)? } else { 11 };
    u32::try_from(level).ok().filter(|level| *level <= 30)
}

fn point_to_s2cell(_: &Call<'_>, args: &Args<'_>) -> Value {
    match place(args, 0).zip(level(args, 2)) {
        Some((place, level)) => Value::text(Cell::of(place, level).token()),
        None => Value::null(ScalarType::String),
    }
}

/// The edges of a cell.
fn sides(corners: &[Vector; 4]) -> Chain {
    corners.iter().chain(corners.first()).copied().collect()
}

/// How a shape and a cell lie to each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    Apart,
    /// They share points of their outlines only.
    Touching,
    Overlapping,
}

/// Covers a shape with cells. Which of the cells count that only touch it is not known.
fn covering(call: &Call<'_>, level: Option<u32>, relation: impl Fn(&[Vector; 4]) -> Relation) -> Value {
    let cells = level
        .and_then(|level| Cell::covering(level, CELLS_MAX, |corners| relation(corners) != Relation::Apart));
    let Some(cells) = cells else { return of(None) };
    if cells.iter().any(|cell| relation(&cell.corners()) == Relation::Touching) {
        return call.unsupported("covering a shape whose edges run along those of cells", of(None));
    }
    of(Some(texts(&cells.into_iter().map(Cell::token).collect::<Vec<_>>())))
}

/// Tests the edges of a chain against a cell, and whether it starts inside.
fn chain_relation(chain: &Chain, cell: &Chain) -> Relation {
    let pairs = || edges(chain).flat_map(|edge| edges(cell).map(move |side| (edge, side)));
    let starts_inside = chain.first().is_some_and(|corner| goes_round(cell, *corner));
    if pairs().any(|(edge, side)| crossing(edge, side).is_some()) {
        Relation::Overlapping
    } else if pairs().any(|(edge, side)| meets(edge, side)) {
        Relation::Touching
    } else if starts_inside {
        Relation::Overlapping
    } else {
        Relation::Apart
    }
}

fn strongest(relations: impl Iterator<Item = Relation>) -> Relation {
    relations.fold(Relation::Apart, |all, one| match (all, one) {
        (Relation::Overlapping, _) | (_, Relation::Overlapping) => Relation::Overlapping,
        (Relation::Touching, _) | (_, Relation::Touching) => Relation::Touching,
        _ => Relation::Apart,
    })
}

fn polygon_to_s2cells(call: &Call<'_>, args: &Args<'_>) -> Value {
    if args.has(2) {
        return call.unsupported("geo_polygon_to_s2cells with a radius", of(None));
    }
    let Some(shape) = polygons(&args.dynamic(0)) else { return of(None) };
    covering(call, level(args, 1), |corners| {
        strongest(shape.iter().map(|polygon| polygon_relation(polygon, corners)))
    })
}

fn polygon_relation(polygon: &Polygon, corners: &[Vector; 4]) -> Relation {
    let cell = sides(corners);
    let outlines = strongest(polygon.rings.iter().map(|ring| chain_relation(ring, &cell)));
    let inside = corners.iter().any(|corner| polygon.contains(*corner));
    match outlines {
        Relation::Apart if inside => Relation::Overlapping,
        other => other,
    }
}

fn line_to_s2cells(call: &Call<'_>, args: &Args<'_>) -> Value {
    if args.has(2) {
        return call.unsupported("geo_line_to_s2cells with a radius", of(None));
    }
    let Some(shape) = lines(&args.dynamic(0)) else { return of(None) };
    covering(call, level(args, 1), |corners| {
        let cell = sides(corners);
        strongest(shape.iter().map(|line| chain_relation(line, &cell)))
    })
}
