//! Reads one row in place.
//!
//! Rows of an answer carry the same keys in the same order nearly always, so the reader remembers the
//! bytes of each key of the rows before and what it did with it; a remembered key costs one comparison.

use std::sync::Arc;

use super::RowError;
use super::schema::{Column, ColumnKind};
use super::value::{self, Miss, skip_space};
use crate::model::{CellRef, Projection, Wanted};

/// Most keys remembered, and most columns when all are wanted. The widest table of the hunting schema
/// has well under 200 columns; four times that leaves room for joins.
const COLUMNS_MAX: usize = 800;

/// What to do with the value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Nobody wants it.
    Skip,
    /// It is this column, spelled as wanted.
    Exact(usize),
    /// It is this column in another case: taken unless the exact spelling comes too.
    Folded(usize),
}

/// What a row has said about a column so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Seen {
    /// Nothing.
    #[default]
    Absent,
    /// One value in another spelling.
    Folded,
    /// Several values in other spellings, none exact.
    Ambiguous,
    /// One value in the exact spelling.
    Exact,
}

/// A key met before.
#[derive(Debug)]
struct Known {
    /// Its bytes with quotes.
    raw: Box<[u8]>,
    purpose: Use,
}

/// Reads rows for one projection.
#[derive(Debug)]
pub(super) struct RowReader {
    projection: Arc<Projection>,
    all: bool,
    /// Columns that hold truth values as 0 and 1.
    truth: Vec<bool>,
    known: Vec<Known>,
    seen: Vec<Seen>,
    depth_max: usize,
}

impl RowReader {
    /// A reader that has seen nothing yet.
    pub(super) fn new(wanted: Wanted, depth_max: usize) -> Self {
        let (projection, all) = match wanted {
            Wanted::All => (Arc::default(), true),
            Wanted::Only(projection) => (projection, false),
        };
        let width = projection.len();
        let (truth, seen) = (vec![false; width], vec![Seen::Absent; width]);
        Self { projection, all, truth, known: Vec::new(), seen, depth_max }
    }

    /// The columns the cells stand for.
    pub(super) const fn projection(&self) -> &Arc<Projection> {
        &self.projection
    }

    /// Takes note of the schema, if it comes before the rows.
    pub(super) fn learn(&mut self, columns: &[Column]) {
        if self.all && self.projection.is_empty() {
            let names = columns.iter().take(COLUMNS_MAX).map(|column| column.name.as_str());
            self.widen(Projection::new(names));
        }
        let find = |name: &str| {
            let exact = columns.iter().find(|column| column.name == name);
            exact.or_else(|| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
        };
        let truth = |name| find(name).is_some_and(|column| column.kind == ColumnKind::Bool);
        self.truth = self.projection.names().map(truth).collect();
    }

    fn widen(&mut self, projection: Projection) {
        self.truth.resize(projection.len(), false);
        self.seen.resize(projection.len(), Seen::Absent);
        self.projection = Arc::new(projection);
    }

    /// Reads the row whose `{` is at `start`; returns the index after its `}`.
    ///
    /// `cells` gets one value for each column of [`Self::projection`].
    pub(super) fn read<'a>(
        &mut self,
        bytes: &'a [u8],
        start: usize,
        cells: &mut Vec<CellRef<'a>>,
    ) -> Result<usize, Miss> {
        cells.clear();
        cells.resize(self.projection.len(), CellRef::Null);
        self.seen.fill(Seen::Absent);
        let mut at = skip_space(bytes, start + 1);
        if bytes.get(at) == Some(&b'}') {
            return Ok(at + 1);
        }
        let mut turn = 0;
        loop {
            let (purpose, end) = self.key(bytes, at, &mut turn)?;
            at = skip_space(bytes, end);
            expect(bytes, at, b':')?;
            at = skip_space(bytes, at + 1);
            at = match purpose {
                Use::Skip => value::skip(bytes, at)?,
                Use::Exact(column) | Use::Folded(column) => self.cell(bytes, at, (purpose, column), cells)?,
            };
            at = skip_space(bytes, at);
            match bytes.get(at) {
                Some(b',') => at = skip_space(bytes, at + 1),
                Some(b'}') => break,
                Some(_) => return Err(RowError::Syntax.into()),
                None => return Err(Miss::Incomplete),
            }
        }
        if self.seen.contains(&Seen::Ambiguous) { Err(RowError::DuplicateColumn.into()) } else { Ok(at + 1) }
    }

    /// Reads the key at `at`; `turn` is where in the remembered order it is expected.
    fn key(&mut self, bytes: &[u8], at: usize, turn: &mut usize) -> Result<(Use, usize), Miss> {
        let rest = bytes.get(at..).unwrap_or_default();
        let ahead = self.known.get(*turn..).unwrap_or_default();
        if let Some(found) = ahead.iter().position(|known| rest.starts_with(&known.raw)) {
            // Keys that were passed over are absent from this row.
            let known = ahead.get(found).map_or((Use::Skip, 0), |known| (known.purpose, known.raw.len()));
            *turn += found + 1;
            return Ok((known.0, at + known.1));
        }
        expect(bytes, at, b'"')?;
        let (name, end) = value::text(bytes, at)?;
        let purpose = self.purpose(&name)?;
        let raw = bytes.get(at..end).unwrap_or_default();
        let place = self.known.iter().position(|known| *known.raw == *raw);
        match place {
            Some(place) => *turn = place + 1,
            None if self.known.len() < COLUMNS_MAX => {
                // Where it came now it will come again.
                let place = (*turn).min(self.known.len());
                self.known.insert(place, Known { raw: raw.into(), purpose });
                *turn = place + 1;
            }
            None => {}
        }
        Ok((purpose, end))
    }

    /// Decides what a key is for.
    fn purpose(&mut self, name: &str) -> Result<Use, Miss> {
        if let Some(column) = self.projection.index(name) {
            return Ok(Use::Exact(column));
        }
        if self.all {
            // Annotations of the protocol are no columns.
            if name.contains("@odata.") {
                return Ok(Use::Skip);
            }
            if self.projection.len() >= COLUMNS_MAX {
                return Err(RowError::TooManyColumns.into());
            }
            self.widen(Projection::new(self.projection.names().chain([name])));
            return Ok(Use::Exact(self.projection.len() - 1));
        }
        let folded = self.projection.names().position(|wanted| wanted.eq_ignore_ascii_case(name));
        Ok(folded.map_or(Use::Skip, Use::Folded))
    }

    /// Reads a value to where it belongs, or refuses a column that comes twice.
    fn cell<'a>(
        &mut self,
        bytes: &'a [u8],
        at: usize,
        (purpose, column): (Use, usize),
        cells: &mut Vec<CellRef<'a>>,
    ) -> Result<usize, Miss> {
        if cells.len() <= column {
            cells.resize(column + 1, CellRef::Null);
        }
        let (Some(seen), Some(cell)) = (self.seen.get_mut(column), cells.get_mut(column)) else {
            return value::skip(bytes, at);
        };
        *seen = match (purpose, *seen) {
            (Use::Exact(_), Seen::Exact) => return Err(RowError::DuplicateColumn.into()),
            (Use::Exact(_), _) => Seen::Exact,
            (_, Seen::Exact) => return value::skip(bytes, at),
            (_, Seen::Absent) => Seen::Folded,
            (_, Seen::Folded | Seen::Ambiguous) => Seen::Ambiguous,
        };
        let end = value::read(bytes, at, self.depth_max, cell)?;
        if self.truth.get(column) == Some(&true) {
            match cell {
                CellRef::Int(0) => *cell = CellRef::Bool(false),
                CellRef::Int(1) => *cell = CellRef::Bool(true),
                _ => {}
            }
        }
        Ok(end)
    }
}

/// Checks one byte of punctuation.
fn expect(bytes: &[u8], at: usize, wanted: u8) -> Result<(), Miss> {
    match bytes.get(at) {
        Some(byte) if *byte == wanted => Ok(()),
        Some(_) => Err(RowError::Syntax.into()),
        None => Err(Miss::Incomplete),
    }
}
