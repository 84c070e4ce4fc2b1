//! `huntbook sim generate`.

use std::fs::File;
use std::io::Write;

use indicatif::ProgressBar;
use serde_json::json;

use super::super::args::Output;
use super::super::exit::Exit;
use super::super::output::show;
use super::super::tables::table;
use super::super::test::bar;
use super::args::Generate;
use super::folder;
use crate::clock::SharedClock;
use crate::sim::story;

/// Writes a tenant.
pub(super) fn run(order: &Generate, format: Output, clock: &SharedClock) -> anyhow::Result<Exit> {
    folder(&order.out)?;
    let generate = story::Generate {
        now: order.now.unwrap_or_else(|| clock.now()),
        rows: order.rows,
        seed: order.seed,
        span: order.over,
    };
    let bar: ProgressBar = bar(usize::try_from(order.rows).unwrap_or(usize::MAX));
    let mut create =
        |name: &str| -> std::io::Result<Box<dyn Write>> { Ok(Box::new(File::create(order.out.join(name))?)) };
    let sizes = generate.write(&mut create, &mut |rows| bar.set_position(rows))?;
    bar.finish_and_clear();
    let result = json!({"now": generate.now, "seed": order.seed, "tables": sizes});
    show(format, &result, |_| {
        let mut shown = table(&["table", "rows"]);
        for (name, rows) in &sizes {
            shown.add_row([name.clone(), rows.to_string()]);
        }
        let folder = order.out.display();
        format!(
            "{shown}\nthe tenant's clock starts at {}; `huntbook sim --data {folder}` runs it\n",
            generate.now
        )
    })?;
    Ok(Exit::Fine)
}
