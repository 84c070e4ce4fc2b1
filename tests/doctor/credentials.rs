//! How an app proves itself: what is wrong with a certificate is found, one row for each thing.

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::sim::{IDENTITY_HEADER, JOB_TOKEN, SimApp, VAULT_READER};
use jiff::SignedDuration;
use serde_json::json;

use crate::bench::{ARC_KEY, Bench, closed_port};
use crate::certificate::{Made, elliptic, rsa};
use crate::{Case, case};

/// The app proves itself with this certificate, in a file.
pub(crate) fn certificate(bench: &mut Bench, made: &Made) {
    bench.certificates.clone_from(&made.certificate);
    bench.files.push(("app.pem", made.both().leak()));
    let auth = json!({"clientId": SimApp::CLIENT_ID, "certificate": {"file": "app.pem"}});
    bench.tenant("/auth", json!({"clientCertificate": auth}));
}

/// A certificate that is good from and to so many days from now.
pub(crate) fn days(begin: i64, end: i64) -> Made {
    rsa(SystemClock.now(), (begin, end))
}

pub(crate) const CASES: &[Case] = &[
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

/// The app is the identity of a virtual machine.
fn machine(bench: &mut Bench) {
    let endpoint = "{SIM}/metadata/identity/oauth2/token";
    bench.tenant("/auth", json!({"managedIdentity": {"host": "vm", "endpoint": endpoint}}));
}

/// The app is the identity of an App Service.
fn app_service(bench: &mut Bench) {
    bench.tenant("/auth", json!({"managedIdentity": {}}));
    bench.environment.push(("IDENTITY_ENDPOINT", "{SIM}/msi/token"));
    bench.environment.push(("IDENTITY_HEADER", IDENTITY_HEADER));
}

/// The app is the identity of a server under Arc, whose agent names a file of a folder.
fn arc(bench: &mut Bench, own: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.key"), ARC_KEY).unwrap();
    bench.arc = Some(format!("{}{own}", folder.path().display()));
    bench.tenant("/auth", json!({"managedIdentity": {"host": "arc", "arcKeys": folder.path()}}));
    bench.environment.push(("IDENTITY_ENDPOINT", "{SIM}/arc/metadata/identity/oauth2/token"));
    bench.arc_keys = Some(folder);
}

/// The app is a workload whose token is in a file.
fn workload(bench: &mut Bench, audience: &'static str) {
    bench.workload = Some(audience);
    bench.tenant("/auth", json!({"workloadIdentity": {}}));
    bench.environment.push(("AZURE_CLIENT_ID", SimApp::CLIENT_ID));
    bench.environment.push(("AZURE_FEDERATED_TOKEN_FILE", "workload.jwt"));
}

/// The app is a job of GitHub Actions.
fn job(bench: &mut Bench) {
    let auth = json!({"clientId": SimApp::CLIENT_ID, "github": {}});
    bench.tenant("/auth", json!({"workloadIdentity": auth}));
    bench.environment.push(("ACTIONS_ID_TOKEN_REQUEST_URL", "{SIM}/oidc/token?job=1"));
    bench.environment.push(("ACTIONS_ID_TOKEN_REQUEST_TOKEN", JOB_TOKEN));
}

/// The client secret is in a vault that the machine's identity reads.
fn vault(bench: &mut Bench) {
    bench.roles.push(VAULT_READER);
    bench.vault.push(("app", SimApp::SECRET.to_owned()));
    let endpoint = "{SIM}/metadata/identity/oauth2/token";
    bench.settings["vaults"] = json!({"soc": {
        "url": "{SIM}/vault", "tenantId": crate::bench::TENANT,
        "auth": {"managedIdentity": {"endpoint": endpoint}},
    }});
    bench.tenant("/auth/clientSecret/secret", json!({"keyVault": {"vault": "soc", "name": "app"}}));
}

pub(crate) const ELSEWHERE: &[Case] = &[
    case(
        "the machine has no identity of this name",
        |b| {
            machine(b);
            b.tenant("/auth/managedIdentity/clientId", json!("7a1f0c52-0000-4d0f-9a55-0d5c2f6b8e10"));
        },
        ("problem", "sign-in", "Identity not found"),
    ),
    case(
        "this is no machine of Azure",
        |b| {
            machine(b);
            b.tenant("/auth/managedIdentity/endpoint", json!(closed_port()));
        },
        ("problem", "sign-in", "found no connection"),
    ),
    case(
        "this is no App Service",
        |b| {
            app_service(b);
            b.environment.clear();
            b.tenant("/auth/managedIdentity/host", json!("appService"));
        },
        ("problem", "settings", "`IDENTITY_ENDPOINT` is not set"),
    ),
    case(
        "the identity's header is another",
        |b| {
            app_service(b);
            b.environment.push(("IDENTITY_HEADER", "canary"));
        },
        ("problem", "sign-in", "status 401"),
    ),
    case(
        "whoever plays the Arc agent wants another file",
        |b| arc(b, "/.."),
        ("problem", "sign-in", "is not one of its files; it was not read"),
    ),
    case(
        "no federated credential fits the workload",
        |b| workload(b, "api://another"),
        ("problem", "sign-in", "AADSTS70021: no federated credential of the app fits the token"),
    ),
    case(
        "the workload's token is not there",
        |b| {
            workload(b, "x");
            b.environment.push(("AZURE_FEDERATED_TOKEN_FILE", "none.jwt"));
        },
        ("problem", "secret", "none.jwt` cannot be read"),
    ),
    case(
        "the workload has no file",
        |b| {
            workload(b, "x");
            b.environment.pop();
        },
        ("problem", "settings", "`AZURE_FEDERATED_TOKEN_FILE` is not set"),
    ),
    case(
        "the job may not ask for a token",
        |b| {
            job(b);
            b.environment.clear();
        },
        ("problem", "settings", "no job of GitHub Actions that may have a token"),
    ),
    case(
        "the job's own token is wrong",
        |b| {
            job(b);
            b.environment.push(("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary"));
        },
        ("problem", "secret", "GitHub gave no token for the job"),
    ),
    case(
        "nobody may read the vault",
        |b| {
            vault(b);
            b.revoke(VAULT_READER);
        },
        ("problem", "secret", "give the identity the role `Key Vault Secrets User`"),
    ),
    case(
        "the vault has no such secret",
        |b| {
            vault(b);
            b.vault.clear();
        },
        ("problem", "secret", "there is none of this name"),
    ),
    case(
        "the identity of the vault does not get in",
        |b| {
            vault(b);
            b.settings["vaults"]["soc"]["auth"]["managedIdentity"]["endpoint"] = json!(closed_port());
        },
        ("problem", "secret", "the identity that reads vault `soc` does not get in"),
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_sign_in_works() {
    let good = |set: &dyn Fn(&mut Bench)| {
        let mut bench = Bench::new();
        set(&mut bench);
        bench
    };
    let benches = [
        ("certificate", good(&|b| certificate(b, &days(-2, 300)))),
        ("machine", good(&machine)),
        ("App Service", good(&app_service)),
        ("Arc", good(&|b| arc(b, ""))),
        ("file", good(&|b| workload(b, "api://AzureADTokenExchange"))),
        ("GitHub", good(&job)),
        ("vault", good(&vault)),
    ];
    for (way, bench) in benches {
        let told = bench.doctor(&[]).await;
        let problems: Vec<String> =
            told.findings().into_iter().filter(|finding| finding.starts_with("problem")).collect();
        assert_eq!((problems, told.code), (Vec::new(), Some(0)), "{way}: {}", told.text);
        assert!(told.text.contains("`contoso` gets in to WindowsDefenderATP"), "{way}: {}", told.text);
        let app = told.json["tenants"]["contoso"]["clientId"].as_str();
        assert_eq!(app, Some(SimApp::CLIENT_ID), "{way}");
    }
}
