//! `huntbook schema pull`: which hunting tables a tenant has, into a file beside the settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{Output, Schema, SchemaOf};
use super::exit::Exit;
use super::output::{counted, say_json, tell};
use super::{Misuse, Refusal, reference, setup};
use crate::clock::SharedClock;
use crate::model::{CellRef, Projection, RowView, Wanted};
use crate::rows::Flow;
use crate::settings::{self, Settings};
use crate::tenant::{HuntLimits, HuntQuery, HuntSchema, Tenant, TenantError};

/// What to do where the tenant does not tell.
const BY_QUERY: &str = "`huntbook schema pull --by-query` asks the known tables one by one";

/// Prints a JSON Schema, or fetches a tenant's tables.
pub(super) async fn run(
    arguments: &Schema,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    if arguments.of != SchemaOf::Pull {
        if arguments.tenant.is_some() || arguments.by_query {
            return Err(Misuse("`--tenant` and `--by-query` are for `schema pull`".to_owned()).into());
        }
        return reference::schema(arguments.of);
    }
    let settings = settings::load(config)?;
    let parts = setup::open(&settings, &clock).await?;
    let tenant = pick(arguments.tenant.as_deref(), parts.tenants)?;
    let schema = if arguments.by_query { ask(&*tenant, &settings).await? } else { told(&*tenant).await? };
    let path = write(&schema, &settings.schema_folder(config), tenant.name(), clock.now())?;
    let columns: usize = schema.tables.iter().map(|(_, columns)| columns.len()).sum();
    match format {
        Output::Json => say_json(&json!({
            "tenant": tenant.name(), "file": path, "tables": schema.tables.len(), "columns": columns,
            "functionsLeftOut": schema.functions,
        }))?,
        Output::Text => {
            let [tables, columns] = [(schema.tables.len(), "table"), (columns, "column")].map(counted);
            tell(&format!("{tables} with {columns} in `{}`", path.display()));
            if !schema.functions.is_empty() {
                tell(&format!(
                    "not carried over, as the tenant does not tell what they do: the functions {}; write those \
                     that queries call into a file of your own beside it (`huntbook explain HB0503`)",
                    schema.functions.join(", ")
                ));
            }
        }
    }
    Ok(Exit::Fine)
}

/// The tenant to ask: the one named, or the only one.
fn pick(wanted: Option<&str>, tenants: BTreeMap<String, Arc<dyn Tenant>>) -> anyhow::Result<Arc<dyn Tenant>> {
    let known: Vec<String> = tenants.keys().cloned().collect();
    let mut found = tenants.into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name));
    match (found.next(), found.next()) {
        (Some((_, tenant)), None) => Ok(tenant),
        (None, _) => Err(Misuse(format!("there is no such tenant; there are: {}", known.join(", "))).into()),
        (Some(_), Some(_)) => {
            let text = format!("there are several tenants; name one with --tenant: {}", known.join(", "));
            Err(Misuse(text).into())
        }
    }
}

/// What the tenant tells of itself.
async fn told(tenant: &dyn Tenant) -> anyhow::Result<HuntSchema> {
    match tenant.hunt_schema().await {
        Ok(Some(schema)) => Ok(schema),
        Ok(None) => {
            let api = tenant.hunting().as_str();
            let text = format!("the API of `hunting: {api}` does not tell its tables; {BY_QUERY}");
            Err(Refusal(text).into())
        }
        Err(TenantError::Refused(refused)) if matches!(refused.status, 400 | 404 | 405 | 501) => {
            let status = refused.status;
            let text =
                format!("the tenant has no endpoint that tells its tables (status {status}); {BY_QUERY}");
            Err(Refusal(text).into())
        }
        Err(error) => Err(error).context("the tables were not fetched"),
    }
}

/// Asks each known table for its columns. A table the tenant does not have is left out.
async fn ask(tenant: &dyn Tenant, settings: &Settings) -> anyhow::Result<HuntSchema> {
    let mut schema = HuntSchema::default();
    for table in settings.tables.tables() {
        let query = HuntQuery {
            query: format!("{table} | getschema | project ColumnName, ColumnType"),
            timespan: None,
        };
        let mut columns = Vec::new();
        let mut on_row = |row: &RowView<'_>| {
            if let [CellRef::Text(name), CellRef::Text(ty)] = row.cells {
                columns.push((name.to_string(), ty.to_string()));
            }
            Flow::Continue
        };
        let wanted = Wanted::Only(Arc::new(Projection::new(["ColumnName", "ColumnType"])));
        match tenant.hunt(&query, &wanted, &HuntLimits::default(), &mut on_row).await {
            Ok(_answer) => schema.tables.push((table.to_owned(), columns)),
            Err(TenantError::Refused(refused)) if refused.status == 400 => {}
            Err(error) => return Err(error).with_context(|| format!("asking for the columns of `{table}`")),
        }
    }
    Ok(schema)
}

/// Writes the file beside its place and moves it there.
fn write(schema: &HuntSchema, folder: &Path, tenant: &str, now: Timestamp) -> anyhow::Result<PathBuf> {
    let columns = |columns: &[(String, String)]| -> Vec<Value> {
        columns.iter().map(|(name, ty)| json!([name, kql_type(ty)])).collect()
    };
    let tables = schema.tables.iter().filter(|(_, columns)| !columns.is_empty());
    let tables: Vec<Value> =
        tables.map(|(name, given)| json!({"name": name, "columns": columns(given)})).collect();
    anyhow::ensure!(!tables.is_empty(), "the tenant names no table with columns; nothing is written");
    let day = now.to_string().chars().take(10).collect::<String>();
    let document = json!({"format": 1, "facts": day, "tables": tables});
    let path = folder.join(format!("{tenant}.json"));
    let writing = || format!("writing `{}`", path.display());
    std::fs::create_dir_all(folder).with_context(writing)?;
    let beside = folder.join(format!(".{tenant}.json.new"));
    std::fs::write(&beside, format!("{document:#}\n")).with_context(writing)?;
    std::fs::rename(&beside, &path).with_context(writing)?;
    Ok(path)
}

/// The query language's name of a type of the API; what is unknown may be anything.
fn kql_type(api: &str) -> &'static str {
    let name = api.to_ascii_lowercase();
    match name.strip_prefix("system.").unwrap_or(&name) {
        "string" => "string",
        "datetime" | "datetimeoffset" | "date" => "datetime",
        "timespan" | "time" => "timespan",
        "int64" | "long" | "uint64" | "uint32" => "long",
        "int32" | "int" | "int16" | "uint16" | "byte" => "int",
        "double" | "single" | "real" | "float" => "real",
        "decimal" | "sqldecimal" => "decimal",
        "boolean" | "bool" | "sbyte" => "bool",
        "guid" | "uuid" | "uniqueid" => "guid",
        _ => "dynamic",
    }
}
