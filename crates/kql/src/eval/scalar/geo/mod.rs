//! Places on the globe: points, lines and polygons as `GeoJSON`, and grids of cells.
//!
//! Edges are the shortest ways on a sphere. What the service computes by building new polygons
//! (buffers, unions, simplification) is not here.

mod cells;
mod geohash;
mod h3;
mod lines;
mod overlay;
mod points;
mod polygons;
mod s2;
mod shape;
mod sphere;
mod wkt;

use super::Kernel;

pub(in crate::eval) use points::{distance_to_line, distance_to_polygon, is_in_polygon};

pub(super) fn find(name: &str) -> Option<Kernel> {
    let families = [points::find, lines::find, polygons::find, cells::find, h3::find, wkt::find];
    families.iter().find_map(|family| family(name))
}
