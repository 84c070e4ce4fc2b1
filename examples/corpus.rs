//! How many queries of a file run over the simulated tenant's tables.
//!
//! ```sh
//! cargo run --release --example corpus -- QUERIES.ndjson [FOLDER]
//! ```
//!
//! Takes one JSON object a line, with the query under `query`, and the tables of the built-in story or of a
//! folder that `huntbook sim generate` wrote. A query that reads a document from outside is given an empty
//! one, and counted apart. Ends with 1 if fewer than 95 of a hundred run.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::ExitCode;

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::kql::{Library, World, run};
use huntbook::sim::story::{Snapshot, Story, TENANT_FILE, empty_tables};
use jiff::Timestamp;
use serde_json::Value;

/// Documents a query may ask for before it is given up.
const DOCUMENTS_MAX: usize = 50;

/// Why a query did not run, by the first words of it, with how often and one example.
type Reasons = BTreeMap<String, (usize, String)>;

#[derive(Default)]
struct Counts {
    all: usize,
    ran: usize,
    with_rows: usize,
    with_empty_documents: usize,
    failed: Reasons,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let queries = arguments.next().ok_or("a file of queries is missing")?;
    let (library, now) = if let Some(folder) = arguments.next() {
        read(Path::new(&folder))?
    } else {
        let now = SystemClock.now();
        (Story::contoso(now)?.library, now)
    };
    let world = World::at(now);
    let mut counts = Counts::default();
    for line in BufReader::new(File::open(queries)?).lines() {
        let line: Value = serde_json::from_str(&line?)?;
        let query = line.get("query").and_then(Value::as_str).ok_or("a line has no query")?;
        count(query, library.clone(), world, &mut counts);
    }
    Ok(tell(&counts))
}

/// Reads the tables of a folder, and its time.
fn read(folder: &Path) -> Result<(Library, Timestamp), Box<dyn Error>> {
    let snapshot: Snapshot = serde_json::from_reader(BufReader::new(File::open(folder.join(TENANT_FILE))?))?;
    let mut library = empty_tables();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "ndjson") {
            library.add_table(name, &mut BufReader::new(File::open(&path)?))?;
        }
    }
    Ok((library, snapshot.now))
}

fn count(query: &str, mut library: Library, world: World<'_>, counts: &mut Counts) {
    counts.all += 1;
    for documents in 0..DOCUMENTS_MAX {
        match run(query, &library, world) {
            Ok(results) => {
                counts.ran += 1;
                counts.with_rows += usize::from(results.iter().any(|rows| !rows.is_empty()));
                counts.with_empty_documents += usize::from(documents > 0);
                return;
            }
            Err(failed) => {
                let message = failed.problems.first().map_or_else(String::new, |first| first.message.clone());
                match message
                    .strip_prefix("nothing is provided for `")
                    .and_then(|rest| rest.strip_suffix('`'))
                {
                    Some(uri) if uri.contains("://") => library.add_document(uri, ""),
                    _ => {
                        let reason = format!("{:?}: {message}", failed.cause);
                        counts.failed.entry(reason).or_insert_with(|| (0, query.to_owned())).0 += 1;
                        return;
                    }
                }
            }
        }
    }
}

fn tell(counts: &Counts) -> ExitCode {
    let Counts { all, ran, with_rows, with_empty_documents, failed } = counts;
    println!("{ran} of {all} queries run, {with_rows} of them find something");
    println!("{with_empty_documents} of those that run read documents from outside, which were empty");
    let mut reasons: Vec<_> = failed.iter().collect();
    reasons.sort_by_key(|(_, (times, _))| std::cmp::Reverse(*times));
    for (reason, (times, query)) in reasons {
        let query: String =
            query.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect();
        println!("{times:5}  {reason}\n       {query}");
    }
    if ran * 100 >= all * 95 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
