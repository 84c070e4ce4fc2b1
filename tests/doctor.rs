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
#[path = "tenant/nobody.rs"]
mod nobody;
#[path = "doctor/token.rs"]
mod token;

use std::fmt::Write as _;

use futures_util::future::join_all;
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

/// The list of what the doctor finds; `UPDATE=1` writes it.
const LIST: &str = "src/DOCTOR.md";

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
    case(
        "the cloud does not offer an action",
        |b| {
            b.tenant("/cloud", json!("gccHigh"));
            let isolates = "isolateDevice: {device: \"{{row.DeviceId}}\", comment: why}";
            let deletes = "softDeleteEmail: {networkMessageId: \"{{row.NetworkMessageId}}\", recipient: \"{{row.RecipientEmailAddress}}\", comment: why}";
            assert!(b.playbook.contains(isolates));
            let hunts = "EmailEvents | project NetworkMessageId, RecipientEmailAddress, Timestamp | take 1";
            b.playbook = b.playbook.replace(isolates, deletes);
            b.playbook = b.playbook.replace("DeviceEvents | project DeviceId, Timestamp | take 1", hunts);
            b.playbook = b.playbook.replace("[DeviceId, Timestamp]", "[NetworkMessageId, Timestamp]");
        },
        ("problem", "permissions", "the cloud `gccHigh` does not offer it"),
    ),
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
        |b| {
            b.revoke("Machine.Read.All");
            b.revoke("Machine.Isolate");
            b.roles.push("Machine.Scan");
            b.playbook = PLAYBOOK.replace("isolateDevice", "runAntivirusScan");
        },
        ("warning", "permissions", "(how runAntivirusScan ended)"),
    ),
    case(
        "what was done to devices cannot be seen before more is done",
        |b| b.revoke("Machine.Read.All"),
        ("problem", "permissions", "(how isolateDevice ended)"),
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
    case(
        "hunting uses the older API that ends, and may not",
        |b| b.tenant("/hunting", json!("mde")),
        ("problem", "permissions", "`AdvancedQuery.Read.All` of WindowsDefenderATP (hunt)"),
    ),
    case(
        "hunting uses the older API that ends",
        |b| {
            b.tenant("/hunting", json!("mde"));
            b.roles.push("AdvancedQuery.Read.All");
        },
        (
            "warning",
            "hunting",
            "the endpoint of Defender for Endpoint, which Microsoft switches off on 2027-02-01",
        ),
    ),
];

/// The tenant tells of these tables, in the beta of Graph.
fn tables(bench: &mut Bench, names: &[&str]) {
    let table =
        |name: &&str| json!({"name": name, "columns": [{"name": "Timestamp", "dataType": "DateTime"}]});
    let tables: Vec<Value> = names.iter().map(table).collect();
    let body = json!({"tables": tables, "functions": {"builtInFunctions": [], "savedFunctions": []}});
    let on = "GET /beta/security/getHuntingSchema";
    bench.faults.push(Fault { status: Some(200), body: Some(body), ..Fault::on(on) });
}

/// What the tenant is licensed for.
const LICENCES: &[Case] = &[
    case(
        "a hunt reads a table of a product that the tenant does not have",
        |b| tables(b, &["EmailEvents", "AlertInfo"]),
        ("problem", "licences", "no table `DeviceEvents`: it comes with Defender for Endpoint"),
    ),
    case(
        "the tenant does not tell which tables it has",
        |b| b.faults.push(Fault { status: Some(404), ..Fault::on("GET /beta/security/getHuntingSchema") }),
        ("note", "licences", "does not tell which tables it has (status 404)"),
    ),
    case(
        "hunting goes where no tables are told",
        |b| {
            b.tenant("/hunting", json!("xdr"));
            b.roles.push("AdvancedHunting.Read.All");
        },
        ("note", "licences", "told by Microsoft Graph only"),
    ),
    case(
        "an action needs a licence that no API tells of",
        |b| {
            let action = "softDeleteEmail: {networkMessageId: \"{{row.DeviceId}}\", recipient: a@contoso.example, comment: why}";
            let isolate = "isolateDevice: {device: \"{{row.DeviceId}}\", comment: why}";
            b.playbook = PLAYBOOK.replace(isolate, action);
            b.roles.push("SecurityAnalyzedMessage.ReadWrite.All");
        },
        ("note", "licences", "softDeleteEmail in `contoso` needs Defender for Office 365 Plan 2"),
    ),
    case(
        "indicators of the network, which the devices may not look at",
        |b| {
            let action = "addIndicator: {indicatorType: domainName, indicatorValue: bad.example, action: block, title: t, description: d}";
            let isolate = "isolateDevice: {device: \"{{row.DeviceId}}\", comment: why}";
            b.playbook = PLAYBOOK.replace(isolate, action);
            b.roles.push("Ti.ReadWrite");
        },
        ("note", "settings of the service", "only by devices that look at them"),
    ),
];

/// What a mail server says to whom it does not know.
const UNKNOWN: &str = "535 5.7.8 who are you?\r\n";

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
        "the folder has no playbook",
        |b| {
            b.settings["playbooks"] = json!("empty");
            b.files.push(("empty/README", "none yet"));
        },
        ("warning", "playbooks", "there is no playbook that can run"),
    ),
    case(
        "the folder of playbooks is not there",
        |b| b.settings["playbooks"] = json!("elsewhere"),
        ("problem", "playbooks", "elsewhere"),
    ),
    case(
        "the settings name keys, and a playbook is not signed",
        |b| {
            let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
            b.settings["reload"] = json!({"signedBy": {"ops": key}});
        },
        ("problem", "settings", "there is no signature `test.yaml.minisig` beside it"),
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
        "the journal is of an earlier version",
        |b| b.files.push(("huntbook.db", "")),
        ("warning", "journal", "written by an older huntbook"),
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
        "a file stops all actions",
        |b| b.files.push(("stop", "wrong list\n")),
        ("warning", "journal", "/stop`: wrong list"),
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
        "a webhook is of a private network",
        |b| {
            b.settings["channels"]["soc-teams"]["teams"]["privateAddresses"] = false.into();
            b.hook = Some("https://10.0.0.8/x".to_owned());
        },
        ("problem", "channel", "`privateAddresses: true` in the settings allows that"),
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
        |b| b.mail(mail_server(UNKNOWN), "none"),
        ("problem", "channel", "check the channel's user and password"),
    ),
    case(
        "the mail server is in trouble",
        |b| b.mail(mail_server("454 4.7.0 not now\r\n"), "none"),
        ("problem", "channel", "the receiver failed: 454"),
    ),
    case(
        "the mail server has no TLS",
        |b| b.mail(mail_server(UNKNOWN), "starttls"),
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

/// Makes what is wrong real, sees that the doctor finds it and says what to do, and gives the line of the list.
async fn line(case: &Case) -> String {
    let mut bench = Bench::new();
    (case.set)(&mut bench);
    let told = bench.doctor(&[]).await;
    let (level, check, part) = case.expect;
    let at = told
        .findings()
        .into_iter()
        .position(|finding| finding.starts_with(&format!("{level} {check} ")) && finding.contains(part));
    let Some(at) = at else {
        panic!("{}: no {:?} in {:#?}\n{}", case.wrong, case.expect, told.findings(), told.text);
    };
    let finding = &told.json["findings"][at];
    let word = |name: &str| finding[name].as_str().unwrap().replace('|', "\\|");
    let (code, help) = (word("code"), word("help"));
    assert!(!help.is_empty() && told.text.contains(&code), "{}: {}", case.wrong, told.text);
    let problems = told.findings().iter().any(|finding| finding.starts_with("problem"));
    assert_eq!(told.code, Some(i32::from(problems)), "{}", case.wrong);
    format!("| {code} | {} | {level} | {help} |\n", case.wrong)
}

const HEAD: &str = "\
# What `huntbook doctor` finds

Each line is a misconfiguration that a test makes real, in a folder and against the simulated tenant, and sees the doctor
find: under which code, how bad it takes it, and what it says to do. The tests are in `tests/doctor.rs`; `UPDATE=1
cargo test --test doctor each_thing` writes this page from what they saw. A *problem* keeps something from working, and
ends `doctor` with 1; a *warning* is a risk; a *note* is good to know.

What cannot be asked: which licences a tenant has, Microsoft Graph tells only to apps that may read the organisation, and
huntbook does not ask for that. The tables that hunting has there show the products behind them, where the beta
`getHuntingSchema` answers (HD321, HD322); for users' risk, mails and password resets a licence shows at the first call
only (HD323). Whether a channel takes a message is known when it has one: only the way to it is tried. The rights of the
directory roles behind a person or an app are not asked for: their refusal says so.

";

/// How many tenants are looked at together.
const AT_ONCE: usize = 4;

/// What a group of lines is about.
const GROUPS: &[(&str, &[Case])] = &[
    ("Signing in", SIGN_IN),
    ("Certificates", credentials::CASES),
    ("Platforms, workloads and vaults", credentials::ELSEWHERE),
    ("Permissions", PERMISSIONS),
    ("Licences", LICENCES),
    ("This machine, and the way to people", HOUSE),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_thing_that_is_wrong_is_found_and_is_in_the_list() {
    let mut list = HEAD.to_owned();
    for (name, cases) in GROUPS {
        write!(list, "## {name}\n\n| code | what is wrong | | what to do |\n|---|---|---|---|\n").unwrap();
        for few in cases.chunks(AT_ONCE) {
            list.extend(join_all(few.iter().map(line)).await);
        }
        list.push('\n');
    }
    let list = format!("{}\n", list.trim_end());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(LIST);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, list).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == list,
        "{LIST} is out of date; run `UPDATE=1 cargo test --test doctor each_thing`:\n{list}"
    );
}
