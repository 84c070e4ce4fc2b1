//! Questions to a million rows.
//!
//! ```sh
//! cargo bench -p huntbook-kql --bench million
//! ```
//!
//! `benches/beside_duckdb.py` asks `DuckDB` the same questions about the same rows.

#[path = "support/rows.rs"]
mod rows;

use kql::bind::check;
use kql::eval::{Env, Tables, run};
use kql::schema::Database;
use kql::types::{ScalarType, Schema};
use kql::value::{Batch, Datetime};

fn main() {
    divan::main();
}

/// One table.
struct Events {
    schema: Schema,
    batch: Batch,
}

impl Tables for Events {
    fn scan(&self, _name: &str, schema: &Schema) -> Option<Batch> {
        let places: Vec<usize> =
            schema.columns.iter().filter_map(|column| self.schema.find(&column.name)).collect();
        Some(self.batch.project(&places))
    }
}

#[divan::bench(args = 0..rows::QUESTIONS.len(), sample_count = 5)]
fn question(bencher: divan::Bencher<'_, '_>, index: usize) {
    let Some((_, query, _)) = rows::QUESTIONS.get(index) else { return };
    let schema: Schema = rows::COLUMNS
        .iter()
        .filter_map(|(name, ty)| Some(kql::types::Column::new(*name, ScalarType::find(ty)?)))
        .collect();
    let tables = Events { schema: schema.clone(), batch: rows::batch() };
    let mut database = Database::defender().clone();
    database.add_table("Events", schema);
    let checked = check(query, &database);
    assert!(!checked.bound.has_errors(), "{:?}", checked.diagnostics);
    let env = Env::at(Datetime::UNIX_EPOCH);
    bencher.bench_local(|| run(&checked.bound.plan, &tables, &env));
}
