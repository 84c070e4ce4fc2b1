//! Running queries does no harm: whatever binds runs to an end, with rows of the promised shape or an
//! error.

#[path = "../front_end/mutation.rs"]
#[expect(dead_code, reason = "only the dice are needed")]
mod mutation;

mod check;
mod generated;

use check::{Outcome, check_evaluator};
use generated::generated;
use mutation::Dice;

/// Each takes a few milliseconds unoptimised; the long run is the fuzzing example.
const QUERIES: u64 = 1_500;

#[test]
fn generated_queries_run_to_an_end() {
    let mut ran = 0;
    for seed in 0..QUERIES {
        if check_evaluator(&generated(&mut Dice::new(seed))) == Outcome::Rows {
            ran += 1;
        }
    }
    // Fewer would say that the generator makes nothing that binds.
    assert!(ran > QUERIES / 5, "only {ran} of {QUERIES} gave rows");
}
