//! `huntbook doctor` and `token` against the simulated tenant: what keeps playbooks from working is found and
//! told, one row for each thing that can be wrong, and no secret is shown on any of these ways.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test helpers; a failure fails the test"
)]

#[path = "doctor/arming.rs"]
mod arming;
#[path = "doctor/bench.rs"]
mod bench;
#[path = "certificate/mod.rs"]
mod certificate;
#[path = "doctor/credentials.rs"]
mod credentials;
#[path = "doctor/grants.rs"]
mod grants;
#[path = "doctor/token.rs"]
mod token;

use huntbook::sim::{Fault, SimApp};
use jiff::SignedDuration;
use serde_json::{Value, json};

use bench::{Bench, PLAYBOOK, closed_port, jwt, mail_server};

/// One thing that is wrong, and what is said about it.
struct Case {
    wrong: &'static str,
    set: fn(&mut Bench),
    /// `problem`, `warning` or `note`; the check; what stands in the message or the help.
    expect: (&'static str, &'static str, &'static str),
}

const fn case(
    wrong: &'static str,
    set: fn(&mut Bench),
    expect: (&'static str, &'static str, &'static str),
) -> Case {
    Case { wrong, set, expect }
}

/// The authority refuses with a number.
fn aadsts(number: u32) -> Fault {
    let body = json!({
        "error": "invalid_request", "error_codes": [number],
        "error_description": format!("AADSTS{number}: in the authority's own words"),
    });
    Fault { status: Some(400), body: Some(body), ..Fault::on("POST /*/oauth2/v2.0/token") }
}

/// The authority issues a token with these claims.
fn issues(claims: &Value) -> Fault {
    let body = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": jwt(claims)});
    Fault { status: Some(200), body: Some(body), ..Fault::on("POST /*/oauth2/v2.0/token") }
}

/// How huntbook signs in.
const SIGN_IN: &[Case] = &[
    case("the secret is not there", |b| b.secret = None, ("problem", "secret", "`DOCTOR_SECRET` is not set")),
    case(
        "the file of the secret is not there",
        |b| b.tenant("/auth/clientSecret/secret", json!({"file": "none"})),
        ("problem", "secret", "none` cannot be read"),
    ),
    case(
        "the secret's id stands in place of its value",
        |b| b.secret = Some("0d5c2f6b-4be3-4d0f-9a55-8e107a1f0c52".to_owned()),
        ("warning", "secret", "has the form of an id"),
    ),
    case(
        "the secret was pasted with a blank",
        |b| b.secret = Some(format!("{} ", SimApp::SECRET)),
        ("warning", "secret", "begins or ends with a blank"),
    ),
    case(
        "the secret is wrong",
        |b| b.secret = Some("wr0ng".to_owned()),
        ("problem", "sign-in", "AADSTS7000215: the client secret is wrong"),
    ),
    case(
        "the secret has expired",
        |b| b.faults.push(aadsts(7_000_222)),
        ("problem", "sign-in", "make a new one"),
    ),
    case(
        "the app is not in the tenant",
        |b| b.tenant("/auth/clientSecret/clientId", json!("7a1f0c52-0000-4d0f-9a55-0d5c2f6b8e10")),
        ("problem", "sign-in", "the app is not known in this tenant"),
    ),
    case(
        "nobody has consented to the app",
        |b| b.faults.push(aadsts(65_001)),
        ("problem", "sign-in", "`huntbook tenants --consent contoso` prints the page"),
    ),
    case(
        "the tenant's id is mistyped",
        |b| b.tenant("/tenantId", json!("5b8e0d1c-93f4-4a26-8c57-2f6e1d7a9b04")),
        ("problem", "sign-in", "the tenant is not known"),
    ),
    case(
        "the tenant is in another cloud",
        |b| b.faults.push(aadsts(90_038)),
        ("problem", "sign-in", "set `cloud`"),
    ),
    case(
        "a policy blocks the app",
        |b| b.faults.push(aadsts(53_003)),
        ("problem", "sign-in", "Conditional Access"),
    ),
    case(
        "the tenant has no Defender",
        |b| b.faults.push(aadsts(500_011)),
        ("problem", "sign-in", "the API is not set up in this tenant"),
    ),
    case(
        "the app is disabled",
        |b| b.faults.push(aadsts(7_000_112)),
        ("problem", "sign-in", "disabled or deleted"),
    ),
    case(
        "the authority is not reached",
        |b| b.tenant("/endpoints/login", json!(closed_port())),
        ("problem", "sign-in", "found no connection"),
    ),
    case(
        "an API is not reached",
        |b| b.tenant("/endpoints/mde", json!(closed_port())),
        ("problem", "network", "found no connection"),
    ),
    case(
        "the token is another tenant's",
        |b| b.faults.push(issues(&json!({"tid": "another", "aud": "x", "roles": ["Machine.Isolate"]}))),
        ("problem", "token", "one of another tenant (`another`)"),
    ),
    case(
        "delegated permissions were granted",
        |b| {
            let claims = json!({"tid": bench::TENANT, "aud": "x", "scp": "ThreatHunting.Read.All"});
            b.faults.push(issues(&claims));
        },
        ("problem", "token", "grant application permissions"),
    ),
    case("the clock is wrong", |b| b.ahead(SignedDuration::from_mins(20)), ("problem", "clock", "ahead of")),
    case("the clock drifts", |b| b.ahead(-SignedDuration::from_mins(3)), ("warning", "clock", "behind")),
];

/// What the app is allowed.
const PERMISSIONS: &[Case] = &[
    case("nobody has consented", |b| b.roles.clear(), ("problem", "token", "has been consented to")),
    case(
        "an action's role is missing",
        |b| b.revoke("Machine.Isolate"),
        ("problem", "permissions", "it lacks `Machine.Isolate` of WindowsDefenderATP (isolateDevice)"),
    ),
    case(
        "the hunt's role is missing",
        |b| b.revoke("ThreatHunting.Read.All"),
        ("problem", "permissions", "`ThreatHunting.Read.All` of Microsoft Graph (hunt)"),
    ),
    case(
        "the role of another API was granted",
        |b| {
            b.revoke("ThreatHunting.Read.All");
            b.roles.push("AdvancedHunting.Read.All");
        },
        (
            "warning",
            "permissions",
            "`AdvancedHunting.Read.All` of Microsoft Threat Protection is granted, which is not",
        ),
    ),
    case(
        "what becomes of actions cannot be seen",
        |b| b.revoke("Machine.Read.All"),
        ("warning", "permissions", "(how isolateDevice ended)"),
    ),
    case(
        "exclusions cannot be looked up",
        |b| {
            b.revoke("Machine.Read.All");
            b.settings["guards"] = json!({"exclude": {"deviceTags": ["tier0"]}});
        },
        ("problem", "permissions", "(guards.exclude, how isolateDevice ended)"),
    ),
    case(
        "a playbook that observes would lack a role",
        |b| {
            b.revoke("Machine.Isolate");
            b.playbook = PLAYBOOK.replace("enforce", "observe");
        },
        ("note", "permissions", "enforces in `contoso` it needs `Machine.Isolate`"),
    ),
    case(
        "more is granted than needed",
        |b| b.roles.push("Machine.Scan"),
        ("note", "permissions", "needed by no playbook: Machine.Scan of WindowsDefenderATP"),
    ),
    case(
        "hunting uses an API that ends",
        |b| {
            b.tenant("/hunting", json!("xdr"));
            b.roles.push("AdvancedHunting.Read.All");
        },
        ("warning", "hunting", "2027-02-01"),
    ),
];

/// What lies around on this machine, and the way to people.
const HOUSE: &[Case] = &[
    case(
        "a playbook is refused",
        |b| b.playbook = String::from("name: ["),
        ("problem", "playbooks", "test.yaml:"),
    ),
    case(
        "a playbook names a channel that is not there",
        |b| b.playbook = PLAYBOOK.replace("soc-teams", "soc-team"),
        ("problem", "playbooks", "soc-team"),
    ),
    case(
        "the folder of playbooks is not there",
        |b| b.settings["playbooks"] = json!("elsewhere"),
        ("problem", "playbooks", "elsewhere"),
    ),
    case(
        "a list that protects devices is not there",
        |b| b.settings["guards"] = json!({"exclude": {"devices": "crown-jewels"}}),
        ("problem", "settings", "there is no list `crown-jewels`"),
    ),
    case(
        "a list that protects devices is empty",
        |b| {
            b.settings["guards"] = json!({"exclude": {"devices": "jewels"}});
            b.files.push(("lists/jewels.txt", "# none yet\n"));
        },
        ("problem", "settings", "protects nothing"),
    ),
    case(
        "a list is damaged",
        |b| b.files.push(("lists/odd.yaml", "{a: [")),
        ("problem", "lists", "odd.yaml:"),
    ),
    case(
        "others can read the secret",
        |b| {
            b.tenant("/auth/clientSecret/secret", json!({"file": "secret"}));
            b.files.push(("secret", SimApp::SECRET));
        },
        ("warning", "settings", "can be read by others"),
    ),
    case(
        "nobody hears of refused files",
        |b| b.settings["alerts"] = Value::Null,
        ("warning", "settings", "no channel hears"),
    ),
    case(
        "the journal has no place",
        |b| b.settings["store"] = json!({"path": "huntbook.yaml/journal.db"}),
        ("problem", "journal", "cannot be used"),
    ),
    case(
        "the journal is none",
        |b| {
            b.files.push((
                "huntbook.db",
                "This is a text and no database, and long enough to be told from one.",
            ));
        },
        ("problem", "journal", "the journal"),
    ),
    case(
        "the extra authority is no certificate",
        |b| {
            b.settings["http"] = json!({"extraCa": "ca.pem"});
            b.files.push(("ca.pem", "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n"));
        },
        ("problem", "network", "HTTP"),
    ),
    case(
        "a webhook is not reached",
        |b| b.hook = Some(format!("{}/x", closed_port())),
        ("problem", "channel", "could not be reached"),
    ),
    case(
        "a webhook's address is none",
        |b| b.hook = Some("http://hooks.example/x".to_owned()),
        ("problem", "channel", "only https is allowed"),
    ),
    case(
        "the mail server is not reached",
        |b| b.mail(closed_port().rsplit(':').next().unwrap().parse().unwrap(), "none"),
        ("problem", "channel", "could not be reached"),
    ),
    case(
        "the mail server does not know the user",
        |b| b.mail(mail_server(), "none"),
        ("problem", "channel", "check the channel's user and password"),
    ),
    case(
        "the mail server has no TLS",
        |b| b.mail(mail_server(), "starttls"),
        ("problem", "channel", "could not be reached"),
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_order_is_not_talked_about() {
    let told = Bench::new().doctor(&[]).await;
    assert_eq!(told.findings(), Vec::<String>::new(), "{}", told.text);
    assert_eq!(told.code, Some(0));
    // A super-role does as well, and is told of only as more than is needed.
    let mut bench = Bench::new();
    bench.revoke("Machine.Read.All");
    bench.roles.push("Machine.ReadWrite.All");
    let told = bench.doctor(&[]).await;
    assert_eq!((told.findings(), told.code), (Vec::new(), Some(0)), "{}", told.text);
}

#[track_caller]
fn check(case: &Case, told: &bench::Told) {
    let (level, check, part) = case.expect;
    let found = told
        .findings()
        .into_iter()
        .any(|finding| finding.starts_with(&format!("{level} {check} ")) && finding.contains(part));
    assert!(found, "{}: no {:?} in {:#?}\n{}", case.wrong, case.expect, told.findings(), told.text);
    let problems = told.findings().iter().any(|finding| finding.starts_with("problem"));
    assert_eq!(told.code, Some(i32::from(problems)), "{}", case.wrong);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_thing_that_is_wrong_is_found() {
    for case in SIGN_IN.iter().chain(PERMISSIONS).chain(HOUSE) {
        let mut bench = Bench::new();
        (case.set)(&mut bench);
        check(case, &bench.doctor(&[]).await);
    }
}
