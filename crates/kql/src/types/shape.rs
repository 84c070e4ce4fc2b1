//! What the binder knows about a value: its scalar type, and for dynamic values what is inside.
//!
//! Kusto distinguishes, while it checks a query, a dynamic value of which nothing is known from an
//! array, a bag, and a scalar that travels as dynamic (an element of an array of strings). Which
//! calls are allowed, and how result columns are named, depends on it; at run time all of them are
//! `dynamic`.

use std::sync::Arc;

use super::ScalarType;

/// The type of an expression, as far as it is known before the query runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A scalar; `dynamic` is a value of which nothing is known, `unknown` could be any type.
    Scalar(ScalarType),
    /// A dynamic value that holds this scalar.
    Holding(ScalarType),
    /// A dynamic array.
    Array(Arc<Self>),
    /// A dynamic bag, with the properties that are known.
    Bag(Arc<[(String, Self)]>),
    /// A bare `null`.
    Null,
    /// The name of a type: `typeof(long)`.
    TypeName(ScalarType),
}

/// Which conversions an assignment may make, from strict to lax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conversion {
    /// None at all.
    Exact,
    /// To a wider type: `int` to `long`, `long` to `real`.
    Widen,
    /// And any scalar to `dynamic`.
    ToDynamic,
    /// And to a narrower type.
    Narrow,
}

impl Shape {
    /// The shape of expressions about which nothing is known, or which have been reported.
    pub const UNKNOWN: Self = Self::Scalar(ScalarType::Unknown);
    /// A dynamic value of which nothing is known.
    pub const DYNAMIC: Self = Self::Scalar(ScalarType::Dynamic);

    /// Makes the shape of an array with elements of this shape.
    pub fn array(element: &Self) -> Self {
        let element = match element {
            Self::Holding(ty) => Self::Scalar(*ty),
            Self::Scalar(ScalarType::Int) => Self::Scalar(ScalarType::Long),
            Self::Scalar(ScalarType::Decimal | ScalarType::Unknown) | Self::Null | Self::TypeName(_) => {
                Self::DYNAMIC
            }
            Self::Scalar(_) | Self::Array(_) | Self::Bag(_) => element.clone(),
        };
        Self::Array(Arc::new(element))
    }

    /// Makes the shape of a bag of which no property is known.
    pub fn bag() -> Self {
        Self::Bag(Arc::new([]))
    }

    /// Returns the shape of the value when it travels inside a dynamic value.
    #[must_use]
    pub fn in_dynamic(&self) -> Self {
        match self {
            Self::Scalar(ScalarType::Int | ScalarType::Long) => Self::Holding(ScalarType::Long),
            Self::Scalar(ScalarType::Dynamic | ScalarType::Unknown | ScalarType::Decimal)
            | Self::Null
            | Self::TypeName(_) => Self::DYNAMIC,
            Self::Scalar(ty) => Self::Holding(*ty),
            Self::Holding(_) | Self::Array(_) | Self::Bag(_) => self.clone(),
        }
    }

    /// Returns the shape with which a column of this type starts.
    pub const fn of(ty: ScalarType) -> Self {
        Self::Scalar(ty)
    }

    /// Returns the type of the value at run time.
    pub const fn scalar(&self) -> ScalarType {
        match self {
            Self::Scalar(ty) => *ty,
            Self::Holding(_) | Self::Array(_) | Self::Bag(_) | Self::Null => ScalarType::Dynamic,
            Self::TypeName(_) => ScalarType::Unknown,
        }
    }

    /// Whether the value is dynamic, whatever is inside.
    pub const fn is_dynamic(&self) -> bool {
        matches!(self, Self::Scalar(ScalarType::Dynamic) | Self::Holding(_) | Self::Array(_) | Self::Bag(_))
    }

    /// Whether nothing is known about the value.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Scalar(ScalarType::Unknown))
    }

    /// Whether the value may be an array.
    pub const fn may_be_array(&self) -> bool {
        matches!(self, Self::Scalar(ScalarType::Dynamic) | Self::Array(_))
    }

    /// Whether the value may be a bag.
    pub const fn may_be_bag(&self) -> bool {
        matches!(self, Self::Scalar(ScalarType::Dynamic) | Self::Bag(_))
    }

    /// Whether the value is a dynamic that may have parts: elements or properties.
    pub const fn may_have_parts(&self) -> bool {
        matches!(self, Self::Scalar(ScalarType::Dynamic) | Self::Array(_) | Self::Bag(_))
    }

    /// Returns the shape of a property of the value.
    #[must_use]
    pub fn property(&self, name: &str) -> Self {
        match self {
            Self::Bag(properties) => properties
                .iter()
                .find(|(key, _)| key == name)
                .map_or(Self::DYNAMIC, |(_, shape)| shape.in_dynamic()),
            Self::Scalar(ScalarType::Unknown) => Self::UNKNOWN,
            Self::Scalar(_) | Self::Holding(_) | Self::Array(_) | Self::Null | Self::TypeName(_) => {
                Self::DYNAMIC
            }
        }
    }

    /// Whether a value of this shape can go where `target` is asked for.
    pub fn fits(&self, target: &Self, conversion: Conversion) -> bool {
        if self == target || self.is_unknown() || target.is_unknown() {
            return true;
        }
        match (target, self) {
            (Self::Scalar(ScalarType::Dynamic), source) => {
                source.is_dynamic() || conversion >= Conversion::ToDynamic
            }
            (Self::Holding(target), Self::Holding(source)) => widens(*source, *target, conversion),
            (Self::Array(element), Self::Array(_)) => {
                conversion > Conversion::Exact || **element == Self::DYNAMIC
            }
            (Self::Bag(properties), Self::Bag(_)) => conversion > Conversion::Exact || properties.is_empty(),
            (Self::Scalar(target), Self::Scalar(source)) => widens(*source, *target, conversion),
            (Self::TypeName(_), Self::TypeName(_)) => true,
            _ => false,
        }
    }

    /// Returns the shape that values of both shapes have in common, or nothing if there is none.
    pub fn common(&self, other: &Self, conversion: Conversion) -> Option<Self> {
        if self == other || *other == Self::Null {
            return Some(self.clone());
        }
        if *self == Self::Null {
            return Some(other.clone());
        }
        if self.is_unknown() || other.is_unknown() {
            return Some(Self::UNKNOWN);
        }
        if *self == Self::DYNAMIC || *other == Self::DYNAMIC {
            return Some(Self::DYNAMIC);
        }
        if conversion >= Conversion::Widen
            && let (Self::Scalar(a), Self::Scalar(b)) = (self, other)
        {
            if is_wider(*b, *a) {
                return Some(other.clone());
            }
            if is_wider(*a, *b) {
                return Some(self.clone());
            }
        }
        self.common_dynamic(other, conversion)
    }

    fn common_dynamic(&self, other: &Self, conversion: Conversion) -> Option<Self> {
        match (self, other) {
            (Self::Array(_), Self::Array(_)) => Some(Self::array(&Self::DYNAMIC)),
            (Self::Bag(_), Self::Bag(_)) => Some(Self::bag()),
            (Self::Holding(a), Self::Holding(b) | Self::Scalar(b)) | (Self::Scalar(a), Self::Holding(b)) => {
                let both = Self::Scalar(*a).common(&Self::Scalar(*b), conversion);
                Some(both.map_or(Self::DYNAMIC, |shape| shape.in_dynamic()))
            }
            (a, b) if a.is_dynamic() && b.is_dynamic() => Some(Self::DYNAMIC),
            _ => (conversion >= Conversion::ToDynamic).then_some(Self::DYNAMIC),
        }
    }

    /// Returns the name for messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Scalar(ty) => ty.name(),
            Self::Array(_) => "dynamic (array)",
            Self::Bag(_) => "dynamic (bag)",
            Self::Holding(_) => "dynamic",
            Self::Null => "null",
            Self::TypeName(_) => "type",
        }
    }
}

impl From<ScalarType> for Shape {
    fn from(ty: ScalarType) -> Self {
        Self::Scalar(ty)
    }
}

/// Whether `wide` holds every value of `narrow`. A string holds a dynamic: `tostring` is implied.
const fn is_wider(wide: ScalarType, narrow: ScalarType) -> bool {
    match wide {
        ScalarType::Long => matches!(narrow, ScalarType::Int),
        ScalarType::Real => matches!(narrow, ScalarType::Int | ScalarType::Long),
        ScalarType::Decimal => matches!(narrow, ScalarType::Int | ScalarType::Long | ScalarType::Real),
        ScalarType::String => matches!(narrow, ScalarType::Dynamic),
        _ => false,
    }
}

fn widens(source: ScalarType, target: ScalarType, conversion: Conversion) -> bool {
    if source == target {
        return true;
    }
    match conversion {
        Conversion::Exact | Conversion::ToDynamic => false,
        Conversion::Widen => is_wider(target, source),
        Conversion::Narrow => is_wider(target, source) || is_wider(source, target),
    }
}

/// Returns the widest of the numeric types, `int` made `long`; nothing if none is numeric or one of
/// the types is not known.
pub fn widest<'a>(shapes: impl IntoIterator<Item = &'a Shape>) -> Option<ScalarType> {
    let mut widest: Option<ScalarType> = None;
    for shape in shapes {
        if shape.is_unknown() {
            return None;
        }
        if let Shape::Scalar(ty) = shape
            && ty.is_numeric()
            && widest.is_none_or(|current| is_wider(*ty, current))
        {
            widest = Some(*ty);
        }
    }
    widest.map(promote)
}

/// Makes `int` a `long`, as aggregates and arithmetic do.
pub const fn promote(ty: ScalarType) -> ScalarType {
    match ty {
        ScalarType::Int => ScalarType::Long,
        other => other,
    }
}
