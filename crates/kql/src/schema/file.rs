//! The file of facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Database, Gives, SchemaError, ServiceFunction, ServiceParameter};
use crate::types::{Column, ScalarType, Schema};

/// Columns of a table as a file has them: name and type.
type ColumnFacts = Vec<(String, String)>;

/// The format this version writes and reads.
const FORMAT: u64 = 1;

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    format: u64,
    /// Day the facts were gathered; for people.
    #[serde(default, rename = "facts", skip_serializing_if = "Option::is_none")]
    _gathered: Option<String>,
    #[serde(default)]
    tables: Vec<TableFacts>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    #[serde(default)]
    functions: Vec<FunctionFacts>,
    #[serde(default)]
    elsewhere: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    replaced: BTreeMap<String, String>,
    #[serde(default)]
    columns: BTreeMap<String, String>,
    /// Stored functions: what would stand behind `let name =`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    stored: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    watchlists: BTreeMap<String, ColumnFacts>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct TableFacts {
    name: String,
    /// Whether the columns come on top of those that are known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    extends: bool,
    columns: ColumnFacts,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FunctionFacts {
    name: String,
    gives: String,
    parameters: Vec<(String, String, Option<String>)>,
    columns: ColumnFacts,
}

/// Adds the facts of a file to a database; nothing if there is anything wrong with the file.
pub(super) fn add(database: &mut Database, text: &str) -> Result<(), SchemaError> {
    let facts = parse(text)?;
    let mut next = database.clone();
    next.aliases.extend(facts.aliases);
    next.replaced.extend(facts.replaced);
    next.columns.extend(facts.columns);
    for table in facts.tables {
        let columns = columns(&table.name, table.columns)?;
        if table.extends {
            next.extend_table(&table.name, columns);
        } else {
            next.add_table(table.name, Schema::new(columns));
        }
    }
    for (product, tables) in facts.elsewhere {
        next.elsewhere.extend(tables.into_iter().map(|table| (table, product.clone())));
    }
    for function in facts.functions {
        let function = service(function)?;
        next.services.insert(function.name.clone(), Arc::new(function));
    }
    for (name, text) in facts.stored {
        next.add_function(name, text);
    }
    for (name, listed) in facts.watchlists {
        let columns = columns(&name, listed)?;
        next.add_watchlist(name, Schema::new(columns));
    }
    *database = next;
    Ok(())
}

fn parse(text: &str) -> Result<Facts, SchemaError> {
    #[derive(Deserialize)]
    struct Head {
        format: u64,
    }
    let head: Head = serde_json::from_str(text).map_err(SchemaError::Json)?;
    if head.format != FORMAT {
        return Err(SchemaError::Format { found: head.format });
    }
    let facts: Facts = serde_json::from_str(text).map_err(SchemaError::Json)?;
    debug_assert_eq!(facts.format, FORMAT);
    Ok(facts)
}

fn columns(table: &str, columns: ColumnFacts) -> Result<Vec<Column>, SchemaError> {
    columns.into_iter().map(|(name, ty)| column(table, name, &ty)).collect()
}

fn column(table: &str, name: String, ty: &str) -> Result<Column, SchemaError> {
    match ScalarType::find(ty) {
        Some(found) => Ok(Column::new(name, found)),
        None => Err(SchemaError::Type { table: table.to_owned(), column: name, ty: ty.to_owned() }),
    }
}

fn service(facts: FunctionFacts) -> Result<ServiceFunction, SchemaError> {
    let mut parameters = Vec::new();
    for (name, ty, default) in facts.parameters {
        parameters.push(ServiceParameter { column: column(&facts.name, name, &ty)?, default });
    }
    Ok(ServiceFunction {
        gives: if facts.gives == "table" { Gives::Table } else { Gives::Enrichment },
        parameters,
        columns: columns(&facts.name, facts.columns)?,
        name: facts.name,
    })
}

/// Writes a database.
pub(super) fn write(database: &Database) -> Result<String, SchemaError> {
    let pairs = |columns: &[Column]| -> ColumnFacts {
        columns.iter().map(|column| (column.name.to_string(), column.ty.name().to_owned())).collect()
    };
    let mut elsewhere: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, product) in &database.elsewhere {
        elsewhere.entry(product.clone()).or_default().push(table.clone());
    }
    let functions = database.services.values().map(|service| FunctionFacts {
        name: service.name.clone(),
        gives: if service.gives == Gives::Table { "table" } else { "enrichment" }.to_owned(),
        parameters: service
            .parameters
            .iter()
            .map(|given| {
                (given.column.name.to_string(), given.column.ty.name().to_owned(), given.default.clone())
            })
            .collect(),
        columns: pairs(&service.columns),
    });
    let facts = Facts {
        format: FORMAT,
        _gathered: None,
        tables: database
            .tables()
            .map(|table| TableFacts {
                name: table.name.to_owned(),
                extends: false,
                columns: pairs(&table.schema.columns),
            })
            .collect(),
        aliases: database.aliases.clone(),
        functions: functions.collect(),
        elsewhere,
        replaced: database.replaced.clone(),
        columns: database.columns.clone(),
        stored: database.functions.iter().map(|(name, text)| (name.clone(), text.to_string())).collect(),
        watchlists: database
            .watchlists
            .iter()
            .map(|(name, schema)| (name.clone(), pairs(&schema.columns)))
            .collect(),
    };
    serde_json::to_string_pretty(&facts).map_err(SchemaError::Json)
}
