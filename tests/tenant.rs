//! The HTTP and tenant doors against servers on loopback: what is sent, how often, and what becomes of
//! the answers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers; a failure fails the test"
)]

#[path = "tenant/bench.rs"]
mod bench;
#[path = "tenant/cases.rs"]
mod cases;
#[path = "certificate/mod.rs"]
mod certificate;
#[path = "tenant/certificates.rs"]
mod certificates;
#[path = "tenant/eager.rs"]
mod eager;
#[path = "tenant/http.rs"]
mod http;
#[path = "tenant/hunting.rs"]
mod hunting;
#[path = "tenant/matrix.rs"]
mod matrix;
#[path = "tenant/nobody.rs"]
mod nobody;
#[path = "oidc/mod.rs"]
mod oidc;
#[path = "tenant/operation_table.rs"]
mod operation_table;
#[path = "tenant/operations.rs"]
mod operations;
#[path = "tenant/provider.rs"]
mod provider;
#[path = "tenant/samples.rs"]
mod samples;
#[path = "tenant/simulated.rs"]
mod simulated;
#[path = "tenant/tls.rs"]
mod tls;
#[path = "tenant/tokens.rs"]
mod tokens;
