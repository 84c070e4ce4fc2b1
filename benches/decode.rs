//! Decoding a hunting answer of 100,000 rows in chunks of 64 KiB.
//!
//! `cargo bench --bench decode`. The whole program is measured against real HTTP elsewhere.

mod data;

use std::sync::{Arc, LazyLock};

use divan::Bencher;
use divan::counter::BytesCount;
use huntbook::model::{Projection, Wanted};
use huntbook::rows::{Decoder, Flow, Limits};

static BODY: LazyLock<String> = LazyLock::new(|| data::answer(100_000));

fn main() {
    divan::main();
}

fn decode(bencher: Bencher<'_, '_>, wanted: &Wanted) {
    bencher.counter(BytesCount::of_str(&**BODY)).bench(|| {
        let mut decoder = Decoder::new(wanted.clone(), Limits::default());
        for chunk in BODY.as_bytes().chunks(64 << 10) {
            let flow = decoder.feed(chunk, &mut |row| {
                divan::black_box(row);
                Flow::Continue
            });
            assert_eq!(flow, Ok(Flow::Continue));
        }
        let answer = decoder.finish().expect("the answer is sound");
        assert_eq!(answer.rows, 100_000);
    });
}

#[divan::bench]
fn no_column(bencher: Bencher<'_, '_>) {
    decode(bencher, &Wanted::Only(Arc::default()));
}

#[divan::bench]
fn seven_columns(bencher: Bencher<'_, '_>) {
    decode(bencher, &Wanted::Only(Arc::new(Projection::new(data::WANTED))));
}

#[divan::bench]
fn every_column(bencher: Bencher<'_, '_>) {
    decode(bencher, &Wanted::All);
}
