//! A tenant of any size, written out: the story, and around it as many quiet rows as are wanted.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Story;
use super::bulk::Bulk;
use super::cast::Cast;
use crate::sim::SimError;
use crate::sim::seed::{SimData, shown_at};

/// Name of the file with machines, users, incidents and alerts.
pub const TENANT_FILE: &str = "tenant.json";

/// Ending of the files with the rows of tables: one JSON object a line.
pub const TABLE_EXTENSION: &str = "ndjson";

/// Every how many rows progress is told.
const TOLD_EVERY: u64 = 10_000;

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub struct Generate {
    /// The present of the tenant.
    pub now: Timestamp,
    /// Rows of all tables together. The story is whole even if it has more.
    pub rows: u64,
    /// The same seed gives the same rows.
    pub seed: u64,
    /// Over how long a time the rows are spread.
    pub span: SignedDuration,
}

/// Why a tenant was not written.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The shipped story is damaged.
    #[error("telling the story")]
    Story(#[from] SimError),
    /// A file did not take its lines.
    #[error("writing `{name}`")]
    Write {
        /// The file.
        name: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// What a tenant holds besides tables, and when that is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The present of the tenant.
    pub now: Timestamp,
    /// What it holds.
    pub data: SimData,
}

/// Makes a file, by its name.
pub type Create<'a> = dyn FnMut(&str) -> io::Result<Box<dyn Write>> + 'a;

impl Generate {
    /// Writes a tenant into files that `create` makes, and returns how many rows each table has.
    /// `progress` hears how many rows there are so far.
    ///
    /// # Errors
    ///
    /// [`GenerateError`]; files may be there in part then.
    pub fn write(
        &self,
        create: &mut Create<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<BTreeMap<String, u64>, GenerateError> {
        let story = Story::contoso(self.now)?;
        let mut files = Files { create, open: BTreeMap::new() };
        for (table, rows) in story.library.filled() {
            let file = files.of(table)?;
            file.rows += rows as u64;
            story.library.write_lines(table, &mut file.lines).map_err(|source| failed(table, source))?;
        }
        let mut total: u64 = story.library.sizes().map(|(_, rows)| rows as u64).sum();
        let cast = Cast::new(&story.data, self.now);
        let bulk = Bulk::new(&cast, &story.library, (self.seed, self.rows.saturating_sub(total), self.span));
        for (table, row) in bulk {
            let file = files.of(table)?;
            file.rows += 1;
            let written = serde_json::to_writer(&mut file.lines, &row).map_err(io::Error::from);
            written.and_then(|()| file.lines.write_all(b"\n")).map_err(|source| failed(table, source))?;
            total += 1;
            if total.is_multiple_of(TOLD_EVERY) {
                progress(total);
            }
        }
        progress(total);
        self.tenant(&story.data, files.create)?;
        files.close()
    }

    /// Writes what is not in tables, with its times made absolute.
    fn tenant(&self, data: &SimData, create: &mut Create<'_>) -> Result<(), GenerateError> {
        fn at<T: Serialize>(items: &[T], now: Timestamp) -> Result<Vec<Map<String, Value>>, SimError> {
            items.iter().map(|item| shown_at(item, now)).collect()
        }
        let data = serde_json::json!({
            "machines": at(&data.machines, self.now)?,
            "users": at(&data.users, self.now)?,
            "incidents": at(&data.incidents, self.now)?,
            "alerts": at(&data.alerts, self.now)?,
        });
        let snapshot = serde_json::json!({"now": self.now, "data": data});
        let mut write = || {
            let mut file = create(TENANT_FILE)?;
            serde_json::to_writer_pretty(&mut file, &snapshot)?;
            file.write_all(b"\n")?;
            file.flush()
        };
        write().map_err(|source| failed(TENANT_FILE, source))
    }
}

fn failed(name: &str, source: io::Error) -> GenerateError {
    GenerateError::Write { name: name.to_owned(), source }
}

/// The files of tables, opened when their first row comes.
struct Files<'a, 'c> {
    create: &'a mut Create<'c>,
    open: BTreeMap<String, File>,
}

struct File {
    lines: BufWriter<Box<dyn Write>>,
    rows: u64,
}

impl Files<'_, '_> {
    fn of(&mut self, table: &str) -> Result<&mut File, GenerateError> {
        if !self.open.contains_key(table) {
            let file = (self.create)(&format!("{table}.{TABLE_EXTENSION}"))
                .map_err(|source| failed(table, source))?;
            self.open.insert(table.to_owned(), File { lines: BufWriter::new(file), rows: 0 });
        }
        self.open.get_mut(table).ok_or_else(|| failed(table, io::ErrorKind::NotFound.into()))
    }

    fn close(self) -> Result<BTreeMap<String, u64>, GenerateError> {
        let mut sizes = BTreeMap::new();
        for (table, mut file) in self.open {
            file.lines.flush().map_err(|source| failed(&table, source))?;
            sizes.insert(table, file.rows);
        }
        Ok(sizes)
    }
}
