//! Cells of the H3 grid.

use h3o::{CellIndex, LatLng, Resolution};

use super::super::{Args, Call, Kernel};
use super::points::place;
use super::shape::{point, polygon_of};
use super::sphere::LngLat;
use crate::types::ScalarType;
use crate::value::{Dynamic, Value};

/// Resolution of a cell when a call does not say it.
const RESOLUTION: i64 = 6;
/// The farthest ring the service gives.
const RINGS_MAX: i64 = 142;
/// How much finer children may be than their parent, as in the service.
const FINER_MAX: u8 = 5;

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "geo_point_to_h3cell" => |_, args| token(point_to_cell(args)),
        "geo_h3cell_to_central_point" => {
            |_, args| of(cell(args).map(|cell| point(degrees(LatLng::from(cell)))))
        }
        "geo_h3cell_to_polygon" => |_, args| of(cell(args).map(outline)),
        "geo_h3cell_level" => |_, args| Value::Int(cell(args).map(|cell| u8::from(cell.resolution()).into())),
        "geo_h3cell_parent" => |_, args| token(parent(args)),
        "geo_h3cell_children" => |_, args| of(children(args)),
        "geo_h3cell_neighbors" => neighbours,
        "geo_h3cell_rings" => rings,
        _ => return None,
    })
}

fn of(value: Option<Dynamic>) -> Value {
    Value::Dynamic(value.unwrap_or_default())
}

fn token(cell: Option<CellIndex>) -> Value {
    cell.map_or_else(|| Value::null(ScalarType::String), |cell| Value::text(cell.to_string()))
}

fn tokens(cells: impl IntoIterator<Item = CellIndex>) -> Dynamic {
    Dynamic::array(cells.into_iter().map(|cell| Dynamic::text(&cell.to_string())).collect())
}

fn cell(args: &Args<'_>) -> Option<CellIndex> {
    args.text(0).parse().ok()
}

fn resolution(level: i64) -> Option<Resolution> {
    Resolution::try_from(u8::try_from(level).ok()?).ok()
}

fn degrees(place: LatLng) -> LngLat {
    (place.lng(), place.lat())
}

fn point_to_cell(args: &Args<'_>) -> Option<CellIndex> {
    let (longitude, latitude) = place(args, 0)?;
    let level = if args.has(2) { args.long(2)? } else { RESOLUTION };
    Some(LatLng::new(latitude, longitude).ok()?.to_cell(resolution(level)?))
}

fn outline(cell: CellIndex) -> Dynamic {
    polygon_of(&cell.boundary().iter().copied().map(degrees).collect::<Vec<_>>())
}

fn parent(args: &Args<'_>) -> Option<CellIndex> {
    let cell = cell(args)?;
    let own = u8::from(cell.resolution());
    let level = if args.has(1) { args.long(1)? } else { i64::from(own) - 1 };
    cell.parent(resolution(level)?)
}

fn children(args: &Args<'_>) -> Option<Dynamic> {
    let cell = cell(args)?;
    let own = u8::from(cell.resolution());
    let level = if args.has(1) { args.long(1)? } else { i64::from(own) + 1 };
    let level = resolution(level)?;
    let finer = u8::from(level).checked_sub(own)?;
    (finer <= FINER_MAX).then(|| tokens(cell.children(level)))
}

/// The cells at a distance, all the way round. Where a pentagon is in the way their order is not known.
fn ring(cell: CellIndex, distance: u32) -> Option<Vec<CellIndex>> {
    let mut ring: Vec<CellIndex> = cell.grid_ring_fast(distance).collect::<Option<_>>()?;
    // The service takes a step before it writes the first one down.
    let steps = ring.len().min(1);
    ring.rotate_left(steps);
    Some(ring)
}

fn neighbours(call: &Call<'_>, args: &Args<'_>) -> Value {
    match cell(args).map(|cell| ring(cell, 1)) {
        Some(None) => call.unsupported("geo_h3cell_neighbors beside a pentagon", of(None)),
        Some(Some(ring)) => of(Some(tokens(ring))),
        None => of(None),
    }
}

fn rings(call: &Call<'_>, args: &Args<'_>) -> Value {
    let distance = args.long(1).filter(|distance| (0..=RINGS_MAX).contains(distance));
    let distance = distance.and_then(|distance| u32::try_from(distance).ok());
    let Some((cell, distance)) = cell(args).zip(distance) else { return of(None) };
    let rings: Option<Vec<Dynamic>> =
        (0..=distance).map(|distance| ring(cell, distance).map(tokens)).collect();
    match rings {
        Some(rings) => of(Some(Dynamic::array(rings))),
        None => call.unsupported("geo_h3cell_rings across a pentagon", of(None)),
    }
}
