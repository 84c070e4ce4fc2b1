//! Geohashes: places as text.

use super::sphere::LngLat;

const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// A rectangle of longitudes and latitudes.
pub(super) struct Area {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

/// Which way an area is halved; the two take turns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Axis {
    Longitude,
    Latitude,
}

impl Axis {
    const fn other(self) -> Self {
        match self {
            Self::Longitude => Self::Latitude,
            Self::Latitude => Self::Longitude,
        }
    }
}

/// Returns the geohash of a place with so many characters.
pub(super) fn encode((longitude, latitude): LngLat, length: usize) -> String {
    let mut area = Area { west: -180.0, east: 180.0, south: -90.0, north: 90.0 };
    let mut text = String::with_capacity(length);
    let mut axis = Axis::Longitude;
    for _ in 0..length {
        let mut index = 0;
        for _ in 0..5 {
            index = (index << 1)
                | usize::from(area.halve(axis, |middle| match axis {
                    Axis::Longitude => longitude >= middle,
                    Axis::Latitude => latitude >= middle,
                }));
            axis = axis.other();
        }
        text.push(ALPHABET.get(index).map_or('0', |letter| char::from(*letter)));
    }
    text
}

/// Returns the area of a geohash.
pub(super) fn decode(text: &str) -> Option<Area> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    let mut area = Area { west: -180.0, east: 180.0, south: -90.0, north: 90.0 };
    let mut axis = Axis::Longitude;
    for byte in text.bytes() {
        let index = ALPHABET.iter().position(|letter| *letter == byte.to_ascii_lowercase())?;
        for bit in (0..5).rev() {
            area.halve(axis, |_| index >> bit & 1 == 1);
            axis = axis.other();
        }
    }
    Some(area)
}

impl Area {
    /// Keeps one half; the answer says whether it is the upper one.
    fn halve(&mut self, axis: Axis, is_upper: impl Fn(f64) -> bool) -> bool {
        let (low, high) = match axis {
            Axis::Longitude => (&mut self.west, &mut self.east),
            Axis::Latitude => (&mut self.south, &mut self.north),
        };
        let middle = f64::midpoint(*low, *high);
        let upper = is_upper(middle);
        *(if upper { low } else { high }) = middle;
        upper
    }

    /// Returns the place in the middle.
    pub(super) fn center(&self) -> LngLat {
        (f64::midpoint(self.west, self.east), f64::midpoint(self.south, self.north))
    }

    /// Returns the corners, from the lower left one to the left.
    pub(super) fn corners(&self) -> [LngLat; 4] {
        [(self.west, self.south), (self.east, self.south), (self.east, self.north), (self.west, self.north)]
    }

    /// Returns the geohashes around, from the north clockwise.
    pub(super) fn neighbours(&self, length: usize) -> Vec<String> {
        let (width, height) = (self.east - self.west, self.north - self.south);
        let (longitude, latitude) = self.center();
        let around = [
            (0.0, 1.0),
            (1.0, 1.0),
            (1.0, 0.0),
            (1.0, -1.0),
            (0.0, -1.0),
            (-1.0, -1.0),
            (-1.0, 0.0),
            (-1.0, 1.0),
        ];
        let moved = around.iter().map(|(x, y)| (longitude + x * width, latitude + y * height));
        let wrapped = moved.filter(|(_, latitude)| latitude.abs() < 90.0).map(|(longitude, latitude)| {
            let turns = ((longitude + 180.0) / 360.0).floor();
            (longitude - turns * 360.0, latitude)
        });
        wrapped.map(|place| encode(place, length)).collect()
    }
}
