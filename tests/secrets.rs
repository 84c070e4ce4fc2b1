//! Secrets stay where they belong: distinct canaries are put wherever huntbook finds a secret, every command is driven
//! with them, and nothing it says or leaves holds one, in any form; what is replaced where it is found serves without a
//! restart; and no memory of the process gets out.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test helpers; what is missing fails the test"
)]

#[path = "secrets/bench.rs"]
mod bench;
#[path = "secrets/canary.rs"]
mod canary;
#[path = "certificate/mod.rs"]
#[expect(dead_code, reason = "only the kind that the authority takes")]
mod certificate;
#[path = "secrets/commands.rs"]
mod commands;
#[path = "secrets/memory.rs"]
mod memory;
#[path = "secrets/page.rs"]
mod page;
#[path = "secrets/rotation.rs"]
mod rotation;
#[path = "secrets/tap.rs"]
mod tap;
