//! Geometry on the sphere: points as unit vectors, edges as arcs of great circles.

/// The mean radius of the Earth that the service uses, in metres.
pub(super) const RADIUS: f64 = 6_371_010.0;

/// A place: longitude and latitude in degrees.
pub(super) type LngLat = (f64, f64);

/// A vector in space; places are vectors of length one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Vector {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) z: f64,
}

impl Vector {
    /// Creates a vector.
    pub(super) const fn new(x: f64, y: f64, z: f64) -> Self {
        Self { x, y, z }
    }

    /// Returns the vector of a place.
    pub(super) fn of((longitude, latitude): LngLat) -> Self {
        let (lng, lat) = (longitude.to_radians(), latitude.to_radians());
        Self::new(lat.cos() * lng.cos(), lat.cos() * lng.sin(), lat.sin())
    }

    /// Returns the place a vector points to.
    pub(super) fn place(self) -> LngLat {
        let longitude = self.y.atan2(self.x).to_degrees();
        (longitude, self.z.atan2(self.x.hypot(self.y)).to_degrees())
    }

    pub(super) fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    pub(super) fn cross(self, other: Self) -> Self {
        Self::new(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y, self.z + other.z)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(other.times(-1.0))
    }

    pub(super) fn times(self, factor: f64) -> Self {
        Self::new(self.x * factor, self.y * factor, self.z * factor)
    }

    pub(super) fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    /// Returns the vector with length one; one without a direction stays.
    pub(super) fn unit(self) -> Self {
        let length = self.length();
        if length > 0.0 { self.times(1.0 / length) } else { self }
    }

    /// Returns the angle between two vectors in radians.
    pub(super) fn angle(self, other: Self) -> f64 {
        self.cross(other).length().atan2(self.dot(other))
    }
}

/// Returns the length of a chain of edges in radians.
pub(super) fn chain_length(chain: &[Vector]) -> f64 {
    edges(chain).map(|(a, b)| a.angle(b)).sum()
}

/// Returns the edges of a chain.
pub(super) fn edges(chain: &[Vector]) -> impl Iterator<Item = (Vector, Vector)> {
    chain.iter().copied().zip(chain.iter().copied().skip(1))
}

/// Returns the point of an edge that is nearest to a point.
pub(super) fn nearest_on_edge(point: Vector, (a, b): (Vector, Vector)) -> Vector {
    let normal = a.cross(b).unit();
    let foot = point.minus(normal.times(normal.dot(point)));
    // All points of an edge are equally far from its poles.
    if foot.length() < 1e-12 {
        return a;
    }
    let foot = foot.unit();
    let is_between = a.cross(foot).dot(normal) >= 0.0 && foot.cross(b).dot(normal) >= 0.0;
    if is_between {
        return foot;
    }
    if point.angle(a) <= point.angle(b) { a } else { b }
}

/// Returns the point of chains that is nearest to a point, and its distance in radians.
pub(super) fn nearest<'a>(
    point: Vector,
    chains: impl Iterator<Item = &'a Vec<Vector>>,
) -> Option<(Vector, f64)> {
    let feet = chains.flat_map(|chain| edges(chain)).map(|edge| nearest_on_edge(point, edge));
    let measured = feet.map(|foot| (foot, foot.angle(point)));
    measured.min_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Returns where two edges cross each other in their insides.
#[expect(clippy::many_single_char_names, reason = "ends of edges")]
pub(super) fn crossing(first: (Vector, Vector), second: (Vector, Vector)) -> Option<Vector> {
    let ((a, b), (c, d)) = (first, second);
    let (n, m) = (a.cross(b), c.cross(d));
    let (sc, sd) = (n.dot(c), n.dot(d));
    let (sa, sb) = (m.dot(a), m.dot(b));
    if sc * sd >= 0.0 || sa * sb >= 0.0 {
        return None;
    }
    let point = n.cross(m).unit();
    let middle = a.plus(b).plus(c).plus(d);
    let point = if point.dot(middle) >= 0.0 { point } else { point.times(-1.0) };
    // Circles cross on both sides of the sphere; edges only if the point is on both.
    let on = |(a, b): (Vector, Vector)| point.dot(a.plus(b)) >= a.dot(a.plus(b)) - 1e-15;
    (on(first) && on(second)).then_some(point)
}

/// Whether two edges touch or cross.
pub(super) fn meets(first: (Vector, Vector), second: (Vector, Vector)) -> bool {
    const TOUCH: f64 = 1e-15;
    if crossing(first, second).is_some() {
        return true;
    }
    let near = |point: Vector, edge| nearest_on_edge(point, edge).angle(point) <= TOUCH;
    near(first.0, second) || near(first.1, second) || near(second.0, first) || near(second.1, first)
}

/// Whether a ring goes round a point. A ring is closed, and smaller than half the sphere.
pub(super) fn goes_round(ring: &[Vector], point: Vector) -> bool {
    let middle = ring.iter().fold(Vector::new(0.0, 0.0, 0.0), |sum, corner| sum.plus(*corner));
    if middle.dot(point) <= 0.0 {
        return false;
    }
    let pole = if point.z.abs() < 0.9 { Vector::new(0.0, 0.0, 1.0) } else { Vector::new(1.0, 0.0, 0.0) };
    let east = pole.cross(point).unit();
    let north = point.cross(east);
    let bearing = |corner: Vector| corner.dot(east).atan2(corner.dot(north));
    let turns: f64 = edges(ring)
        .map(|(a, b)| {
            let turn = bearing(b) - bearing(a);
            turn - (turn / std::f64::consts::TAU).round() * std::f64::consts::TAU
        })
        .sum();
    turns.abs() > std::f64::consts::PI
}

/// Returns the area of a triangle in steradians, positive if it goes round to the left.
fn triangle_area(a: Vector, b: Vector, c: Vector) -> f64 {
    let (sa, sb, sc) = (b.angle(c), c.angle(a), a.angle(b));
    let half = (sa + sb + sc) / 2.0;
    let product = (half / 2.0).tan()
        * ((half - sa) / 2.0).tan()
        * ((half - sb) / 2.0).tan()
        * ((half - sc) / 2.0).tan();
    let area = 4.0 * product.max(0.0).sqrt().atan();
    if a.cross(b).dot(c) >= 0.0 { area } else { -area }
}

/// Returns the area of a ring in steradians, positive if it goes round to the left.
pub(super) fn ring_area(ring: &[Vector]) -> f64 {
    let Some(first) = ring.first() else { return 0.0 };
    edges(ring).skip(1).map(|(a, b)| triangle_area(*first, a, b)).sum()
}

/// Returns the centre of mass of an edge, as long as the edge.
pub(super) fn edge_centroid((a, b): (Vector, Vector)) -> Vector {
    let (difference, sum) = (a.minus(b), a.plus(b));
    let cos2 = sum.dot(sum);
    if cos2 == 0.0 {
        return Vector::new(0.0, 0.0, 0.0);
    }
    sum.times((difference.dot(difference) / cos2).sqrt())
}

/// Returns the centre of mass of a triangle times its area, with its sign.
#[expect(clippy::many_single_char_names, reason = "corners and their parts")]
fn triangle_centroid(a: Vector, b: Vector, c: Vector) -> Vector {
    let ratio = |angle: f64| if angle == 0.0 { 1.0 } else { angle / angle.sin() };
    let (ra, rb, rc) = (ratio(b.angle(c)), ratio(c.angle(a)), ratio(a.angle(b)));
    let x = Vector::new(a.x, b.x - a.x, c.x - a.x);
    let y = Vector::new(a.y, b.y - a.y, c.y - a.y);
    let z = Vector::new(a.z, b.z - a.z, c.z - a.z);
    let r = Vector::new(ra, rb - ra, rc - ra);
    Vector::new(y.cross(z).dot(r), z.cross(x).dot(r), x.cross(y).dot(r)).times(0.5)
}

/// Returns the centre of mass of a ring times its area, with its sign.
pub(super) fn ring_centroid(ring: &[Vector]) -> Vector {
    let zero = Vector::new(0.0, 0.0, 0.0);
    let Some(first) = ring.first() else { return zero };
    edges(ring).skip(1).fold(zero, |sum, (a, b)| sum.plus(triangle_centroid(*first, a, b)))
}

/// Returns a point between two, by its share of the way.
pub(super) fn between(a: Vector, b: Vector, share: f64) -> Vector {
    let angle = a.angle(b);
    if angle == 0.0 {
        return a;
    }
    let along = b.minus(a.times(a.dot(b))).unit();
    a.times((share * angle).cos()).plus(along.times((share * angle).sin())).unit()
}
