//! Which tables and functions a query can name: those of the service, and those a user adds.
//!
//! The service's facts are `data/defender.json`, made from public reference pages. They lag the
//! service; whoever knows better adds tables ([`Database::add_table`]) or reads a newer file
//! ([`Database::from_json`]).

mod file;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::types::{Column, Schema};

static DEFENDER: LazyLock<Database> =
    LazyLock::new(|| Database::from_json(include_str!("../../data/defender.json")).unwrap_or_default());

/// A file of facts that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// It is not the JSON that is expected.
    #[error("the schema is not what it should be")]
    Json(#[source] serde_json::Error),
    /// It has a format this version does not know.
    #[error("the schema has format {found}, and only format 1 is known")]
    Format {
        /// What the file says.
        found: u64,
    },
    /// A column has a type that does not exist.
    #[error("column `{column}` of `{table}` has the unknown type `{ty}`")]
    Type {
        /// Table or function.
        table: String,
        /// Column.
        column: String,
        /// Type as written.
        ty: String,
    },
}

/// The tables and functions that queries can name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Database {
    order: Vec<String>,
    tables: BTreeMap<String, Arc<Schema>>,
    aliases: BTreeMap<String, String>,
    services: BTreeMap<String, Arc<ServiceFunction>>,
    functions: BTreeMap<String, Arc<str>>,
    watchlists: BTreeMap<String, Arc<Schema>>,
    elsewhere: BTreeMap<String, String>,
    replaced: BTreeMap<String, String>,
    columns: BTreeMap<String, String>,
}

/// A function that only the service can compute.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceFunction {
    /// Name.
    pub name: String,
    /// Whether it adds columns to each row (`invoke`), or gives a table.
    pub gives: Gives,
    /// Parameters after the implied rows.
    pub parameters: Vec<ServiceParameter>,
    /// Columns of the answer.
    pub columns: Vec<Column>,
}

/// What a service function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// Further columns for each row.
    Enrichment,
    /// A table.
    Table,
}

/// A parameter of a service function.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceParameter {
    /// Name and type.
    pub column: Column,
    /// What is taken if the query gives nothing: a column's name, or a value; nothing if the query
    /// has to give it.
    pub default: Option<String>,
}

/// A table under the name the service knows it by.
#[derive(Debug, Clone)]
pub struct Table<'a> {
    /// Current name.
    pub name: &'a str,
    /// Columns.
    pub schema: &'a Arc<Schema>,
}

impl Database {
    /// Returns what Microsoft Defender XDR offers.
    pub fn defender() -> &'static Self {
        &DEFENDER
    }

    /// Reads a database from a file of facts.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] says what is wrong with the text.
    pub fn from_json(text: &str) -> Result<Self, SchemaError> {
        let mut database = Self::default();
        database.add_json(text)?;
        Ok(database)
    }

    /// Adds the facts of a file: tables (in place of those of the same name, or with `"extends": true` on
    /// top of their columns), former names, functions, watchlists.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] says what is wrong with the text; nothing of it is added then.
    pub fn add_json(&mut self, text: &str) -> Result<(), SchemaError> {
        file::add(self, text)
    }

    /// Writes the database as a file of facts, which [`Self::from_json`] reads.
    ///
    /// # Errors
    ///
    /// [`SchemaError::Json`]; not for any database that could be made.
    pub fn to_json(&self) -> Result<String, SchemaError> {
        file::write(self)
    }

    /// Adds a table, or replaces the one of that name.
    pub fn add_table(&mut self, name: impl Into<String>, schema: Schema) {
        let name = name.into();
        if self.tables.insert(name.clone(), Arc::new(schema)).is_none() {
            self.order.push(name);
        }
    }

    /// Adds columns to a table, which may be known already or not; a column of the same name gets the type
    /// given here.
    pub fn extend_table(&mut self, name: &str, columns: Vec<Column>) {
        let mut schema = self.table(name).map(|table| Schema::clone(table.schema)).unwrap_or_default();
        for column in columns {
            match schema.columns.iter_mut().find(|known| known.name == column.name) {
                Some(known) => known.ty = column.ty,
                None => schema.columns.push(column),
            }
        }
        let name = self.table(name).map_or(name, |table| table.name).to_owned();
        self.add_table(name, schema);
    }

    /// Adds a stored function; `text` is what would stand behind `let name =`.
    pub fn add_function(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) {
        self.functions.insert(name.into(), text.into());
    }

    /// Adds a watchlist, which `_GetWatchlist("name")` gives.
    pub fn add_watchlist(&mut self, name: impl Into<String>, schema: Schema) {
        self.watchlists.insert(name.into(), Arc::new(schema));
    }

    /// Finds a table by its current or former name.
    pub fn table(&self, name: &str) -> Option<Table<'_>> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.tables.get_key_value(name).map(|(name, schema)| Table { name, schema })
    }

    /// Returns all tables in the order of the file, those a user added last. Former names are not
    /// among them.
    pub fn tables(&self) -> impl Iterator<Item = Table<'_>> {
        self.order.iter().filter_map(|name| self.table(name))
    }

    /// Returns the names by which tables can be called, former ones included; sorted.
    pub fn table_names(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().chain(self.aliases.keys()).map(String::as_str)
    }

    /// Finds a function of the service.
    pub fn service(&self, name: &str) -> Option<&Arc<ServiceFunction>> {
        self.services.get(name)
    }

    /// Finds the text of a stored function.
    pub fn function(&self, name: &str) -> Option<&Arc<str>> {
        self.functions.get(name)
    }

    /// Returns the names of all functions that are not part of the language; sorted.
    pub fn function_names(&self) -> impl Iterator<Item = &str> {
        self.services.keys().chain(self.functions.keys()).map(String::as_str)
    }

    /// Finds a watchlist.
    pub fn watchlist(&self, name: &str) -> Option<&Arc<Schema>> {
        self.watchlists.get(name)
    }

    /// The names of the watchlists.
    pub fn watchlists(&self) -> impl Iterator<Item = &str> {
        self.watchlists.keys().map(String::as_str)
    }

    /// Whether any watchlist is known; if not, `_GetWatchlist` is an unknown function.
    pub fn has_watchlists(&self) -> bool {
        !self.watchlists.is_empty()
    }

    /// Finds the product that has a table which is not here.
    pub fn elsewhere(&self, table: &str) -> Option<&str> {
        self.elsewhere.get(table).map(String::as_str)
    }

    /// Finds what took the place of a table that is gone.
    pub fn replacement(&self, table: &str) -> Option<&str> {
        self.replaced.get(table).map(String::as_str)
    }

    /// Finds the name that a column known elsewhere under `column` has here.
    pub fn usual_column(&self, column: &str) -> Option<&str> {
        self.columns.get(column).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ScalarType;

    #[test]
    fn the_service_has_its_tables_in_order() {
        let names: Vec<&str> = Database::defender().tables().map(|table| table.name).collect();
        assert!(names.len() >= 62, "{} tables", names.len());
        assert_eq!(names.first(), Some(&"AIAgentsInfo"));
        assert!(names.contains(&"DeviceProcessEvents"));
    }

    #[test]
    fn columns_that_differ_in_case_are_two() {
        let table = Database::defender().table("DeviceProcessEvents").expect("the table is known");
        assert_ne!(table.schema.find("LogonId"), None);
        assert_ne!(table.schema.find("LogonID"), None);
        assert_ne!(table.schema.find("LogonId"), table.schema.find("LogonID"));
    }

    #[test]
    fn former_names_lead_to_the_current_table() {
        let table = Database::defender().table("AADSignInEventsBeta").expect("the alias is known");
        assert_eq!(table.name, "EntraIdSignInEvents");
    }

    #[test]
    fn a_user_adds_tables_and_watchlists() {
        let mut database = Database::defender().clone();
        let schema = Schema::new(vec![Column::new("Key", ScalarType::String)]);
        database.add_table("Mine", schema.clone());
        database.add_watchlist("vip", schema.clone());
        assert_eq!(database.tables().last().map(|table| table.name.to_owned()), Some("Mine".to_owned()));
        assert_eq!(database.watchlist("vip").map(|list| (**list).clone()), Some(schema));
        assert!(!Database::defender().has_watchlists());
    }

    #[test]
    fn what_is_written_can_be_read() {
        let text = Database::defender().to_json().expect("facts are JSON");
        let read = Database::from_json(&text).expect("the format is known");
        assert_eq!(read.to_json().expect("facts are JSON"), text);
        assert_eq!(read.tables().count(), Database::defender().tables().count());
        assert_eq!(read.service("FileProfile"), Database::defender().service("FileProfile"));
    }

    #[test]
    fn a_file_adds_to_what_is_known() {
        let mut database = Database::defender().clone();
        let text = r#"{"format": 1,
            "tables": [
                {"name": "DeviceEvents", "extends": true, "columns": [["New", "long"]]},
                {"name": "AADSignInEventsBeta", "extends": true, "columns": [["New", "long"]]},
                {"name": "Mine_CL", "columns": [["Key", "string"]]}
            ],
            "stored": {"Twice": "(n: long) { n * 2 }"},
            "watchlists": {"vip": [["Upn", "string"]]}
        }"#;
        database.add_json(text).expect("the file is good");
        let table = database.table("DeviceEvents").expect("it is known");
        assert_eq!(table.schema.columns.last().map(ToString::to_string).as_deref(), Some("New:long"));
        assert!(table.schema.find("DeviceId").is_some());
        assert!(
            database.table("EntraIdSignInEvents").is_some_and(|table| table.schema.find("New").is_some())
        );
        assert!(database.function("Twice").is_some() && database.has_watchlists());
        let written = database.to_json().expect("facts are JSON");
        let again = Database::from_json(&written).and_then(|again| again.to_json());
        assert_eq!(again.expect("it can be read"), written);

        assert!(
            database
                .add_json(r#"{"format": 1, "stored": {"X": "1"}, "watchlists": {"w": [["a", "x"]]}}"#)
                .is_err()
        );
        assert!(database.function("X").is_none());
    }

    #[test]
    fn a_file_of_another_format_is_refused() {
        let error = Database::from_json(r#"{"format": 2}"#).expect_err("format 2 is unknown");
        assert_eq!(error.to_string(), "the schema has format 2, and only format 1 is known");
        let error =
            Database::from_json(r#"{"format": 1, "tables": [{"name": "T", "columns": [["a", "x"]]}]}"#);
        let error = error.expect_err("the type is unknown");
        assert_eq!(error.to_string(), "column `a` of `T` has the unknown type `x`");
    }
}
