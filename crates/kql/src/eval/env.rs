//! What a query may know and use besides the tables.

use super::Table;
use crate::types::Schema;
use crate::value::{Batch, Datetime, Dynamic, Value};

/// The tables of a database.
pub trait Tables {
    /// Returns the rows of a table with the columns of `schema`, in that order. Columns the table
    /// does not have are null. `None` if there is no such table; a query that names it does not run then,
    /// and for one whose pattern fits it (`union Device*`, `search`) it is empty. Only tables in
    /// [`crate::bind::Reads`] are asked for.
    fn scan(&self, name: &str, schema: &Schema) -> Option<Batch>;

    /// Returns when the rows of a table arrived, for `ingestion_time()`: a column as long as the
    /// table, or nothing if it is not known.
    fn ingestion_times(&self, name: &str) -> Option<crate::value::Cells> {
        let _: &str = name;
        None
    }
}

/// No tables; for queries that bring their own rows.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTables;

impl Tables for NoTables {
    fn scan(&self, _name: &str, _schema: &Schema) -> Option<Batch> {
        None
    }
}

/// Answers of the outside world, prepared beforehand.
pub trait Fixtures {
    /// Returns the text of a document that `externaldata` reads.
    fn document(&self, uri: &str) -> Option<String> {
        let _: &str = uri;
        None
    }

    /// Returns the rows of a function of the service, such as `FileProfile` or a watchlist, for
    /// the arguments of one call.
    fn function(&self, name: &str, args: &[Value]) -> Option<Table> {
        let _: (&str, &[Value]) = (name, args);
        None
    }

    /// Whether places of addresses are known at all; without, functions that need them fail.
    fn knows_places(&self) -> bool {
        false
    }

    /// Returns what is known about the place of an address: a bag as
    /// `geo_info_from_ip_address()` gives it.
    fn ip_location(&self, address: &str) -> Option<Dynamic> {
        let _: &str = address;
        None
    }
}

/// Nothing is prepared.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFixtures;

impl Fixtures for NoFixtures {}

/// What a query may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows of a result. The service gives up to 100 000 rows to hunting queries.
    pub result_rows: u64,
    /// Bytes of a result. The service gives up to 64 MB.
    pub result_bytes: u64,
    /// Rows of a table on the way, after joins and expansions.
    pub rows: u64,
    /// Bytes that the rows of one operator may keep.
    pub memory: u64,
    /// Steps of work: about one for each row and function.
    pub steps: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            result_rows: 500_000,
            result_bytes: 64 << 20,
            rows: 20_000_000,
            memory: 4 << 30,
            steps: 20_000_000_000,
        }
    }
}

/// The world around a query.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// What `now()` gives.
    pub now: Datetime,
    /// Where `rand()` and `new_guid()` begin.
    pub seed: u64,
    /// What may be used up.
    pub limits: Limits,
    /// Asked now and then; the query ends if it says that time is up.
    pub deadline: Option<&'a dyn Fn() -> bool>,
    /// Prepared answers.
    pub fixtures: &'a dyn Fixtures,
}

impl Env<'_> {
    /// Creates a world without fixtures or deadline.
    pub const fn at(now: Datetime) -> Self {
        Self {
            now,
            seed: 0,
            limits: Limits {
                result_rows: 500_000,
                result_bytes: 64 << 20,
                rows: 20_000_000,
                memory: 4 << 30,
                steps: 20_000_000_000,
            },
            deadline: None,
            fixtures: &NoFixtures,
        }
    }
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Env")
            .field("now", &self.now)
            .field("seed", &self.seed)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
