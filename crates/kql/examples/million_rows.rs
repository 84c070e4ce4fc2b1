//! Writes the rows of the bench `million` as CSV, so that other engines can be asked about them.
//!
//! ```sh
//! cargo run --release -p huntbook-kql --example million_rows -- FILE
//! ```

#[path = "../benches/support/rows.rs"]
mod rows;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::ExitCode;

use kql::value::to_text;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the program's output")]
fn main() -> ExitCode {
    let Some(file) = std::env::args().nth(1) else {
        eprintln!("usage: million_rows FILE");
        return ExitCode::from(2);
    };
    match write(&file) {
        Ok(()) => {
            for (title, _, sql) in rows::QUESTIONS {
                println!("{title}\t{sql}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write(file: &str) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    let names: Vec<&str> = rows::COLUMNS.iter().map(|(name, _)| *name).collect();
    writeln!(out, "{}", names.join(","))?;
    let batch = rows::batch();
    for row in 0..batch.rows() {
        let cells = batch.row(row);
        let cells: Vec<String> = cells.iter().map(|cell| quoted(&to_text(cell))).collect();
        writeln!(out, "{}", cells.join(","))?;
    }
    out.flush()
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
