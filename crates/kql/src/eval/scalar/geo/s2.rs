//! S2 cells: the sphere projected on a cube, whose faces are parted in quarters again and again.
//!
//! Cells are numbered along a Hilbert curve; see s2geometry.io.

use super::sphere::{LngLat, Vector};

/// Levels below a face.
const LEVELS: u32 = 30;

/// The number of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell(u64);

/// For each orientation: which quarter, as i and j bits, stands at each place of the curve.
const QUARTERS: [[u32; 4]; 4] = [[0, 1, 3, 2], [0, 2, 3, 1], [3, 2, 0, 1], [3, 1, 0, 2]];
/// How the orientation changes at each place of the curve.
const TURNS: [usize; 4] = [1, 0, 0, 3];

impl Cell {
    /// Returns the cell of a place at a level.
    pub(super) fn of(place: LngLat, level: u32) -> Self {
        let (face, u, v) = face_of(Vector::of(place));
        let grid = |s: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^30")]
            let index =
                (s * f64::from(1_u32 << LEVELS)).floor().clamp(0.0, f64::from((1_u32 << LEVELS) - 1)) as u32;
            index
        };
        Self::from_grid(face, grid(from_uv(u)), grid(from_uv(v))).parent(level)
    }

    fn from_grid(face: u64, i: u32, j: u32) -> Self {
        let mut id = face;
        let mut orientation = usize::from(face % 2 == 1);
        for bit in (0..LEVELS).rev() {
            let quarter = (i >> bit & 1) << 1 | (j >> bit & 1);
            let row = QUARTERS.get(orientation).copied().unwrap_or_default();
            let place = row.iter().position(|other| *other == quarter).unwrap_or(0);
            id = id << 2 | place as u64;
            orientation ^= TURNS.get(place).copied().unwrap_or(0);
        }
        Self(id << 1 | 1)
    }

    /// Reads a token: the hexadecimal digits without zeros at the end.
    pub(super) fn parse(token: &str) -> Option<Self> {
        if token.is_empty() || token.len() > 16 {
            return None;
        }
        let id = u64::from_str_radix(&format!("{token:0<16}"), 16).ok()?;
        (id >> 61 < 6 && id & 0x1555_5555_5555_5555 & id.wrapping_neg() != 0).then_some(Self(id))
    }

    /// Returns the token.
    pub(super) fn token(self) -> String {
        format!("{:016x}", self.0).trim_end_matches('0').to_owned()
    }

    fn level(self) -> u32 {
        LEVELS - self.0.trailing_zeros() / 2
    }

    fn parent(self, level: u32) -> Self {
        let lowest = 1_u64 << (2 * (LEVELS - level.min(LEVELS)));
        Self(self.0 & lowest.wrapping_neg() | lowest)
    }

    /// Returns the four cells of the next level.
    fn children(self) -> [Self; 4] {
        let step = (self.0 & self.0.wrapping_neg()) >> 2;
        [0, 1, 2, 3].map(|place| Self(self.0 - 3 * step + 2 * place * step))
    }

    /// Returns the face, the lower left corner on its grid, and the width on the grid.
    fn grid(self) -> (u64, u32, u32, u32) {
        let face = self.0 >> 61;
        let mut orientation = usize::from(face % 2 == 1);
        let (mut i, mut j) = (0, 0);
        let level = self.level();
        for step in 0..level {
            let place = usize::try_from(self.0 >> (59 - 2 * step) & 3).unwrap_or(0);
            let quarter = QUARTERS.get(orientation).and_then(|row| row.get(place)).copied().unwrap_or(0);
            i = i << 1 | quarter >> 1;
            j = j << 1 | quarter & 1;
            orientation ^= TURNS.get(place).copied().unwrap_or(0);
        }
        let width = 1 << (LEVELS - level);
        (face, i << (LEVELS - level), j << (LEVELS - level), width)
    }

    fn vector(face: u64, i: f64, j: f64) -> Vector {
        let scale = f64::from(1_u32 << LEVELS);
        on_face(face, to_uv(i / scale), to_uv(j / scale)).unit()
    }

    /// Returns the place in the middle.
    pub(super) fn center(self) -> LngLat {
        let (face, i, j, width) = self.grid();
        let half = f64::from(width) / 2.0;
        Self::vector(face, f64::from(i) + half, f64::from(j) + half).place()
    }

    /// Returns the corners, going round to the left.
    pub(super) fn corners(self) -> [Vector; 4] {
        let (face, i, j, width) = self.grid();
        let (i, j, width) = (f64::from(i), f64::from(j), f64::from(width));
        [(i, j), (i + width, j), (i + width, j + width), (i, j + width)]
            .map(|(i, j)| Self::vector(face, i, j))
    }

    /// Returns the cells around, in the order of their numbers.
    pub(super) fn neighbours(self) -> Vec<Self> {
        let (face, i, j, width) = self.grid();
        let level = self.level();
        let half = f64::from(width) / 2.0;
        let (i, j, width) = (f64::from(i) + half, f64::from(j) + half, f64::from(width));
        let around = (0..9)
            .filter(|place| *place != 4)
            .map(|place| (f64::from(place / 3 - 1), f64::from(place % 3 - 1)));
        let mut cells: Vec<Self> = around
            .map(|(x, y)| {
                let scale = f64::from(1_u32 << LEVELS);
                let (s, t) = ((i + x * width) / scale, (j + y * width) / scale);
                // Beyond the edge of a face the projection goes on in a straight line.
                let straight = |s: f64| if (0.0..=1.0).contains(&s) { to_uv(s) } else { 2.0 * s - 1.0 };
                let place = on_face(face, straight(s), straight(t)).place();
                Self::of(place, level)
            })
            .collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// Finds all cells of a level that a test on their corners does not rule out.
    pub(super) fn covering(
        level: u32,
        limit: usize,
        meets: impl Fn(&[Vector; 4]) -> bool,
    ) -> Option<Vec<Self>> {
        let mut open: Vec<Self> = (0..6).rev().map(|face| Self(face << 61 | 1 << 60)).collect();
        let mut found = Vec::new();
        while let Some(cell) = open.pop() {
            if !meets(&cell.corners()) {
                continue;
            }
            if cell.level() == level {
                found.push(cell);
            } else {
                open.extend(cell.children().iter().rev());
            }
            if found.len() > limit {
                return None;
            }
        }
        Some(found)
    }
}

/// Returns the face a vector goes through, and where.
fn face_of(p: Vector) -> (u64, f64, f64) {
    let (x, y, z) = (p.x.abs(), p.y.abs(), p.z.abs());
    match (x > y && x > z, y > z || (x > y && x > z)) {
        (true, _) if p.x > 0.0 => (0, p.y / p.x, p.z / p.x),
        (true, _) => (3, p.z / p.x, p.y / p.x),
        (false, true) if p.y > 0.0 => (1, -p.x / p.y, p.z / p.y),
        (false, true) => (4, p.z / p.y, -p.x / p.y),
        (false, false) if p.z > 0.0 => (2, -p.x / p.z, -p.y / p.z),
        (false, false) => (5, -p.y / p.z, -p.x / p.z),
    }
}

fn on_face(face: u64, u: f64, v: f64) -> Vector {
    match face {
        0 => Vector::new(1.0, u, v),
        1 => Vector::new(-u, 1.0, v),
        2 => Vector::new(-u, -v, 1.0),
        3 => Vector::new(-1.0, -v, -u),
        4 => Vector::new(v, -1.0, -u),
        _ => Vector::new(v, u, -1.0),
    }
}

/// The quadratic projection, which makes cells about equally large.
fn to_uv(s: f64) -> f64 {
    if s >= 0.5 { (4.0 * s * s - 1.0) / 3.0 } else { (1.0 - 4.0 * (1.0 - s) * (1.0 - s)) / 3.0 }
}

fn from_uv(u: f64) -> f64 {
    if u >= 0.0 { 0.5 * (1.0 + 3.0 * u).sqrt() } else { 1.0 - 0.5 * (1.0 - 3.0 * u).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_the_known_tokens() {
        // Known from the documentation of the service.
        assert_eq!(Cell::of((-80.195_829, 25.802_215), 8).token(), "88d9b");
        let cell = Cell::parse("89c259").unwrap();
        assert_eq!(Cell::of(cell.center(), cell.level()), cell);
        assert_eq!(Cell::parse("a"), None);
        assert_eq!(Cell::parse("xyz"), None);
    }

    #[test]
    fn children_lie_in_their_parents() {
        let cell = Cell::of((13.4, 52.5), 12);
        for child in cell.children() {
            assert_eq!(child.parent(12), cell);
            assert_eq!(Cell::of(child.center(), 12), cell);
        }
        for other in cell.neighbours() {
            assert_ne!(other, cell);
            assert!(other.neighbours().contains(&cell));
        }
    }
}
