//! Feeds nearly-right queries to the front-end, or generated ones to the evaluator, until enough bytes
//! have gone through, and checks what has to hold for every text.
//!
//! ```text
//! cargo run --release -p huntbook-kql --example fuzz -- [lexer|parser|formatter|evaluator] [MEGABYTES] [SEED]
//! ```
//!
//! A text that breaks a rule ends the run with a panic that shows the text; the same seed finds it
//! again.

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

#[expect(clippy::panic, reason = "a broken rule ends the run")]
#[path = "../tests/front_end/checks.rs"]
mod checks;
#[path = "../tests/running/generated.rs"]
mod generated;
#[path = "../tests/front_end/mutation.rs"]
mod mutation;
#[expect(clippy::expect_used, reason = "a broken rule ends the run")]
#[path = "../tests/running/check.rs"]
mod running;

use std::env;
use std::time::SystemTime;

use mutation::{Dice, mutated};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let target = arguments.next().unwrap_or_else(|| "parser".to_owned());
    let megabytes: usize = arguments.next().as_deref().unwrap_or("10").parse()?;
    let first: u64 = arguments.next().as_deref().unwrap_or("0").parse()?;
    let check: fn(&str) = match target.as_str() {
        "lexer" => checks::check_lexer,
        "parser" => |text| drop(checks::check_parser(text)),
        "formatter" => checks::check_formatter,
        "evaluator" => |text| {
            running::check_evaluator(text);
        },
        other => return Err(format!("no target `{other}`: lexer, parser, formatter, evaluator").into()),
    };
    let make = if target == "evaluator" { generated::generated } else { mutated };
    let start = SystemTime::UNIX_EPOCH.elapsed()?;
    let (mut bytes, mut seed) = (0, first);
    while bytes < megabytes * 1_000_000 {
        let text = make(&mut Dice::new(seed));
        check(&text);
        bytes += text.len();
        seed += 1;
    }
    let seconds = SystemTime::UNIX_EPOCH.elapsed()?.saturating_sub(start).as_secs_f64();
    println!("{target}: {} texts, {megabytes} MB, {seconds:.1} s, no harm done", seed - first);
    Ok(())
}
