//! The shape around the rows: keys of the answer, the array of rows, the end.
//!
//! A state machine over bytes, so that a chunk may end anywhere. Rows are read where they lie in the
//! chunk; only the one that a chunk's end cuts is copied.

use serde_json::Value;

use super::row::RowReader;
use super::scan::Scanner;
use super::schema::{columns, field};
use super::value::{Miss, skip_space, text};
use super::{Answer, DecodeError, Flow, Limits, Quarantined, RowError, SAMPLE_BYTES_MAX, SAMPLES_MAX, shown};
use crate::model::{CellRef, RowView, Wanted};

/// Most bytes of the schema or of an error. The schema of the widest table is about 20 kB.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// The keys of an answer that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Results,
    Schema,
    Error,
    /// Anything else: skipped.
    Other,
}

/// What comes next.
#[derive(Debug)]
enum State {
    /// The `{` of the answer.
    Start,
    /// A key; the flag says whether `}` may come instead.
    KeyOrEnd,
    /// A key, after a comma.
    Key,
    /// The rest of a key.
    InKey(Scanner),
    /// The `:` after a key.
    Colon(Key),
    /// The value of a key.
    Value(Key),
    /// The rest of a value that is kept.
    InKept(Key, Scanner),
    /// The rest of a value nobody needs.
    InSkipped(Scanner),
    /// `,` or `}` after a value.
    AfterValue,
    /// The first row or `]`.
    FirstRow,
    /// A row, after a comma.
    NextRow,
    /// `,` or `]` after a row.
    AfterRow,
    /// The rest of a row of which `held` has the beginning.
    InRow(Scanner),
    /// The rest of a row that cannot be read.
    InBadRow(Scanner, RowError),
    /// White space.
    End,
}

/// What is handed each row.
type OnRow<'f> = dyn FnMut(&RowView<'_>) -> Flow + 'f;

/// A streaming decoder of one hunting answer.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    reader: RowReader,
    state: State,
    /// The beginning of what a chunk's end cut: a key, a kept value or a row.
    held: Vec<u8>,
    /// Offset in the body of the chunk's first byte.
    base: u64,
    /// Offset in the body of the row that is being read.
    row_offset: u64,
    has_results: bool,
    answer: Answer,
}

impl Decoder {
    /// A decoder for the answer to one query.
    #[must_use]
    pub fn new(wanted: Wanted, limits: Limits) -> Self {
        Self {
            limits,
            reader: RowReader::new(wanted, limits.depth_max.saturating_sub(1)),
            state: State::Start,
            held: Vec::new(),
            base: 0,
            row_offset: 0,
            has_results: false,
            answer: Answer::default(),
        }
    }

    /// Reads the next chunk and hands out every row that is complete.
    ///
    /// Returns [`Flow::Stop`] once the receiver has stopped it; what is fed after that is not read.
    /// With [`Wanted::All`] the projection of a row may be wider than that of the row before.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`] but `Truncated` and `NoResults`. Rows delivered before it were sound. After an
    /// error the decoder must not be fed again.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        on_row: &mut dyn FnMut(&RowView<'_>) -> Flow,
    ) -> Result<Flow, DecodeError> {
        if self.answer.stopped {
            return Ok(Flow::Stop);
        }
        self.base = self.answer.bytes;
        self.answer.bytes += chunk.len() as u64;
        if self.answer.bytes > self.limits.bytes_max {
            return Err(DecodeError::BytesMax { bytes_max: self.limits.bytes_max });
        }
        let mut cells = Vec::new();
        let mut at = 0;
        while at < chunk.len() {
            at = self.step(chunk, at, &mut cells, on_row)?;
            if self.answer.stopped {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    /// Says what the answer was, after the last chunk.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] if the body ended before the answer, [`DecodeError::NoResults`] if it
    /// was none.
    pub fn finish(mut self) -> Result<Answer, DecodeError> {
        if !self.answer.stopped {
            if !matches!(self.state, State::End) {
                return Err(DecodeError::Truncated { bytes: self.answer.bytes, rows: self.answer.rows });
            }
            if !self.has_results {
                return Err(DecodeError::NoResults);
            }
        }
        self.answer.truncated |= self.answer.rows + self.answer.quarantined >= self.limits.rows_max;
        Ok(self.answer)
    }

    /// Goes on from `at`; returns the index reached. Either that is further on, or the state changes.
    fn step<'a>(
        &mut self,
        chunk: &'a [u8],
        at: usize,
        cells: &mut Vec<CellRef<'a>>,
        on_row: &mut OnRow<'_>,
    ) -> Result<usize, DecodeError> {
        match self.state {
            State::InKey(_) | State::InKept(..) | State::InSkipped(_) => self.go_on(chunk, at),
            State::InRow(_) => Ok(self.finish_row(chunk, at, on_row)),
            State::InBadRow(scanner, reason) => Ok(self.skip_bad_row(scanner, reason, chunk, at)),
            State::FirstRow | State::NextRow => {
                let at = skip_space(chunk, at);
                match (chunk.get(at), &self.state) {
                    (None, _) => Ok(at),
                    (Some(b']'), State::FirstRow) => Ok(self.enter(State::AfterValue, at + 1)),
                    (Some(b'{'), _) => Ok(self.row(chunk, at, cells, on_row)),
                    (Some(b'}' | b']' | b',' | b':'), _) => Err(self.syntax(at)),
                    (Some(_), _) => Ok(self.bad_row(RowError::NotAnObject, chunk, at)),
                }
            }
            _ => {
                let at = skip_space(chunk, at);
                match chunk.get(at) {
                    None => Ok(at),
                    Some(byte) => self.token(*byte, at),
                }
            }
        }
    }

    /// Takes a byte that stands between values.
    fn token(&mut self, byte: u8, at: usize) -> Result<usize, DecodeError> {
        let next = match (&self.state, byte) {
            (State::Start, b'{') => State::KeyOrEnd,
            // Keys and values of the head are read by a scan that starts on their first byte.
            (State::KeyOrEnd | State::Key, b'"') => return Ok(self.enter(State::InKey(Scanner::new()), at)),
            (State::KeyOrEnd | State::AfterValue, b'}') => State::End,
            (State::Colon(key), b':') => State::Value(*key),
            (State::Value(Key::Results), b'[') if !self.has_results => {
                self.has_results = true;
                State::FirstRow
            }
            (State::Value(_), b',' | b':' | b'}' | b']') => return Err(self.syntax(at)),
            (State::Value(Key::Results), _) => return Err(self.syntax(at)),
            (State::Value(Key::Other), _) => return Ok(self.enter(State::InSkipped(Scanner::new()), at)),
            (State::Value(key), _) => return Ok(self.enter(State::InKept(*key, Scanner::new()), at)),
            (State::AfterValue, b',') => State::Key,
            (State::AfterRow, b',') => State::NextRow,
            (State::AfterRow, b']') => State::AfterValue,
            _ => return Err(self.syntax(at)),
        };
        Ok(self.enter(next, at + 1))
    }

    fn enter(&mut self, state: State, at: usize) -> usize {
        self.state = state;
        at
    }

    fn syntax(&self, at: usize) -> DecodeError {
        DecodeError::Syntax { offset: self.base + at as u64 }
    }

    /// Goes on with a key or a value of the head.
    fn go_on(&mut self, chunk: &[u8], at: usize) -> Result<usize, DecodeError> {
        let rest = chunk.get(at..).unwrap_or_default();
        let (scanner, kept) = match &mut self.state {
            State::InKey(scanner) | State::InKept(_, scanner) => (scanner, true),
            State::InSkipped(scanner) => (scanner, false),
            _ => return Err(self.syntax(at)),
        };
        let end = scanner.scan(rest);
        let used = end.unwrap_or(rest.len());
        if kept {
            self.held.extend_from_slice(rest.get(..used).unwrap_or_default());
            if self.held.len() > HEAD_BYTES_MAX {
                return Err(DecodeError::HeadMax { head_bytes_max: HEAD_BYTES_MAX });
            }
        }
        if end.is_some() {
            self.state = self.whole(at + used)?;
            self.held.clear();
        }
        Ok(at + used)
    }

    /// Understands a key or a kept value, which `held` has in full; returns the next state.
    fn whole(&mut self, at: usize) -> Result<State, DecodeError> {
        let State::InKey(_) = self.state else {
            if let State::InKept(key, _) = self.state {
                let value = serde_json::from_slice(&self.held).map_err(|_error| self.syntax(at))?;
                self.keep(key, &value)?;
            }
            return Ok(State::AfterValue);
        };
        let (name, _) = text(&self.held, 0).map_err(|_error| self.syntax(at))?;
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        let key = match () {
            () if is("results") => Key::Results,
            () if is("schema") => Key::Schema,
            () if is("error") => Key::Error,
            () => Key::Other,
        };
        Ok(State::Colon(key))
    }

    /// Takes note of the schema, or fails with the error the service reports.
    fn keep(&mut self, key: Key, value: &Value) -> Result<(), DecodeError> {
        match key {
            Key::Schema => {
                self.answer.columns = columns(value);
                self.reader.learn(&self.answer.columns);
                Ok(())
            }
            Key::Error if !value.is_null() => {
                let part = |name| {
                    field(value, name)
                        .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
                };
                let shown = |part: Option<String>| shown(part.unwrap_or_default().as_bytes());
                Err(DecodeError::Service { code: shown(part("code")), message: shown(part("message")) })
            }
            Key::Error | Key::Results | Key::Other => Ok(()),
        }
    }

    /// Reads the row at `at` where it lies.
    fn row<'a>(
        &mut self,
        chunk: &'a [u8],
        at: usize,
        cells: &mut Vec<CellRef<'a>>,
        on_row: &mut OnRow<'_>,
    ) -> usize {
        match self.reader.read(chunk, at, cells) {
            Ok(end) if end - at <= self.limits.row_bytes_max => {
                self.deliver(cells, on_row);
                self.enter(State::AfterRow, end)
            }
            Ok(_) => self.bad_row(RowError::TooLong, chunk, at),
            Err(Miss::Bad(reason)) => self.bad_row(reason, chunk, at),
            Err(Miss::Incomplete) => {
                let rest = chunk.get(at..).unwrap_or_default();
                let mut scanner = Scanner::new();
                if scanner.scan(rest).is_some() || rest.len() > self.limits.row_bytes_max {
                    let reason = if rest.len() > self.limits.row_bytes_max {
                        RowError::TooLong
                    } else {
                        RowError::Syntax
                    };
                    return self.bad_row(reason, chunk, at);
                }
                self.row_offset = self.base + at as u64;
                self.held.extend_from_slice(rest);
                self.enter(State::InRow(scanner), chunk.len())
            }
        }
    }

    /// Goes on with a row of which `held` has the beginning.
    fn finish_row(&mut self, chunk: &[u8], at: usize, on_row: &mut OnRow<'_>) -> usize {
        let State::InRow(scanner) = &mut self.state else { return at };
        let rest = chunk.get(at..).unwrap_or_default();
        let end = scanner.scan(rest);
        let scanner = *scanner;
        let used = end.unwrap_or(rest.len());
        let mut row = std::mem::take(&mut self.held);
        row.extend_from_slice(rest.get(..used).unwrap_or_default());
        if row.len() > self.limits.row_bytes_max {
            row.truncate(SAMPLE_BYTES_MAX);
            self.state = State::InBadRow(scanner, RowError::TooLong);
            if end.is_some() {
                self.quarantine(RowError::TooLong, &row);
            } else {
                self.held = row;
            }
            return at + used;
        }
        if end.is_none() {
            self.held = row;
            return at + used;
        }
        let mut cells = Vec::new();
        match self.reader.read(&row, 0, &mut cells) {
            Ok(_) => {
                self.deliver(&cells, on_row);
                self.state = State::AfterRow;
            }
            Err(Miss::Bad(reason)) => self.quarantine(reason, &row),
            Err(Miss::Incomplete) => self.quarantine(RowError::Syntax, &row),
        }
        drop(cells);
        row.clear();
        self.held = row;
        at + used
    }

    /// Sets the row at `at` aside, as far as this chunk has it.
    fn bad_row(&mut self, reason: RowError, chunk: &[u8], at: usize) -> usize {
        self.row_offset = self.base + at as u64;
        self.skip_bad_row(Scanner::new(), reason, chunk, at)
    }

    /// Goes on past a row that cannot be read, by its brackets outside strings.
    fn skip_bad_row(&mut self, mut scanner: Scanner, reason: RowError, chunk: &[u8], at: usize) -> usize {
        let rest = chunk.get(at..).unwrap_or_default();
        let end = scanner.scan(rest);
        let used = end.unwrap_or(rest.len());
        let shown = used.min(SAMPLE_BYTES_MAX.saturating_sub(self.held.len()));
        self.held.extend_from_slice(rest.get(..shown).unwrap_or_default());
        if end.is_some() {
            let mut sample = std::mem::take(&mut self.held);
            self.quarantine(reason, &sample);
            sample.clear();
            self.held = sample;
        } else {
            self.state = State::InBadRow(scanner, reason);
        }
        at + used
    }

    /// Counts a row that cannot be read.
    fn quarantine(&mut self, reason: RowError, sample: &[u8]) {
        self.answer.quarantined += 1;
        if self.answer.samples.len() < SAMPLES_MAX {
            self.answer.samples.push(Quarantined { offset: self.row_offset, reason, sample: shown(sample) });
        }
        self.state = State::AfterRow;
    }

    /// Hands out a row, unless the limit is reached.
    fn deliver(&mut self, cells: &[CellRef<'_>], on_row: &mut OnRow<'_>) {
        if self.answer.rows + self.answer.quarantined >= self.limits.rows_max {
            self.answer.truncated = true;
            return;
        }
        self.answer.rows += 1;
        let view = RowView { projection: self.reader.projection(), cells };
        self.answer.stopped = on_row(&view) == Flow::Stop;
    }
}
