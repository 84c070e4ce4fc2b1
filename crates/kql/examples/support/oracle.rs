//! Cases with what the real engine answered: `oracle-fuzz.json` and `oracle-docs.json`.

use std::path::Path;

use kql::types::ScalarType;
use serde::Deserialize;

/// A query and its answer.
pub(crate) struct Case {
    /// Name.
    pub(crate) id: String,
    /// Query text; needs no table.
    pub(crate) query: String,
    /// Names and types of the columns, as the file writes types.
    pub(crate) columns: Vec<(String, String)>,
    names: fn(ScalarType) -> &'static str,
}

impl Case {
    /// Returns a type as the file of the case writes it.
    pub(crate) fn type_name(&self, ty: ScalarType) -> String {
        (self.names)(ty).to_owned()
    }
}

#[derive(Deserialize)]
struct FuzzFile {
    cases: Vec<FuzzCase>,
    errors: Vec<FuzzError>,
}

#[derive(Deserialize)]
struct FuzzError {
    kql: String,
}

#[derive(Deserialize)]
struct FuzzCase {
    id: String,
    kql: String,
    columns: Vec<String>,
}

#[derive(Deserialize)]
struct DocsFile {
    cases: Vec<DocsCase>,
}

#[derive(Deserialize)]
struct DocsCase {
    id: String,
    kql: String,
    expected: DocsAnswer,
}

#[derive(Deserialize)]
struct DocsAnswer {
    columns: Vec<String>,
    column_types: Vec<String>,
}

/// Reads all cases of a folder.
pub(crate) fn cases(dir: &Path) -> Result<Vec<Case>, Box<dyn std::error::Error>> {
    let fuzz: FuzzFile = serde_json::from_str(&std::fs::read_to_string(dir.join("oracle-fuzz.json"))?)?;
    let docs: DocsFile = serde_json::from_str(&std::fs::read_to_string(dir.join("oracle-docs.json"))?)?;
    let fuzz = fuzz.cases.into_iter().map(|case| Case {
        id: case.id,
        query: case.kql,
        columns: case
            .columns
            .iter()
            .filter_map(|column| column.rsplit_once(':'))
            .map(|(name, ty)| (name.to_owned(), ty.to_owned()))
            .collect(),
        names: short_name,
    });
    let docs = docs.cases.into_iter().map(|case| Case {
        id: case.id,
        query: case.kql,
        columns: case.expected.columns.into_iter().zip(case.expected.column_types).collect(),
        names: net_name,
    });
    Ok(fuzz.chain(docs).collect())
}

/// Reads the queries that the real engine refuses.
pub(crate) fn refused(dir: &Path) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let fuzz: FuzzFile = serde_json::from_str(&std::fs::read_to_string(dir.join("oracle-fuzz.json"))?)?;
    Ok(fuzz.errors.into_iter().map(|case| case.kql).collect())
}

const fn short_name(ty: ScalarType) -> &'static str {
    match ty {
        ScalarType::Bool => "Bool",
        ScalarType::Int | ScalarType::Long => "Int",
        ScalarType::Real => "Real",
        ScalarType::Decimal => "Real",
        ScalarType::Datetime => "DateTime",
        ScalarType::Timespan => "TimeSpan",
        ScalarType::Guid => "Guid",
        ScalarType::String => "String",
        ScalarType::Dynamic => "Dynamic",
        ScalarType::Unknown => "Unknown",
    }
}

const fn net_name(ty: ScalarType) -> &'static str {
    match ty {
        ScalarType::Bool => "SByte",
        ScalarType::Int => "Int32",
        ScalarType::Long => "Int64",
        ScalarType::Real => "Double",
        ScalarType::Decimal => "SqlDecimal",
        ScalarType::Datetime => "DateTime",
        ScalarType::Timespan => "TimeSpan",
        ScalarType::Guid => "Guid",
        ScalarType::String => "String",
        ScalarType::Dynamic => "Object",
        ScalarType::Unknown => "Unknown",
    }
}
