//! How an app proves itself: what is wrong with a certificate is found, one row for each thing.

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::sim::SimApp;
use jiff::SignedDuration;
use serde_json::json;

use crate::bench::Bench;
use crate::certificate::{Made, elliptic, rsa};
use crate::{Case, case, check};

/// The app proves itself with this certificate, in a file.
fn certificate(bench: &mut Bench, made: &Made) {
    bench.certificates.clone_from(&made.certificate);
    bench.files.push(("app.pem", made.both().leak()));
    let auth = json!({"clientId": SimApp::CLIENT_ID, "certificate": {"file": "app.pem"}});
    bench.tenant("/auth", json!({"clientCertificate": auth}));
}

/// A certificate that is good from and to so many days from now.
fn days(begin: i64, end: i64) -> Made {
    rsa(SystemClock.now(), (begin, end))
}

const CASES: &[Case] = &[
    case(
        "the certificate ends soon",
        |b| certificate(b, &days(-300, 30)),
        ("warning", "certificate", "the certificate ends in 29 days"),
    ),
    case(
        "the certificate ends in two weeks",
        |b| certificate(b, &days(-300, 14)),
        ("warning", "certificate", "replace it now"),
    ),
    case(
        "the certificate has ended",
        |b| certificate(b, &days(-300, -1)),
        ("problem", "secret", "the certificate ended at"),
    ),
    case(
        "the certificate is for later",
        |b| certificate(b, &days(2, 300)),
        ("problem", "secret", "is not valid before"),
    ),
    case(
        "the certificate is not registered with the app",
        |b| {
            certificate(b, &days(-1, 300));
            b.certificates = String::new();
        },
        ("problem", "sign-in", "upload the certificate"),
    ),
    case(
        "the key is another certificate's",
        |b| {
            certificate(b, &days(-1, 300));
            b.files.push(("app.key", days(-1, 300).key.leak()));
            b.tenant("/auth/clientCertificate/key", json!({"file": "app.key"}));
            let only = b.certificates.clone().leak();
            b.files.push(("app.pem", only));
        },
        ("problem", "secret", "does not belong to the certificate"),
    ),
    case(
        "the key is elliptic",
        |b| certificate(b, &elliptic(SystemClock.now(), (-1, 300))),
        ("problem", "secret", "not an RSA key"),
    ),
    case(
        "the file holds something else",
        |b| {
            certificate(b, &days(-1, 300));
            b.files.push(("app.pem", "canary"));
        },
        ("problem", "secret", "neither PEM nor PFX"),
    ),
    case(
        "the file of the certificate is not there",
        |b| {
            certificate(b, &days(-1, 300));
            b.files.clear();
        },
        ("problem", "secret", "app.pem` cannot be read"),
    ),
    case(
        "others can read the key",
        |b| certificate(b, &days(-1, 300)),
        ("warning", "settings", "can be read by others"),
    ),
    case(
        "the clock is behind the proof's time",
        |b| {
            certificate(b, &days(-2, 300));
            b.ahead(SignedDuration::from_mins(20));
        },
        ("problem", "sign-in", "set the clock of this machine"),
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_thing_that_is_wrong_with_a_credential_is_found() {
    for case in CASES {
        let mut bench = Bench::new();
        (case.set)(&mut bench);
        check(case, &bench.doctor(&[]).await);
    }
}
