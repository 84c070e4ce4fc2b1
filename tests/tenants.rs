//! Several tenants behind one binary: one application written once, who gets in where and what is said of the rest,
//! and what is wrong with one leaves the others to their work.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test helpers; what is missing fails the test"
)]

#[path = "history/held.rs"]
mod held;
#[path = "history/mod.rs"]
mod history;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use held::Held;
use huntbook::clock::{Clock as _, SystemClock};
use huntbook::sim::{CannedHunter, Consent, HuntColumn, HuntTable, Sim, SimApp, SimOptions};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const PLAYBOOK: &str = "\
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Tag
severity: Low
mode: enforce
tenants: {tags: [customer]}
hunt:
  query: DeviceEvents | project DeviceId
  identity: [DeviceId]
actions:
  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}
";
const DEVICE: &str = "1a5c0e7b94d2f3861a5c0e7b94d2f3861a5c0e7b";
const NAMES: [&str; 5] = ["adatum", "contoso", "fabrikam", "litware", "northwind"];

fn id(place: usize) -> String {
    format!("5b8e0d1c-93f4-4a26-8c57-2f6e1d7a9b{place:02}")
}

/// Five customers of one application, and one tenant with an application of its own whose secret is not there.
struct Office {
    /// Looked at when the test is over, before the folder goes.
    _held: Held,
    sims: Vec<Arc<Sim>>,
    dir: tempfile::TempDir,
}

impl Office {
    async fn open() -> Self {
        let rows = vec![json!({"DeviceId": DEVICE}).as_object().unwrap().clone()];
        let table = HuntTable::new(vec![HuntColumn::new("DeviceId", "String")], rows);
        let consents = [Consent::Given, Consent::Given, Consent::Missing, Consent::Disabled, Consent::NoApi];
        let options = |place: usize| {
            let mut options = SimOptions::sample().unwrap();
            options.data = serde_json::from_str(include_str!("fixtures/sim.json")).unwrap();
            options.identity.tenant_id = id(place).parse().unwrap();
            options.identity.domain = format!("{}.example", NAMES[place]);
            options.apps = vec![SimApp { consent: consents[place], ..SimApp::sample() }];
            options.hunter = Arc::new(CannedHunter::new().when("DeviceEvents", Ok(table.clone())));
            options
        };
        let first = Sim::start(options(0), Arc::new(SystemClock)).await.unwrap();
        let mut sims = vec![Arc::new(first)];
        for place in 1..NAMES.len() {
            let next = sims[0].beside(options(place)).unwrap();
            sims.push(Arc::new(next));
        }
        let at = sims[0].endpoints();
        let endpoints = json!({"login": at.login, "graph": at.graph, "mde": at.mde, "xdr": at.xdr});
        let app = |secret: &str| json!({"clientSecret": {"clientId": SimApp::CLIENT_ID, "secret": {"env": secret}}});
        let mut tenants = serde_json::Map::new();
        for (place, name) in NAMES.iter().enumerate() {
            let tenant = json!({
                "tenantId": id(place), "auth": {"partner": {"app": "soc"}}, "tags": ["customer"], "endpoints": endpoints,
            });
            tenants.insert((*name).to_owned(), tenant);
        }
        tenants.insert(
            "wingtip".to_owned(),
            json!({
                "tenantId": id(99), "auth": app("NOT_THERE"), "tags": ["customer"], "endpoints": endpoints,
            }),
        );
        tenants.insert(
            "own".to_owned(),
            json!({
                "tenantId": id(0), "auth": app("SOC_SECRET"), "endpoints": endpoints,
            }),
        );
        // What Kubernetes gives to a workload is not there.
        tenants.insert("woodgrove".to_owned(), json!({
            "tenantId": id(98), "auth": {"workloadIdentity": {}}, "tags": ["customer"], "endpoints": endpoints,
        }));
        let settings = json!({"apps": {"soc": app("SOC_SECRET")}, "tenants": tenants});
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("huntbook.yaml"), settings.to_string()).unwrap();
        std::fs::create_dir(dir.path().join("playbooks")).unwrap();
        std::fs::write(dir.path().join("playbooks/tag.yaml"), PLAYBOOK).unwrap();
        let held = Held::new(dir.path().join("huntbook.db"));
        NAMES.iter().zip(&sims).for_each(|(name, sim)| held.tenant(name, sim));
        Self { _held: held, sims, dir }
    }

    async fn say(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        run(self.dir.path(), arguments).await
    }

    async fn json(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let with: Vec<&str> = arguments.iter().copied().chain(["--format", "json"]).collect();
        let (code, out, err) = self.say(&with).await;
        (code, serde_json::from_str(&out).unwrap_or_else(|error| unreachable!("{error}: {out}{err}")))
    }
}

fn command(dir: &Path, arguments: &[&str]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_huntbook"));
    command.args(arguments).current_dir(dir).env_clear().env("SOC_SECRET", SimApp::SECRET).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn run(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(dir, arguments).output().await.unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(!out.contains(SimApp::SECRET) && !err.contains(SimApp::SECRET), "{out}{err}");
    (output.status.code(), out, err)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tenant_is_listed_with_what_keeps_huntbook_out_of_it() {
    let office = Office::open().await;
    let (code, listed) = office.json(&["tenants"]).await;
    assert_eq!(code, Some(1), "huntbook does not get in everywhere");
    let all = listed.as_array().unwrap();
    let told = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("tenant"), text("context"), text("state"))
    };
    assert_eq!(
        all.iter().map(told).collect::<Vec<_>>(),
        [
            "adatum partner signed in",
            "contoso partner signed in",
            "fabrikam partner no consent",
            "litware partner app disabled",
            "northwind partner API missing",
            "own clientSecret signed in",
            "wingtip clientSecret failed",
            "woodgrove workloadIdentity failed",
        ]
    );
    assert_eq!(all[2]["aadsts"], 65_001);
    assert!(all[2]["why"].as_str().unwrap().contains("an administrator has to consent"), "{}", all[2]);
    assert!(all[6]["why"].as_str().unwrap().contains("`NOT_THERE` is not set"), "{}", all[6]);
    assert!(all[7]["why"].as_str().unwrap().contains("`AZURE_CLIENT_ID` is not set"), "{}", all[7]);
    assert!(
        all[0]["permissions"]["Microsoft Graph"]
            .as_array()
            .unwrap()
            .contains(&json!("ThreatHunting.Read.All"))
    );
    let (_, text, _) = office.say(&["tenants"]).await;
    assert!(text.contains("without consent: fabrikam; `huntbook tenants --consent fabrikam`"), "{text}");

    // Nobody is asked for the page; an administrator who opens it consents.
    let asked: usize = office.sims.iter().map(|sim| sim.requests().len()).sum();
    let (code, page, _) = office.say(&["tenants", "--consent", "fabrikam"]).await;
    assert_eq!(code, Some(0));
    let wanted = format!("/{}/adminconsent?client_id={}&redirect_uri=", id(2), SimApp::CLIENT_ID);
    assert!(page.starts_with(office.sims[0].url()) && page.contains(&wanted), "{page}");
    let (code, pages, _) = office.say(&["tenants", "--consent"]).await;
    assert_eq!((code, pages.matches("/adminconsent?").count()), (Some(0), 7), "{pages}");
    assert!(pages.contains("its client id is not known here"), "{pages}");
    assert_eq!(office.sims.iter().map(|sim| sim.requests().len()).sum::<usize>(), asked);
    let (code, none, err) = office.say(&["tenants", "--consent", "woodgrove"]).await;
    assert!(
        code == Some(2) && none.is_empty() && err.contains("`AZURE_CLIENT_ID` is not set"),
        "{none}{err}"
    );
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = browser.get(page.trim()).send().await.unwrap();
    let back = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(back, format!("https://portal.azure.com/?admin_consent=True&tenant={}", id(2)));
    let (code, now) = office.json(&["tenants", "--tenant", "fabrikam"]).await;
    assert_eq!((code, now[0]["state"].as_str()), (Some(0), Some("signed in")));
    let (code, _, err) = office.say(&["tenants", "--tenant", "fabricam"]).await;
    assert!(code == Some(2) && err.contains("did you mean `fabrikam`?"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_one_tenant_leaves_the_others_to_their_work() {
    let office = Office::open().await;
    let (code, reports) = office.json(&["run", "Tag"]).await;
    assert_eq!(code, Some(1));
    let state = |report: &Value| {
        format!("{} {}", report["tenant"].as_str().unwrap(), report["state"].as_str().unwrap())
    };
    assert_eq!(
        reports.as_array().unwrap().iter().map(state).collect::<Vec<_>>(),
        [
            "adatum succeeded",
            "contoso succeeded",
            "fabrikam failed",
            "litware failed",
            "northwind failed",
            "wingtip failed",
            "woodgrove failed",
        ]
    );
    let did = |sim: &Arc<Sim>| sim.effects().into_iter().map(|effect| effect.target).collect::<Vec<_>>();
    assert_eq!(
        office.sims.iter().map(did).collect::<Vec<_>>(),
        [vec![DEVICE], vec![DEVICE], vec![], vec![], vec![]]
    );

    let (code, told) = office.json(&["doctor", "--log", "off"]).await;
    assert_eq!(code, Some(1));
    let findings = told["findings"].as_array().unwrap();
    let about = |level: &str| -> BTreeSet<&str> {
        let of_level =
            findings.iter().filter(|finding| finding["level"] == level && finding["check"] != "permissions");
        of_level.filter_map(|finding| finding["about"].as_str()).collect()
    };
    assert_eq!(
        about("problem"),
        BTreeSet::from(["fabrikam", "litware", "northwind", "wingtip", "woodgrove"])
    );
    let help =
        findings.iter().find(|finding| finding["about"] == "fabrikam").unwrap()["help"].as_str().unwrap();
    assert!(help.contains("`huntbook tenants --consent fabrikam`"), "{help}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simulated_customers_stand_behind_one_address_with_settings_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let arguments =
        ["sim", "--port", "0", "--tenants", "3", "--without-consent", "1", "--settings", "huntbook.yaml"];
    let mut sim = tokio::process::Command::new(env!("CARGO_BIN_EXE_huntbook"));
    sim.args(arguments).current_dir(dir.path()).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let mut sim = sim.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut said = BufReader::new(sim.stdout.take().unwrap()).lines();
    // The settings are there before it says that it runs.
    let mut ids = Vec::new();
    while let Some(line) = said.next_line().await.unwrap() {
        ids.extend(line.strip_prefix("tenant id ").map(|id| id.trim().to_owned()));
        if line.starts_with("log ") {
            break;
        }
    }
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3, "{ids:?}");
    let say = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_huntbook"));
        command
            .args(arguments)
            .current_dir(dir.path())
            .env_clear()
            .env("HUNTBOOK_SIM_SECRET", SimApp::SECRET);
        let output = command.stdin(Stdio::null()).output().await.unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), format!("{out}{err}"))
    };
    let (code, listed) = say(&["tenants", "--format", "json"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let states: Vec<_> =
        listed.as_array().unwrap().iter().map(|one| (&one["tenant"], &one["state"])).collect();
    let expected =
        json!([["contoso", "signed in"], ["customer02", "signed in"], ["customer03", "no consent"]]);
    assert_eq!((code, json!(states)), (Some(1), expected));
    let (_, page) = say(&["tenants", "--consent", "customer03"]).await;
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
        .get(page.trim())
        .send()
        .await
        .unwrap();
    let (code, listed) = say(&["tenants"]).await;
    assert_eq!(code, Some(0), "{listed}");
    // What is done in one is done there.
    std::fs::create_dir(dir.path().join("playbooks")).unwrap();
    let playbook =
        PLAYBOOK.replace("DeviceEvents | project DeviceId", "DeviceInfo | distinct DeviceId | take 1");
    std::fs::write(dir.path().join("playbooks/tag.yaml"), playbook).unwrap();
    let (code, ran) = say(&["run", "Tag", "--tenant", "customer02"]).await;
    assert!(code == Some(0) && ran.contains("customer02"), "{ran}");
    sim.kill().await.unwrap();
}

/// Tries until it comes to something, and fails in the end if it does not.
async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::select! {
        found = wait => found,
        () = SystemClock.sleep(SignedDuration::from_mins(3)) => unreachable!("waited for {what}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_are_served_without_the_tenants_that_nobody_gets_in_to() {
    let office = Office::open().await;
    let playbook = format!("{PLAYBOOK}schedule: {{every: 1s}}\n");
    std::fs::write(office.dir.path().join("playbooks/tag.yaml"), playbook).unwrap();
    let mut serve = command(office.dir.path(), &["serve"]).stdout(Stdio::null()).spawn().unwrap();
    let mut log = BufReader::new(serve.stderr.take().unwrap()).lines();
    let mut out = BTreeMap::from([
        ("fabrikam", "AADSTS65001"),
        ("litware", "AADSTS7000112"),
        ("northwind", "AADSTS500011"),
        ("wingtip", "`NOT_THERE` is not set"),
        ("woodgrove", "`AZURE_CLIENT_ID` is not set"),
    ]);
    let told = async {
        while !out.is_empty() {
            let line = log.next_line().await.unwrap().expect("it serves on");
            if line.contains("a tenant is not armed") {
                let is_meant = |name: &str, why: &str| {
                    line.contains(&format!("tenant=\"{name}\"")) && line.contains(why)
                };
                assert!(line.contains("WARN") && out.iter().any(|(name, why)| is_meant(name, why)), "{line}");
                out.retain(|name, why| !is_meant(name, why));
            }
        }
    };
    within("the log to tell of each of them", told).await;
    let all = within("status to tell of them", async {
        loop {
            let (code, status) = office.json(&["status"]).await;
            let tenants = status["tenants"].as_object().unwrap().clone();
            let shut_out = tenants.values().filter(|one| !one["refused"].is_null()).count();
            if shut_out == 5 && shut_out + 2 <= tenants.len() {
                assert_eq!(code, Some(1));
                break tenants;
            }
            SystemClock.sleep(SignedDuration::from_millis(50)).await;
        }
    });
    let all = all.await;
    let in_them: Vec<_> =
        all.iter().filter(|(_, one)| one["refused"].is_null()).map(|(name, _)| name).collect();
    assert_eq!(in_them, ["adatum", "contoso", "own"], "nobody keeps huntbook out of these");
    let served = async {
        while office.sims.iter().take(2).any(|sim| sim.effects().is_empty()) {
            SystemClock.sleep(SignedDuration::from_millis(20)).await;
        }
    };
    within("the others to be served", served).await;
    let (_, said, _) = office.say(&["status"]).await;
    assert!(
        said.contains("wingtip is not armed since") && said.contains("woodgrove is not armed since"),
        "{said}"
    );
    serve.kill().await.unwrap();
}
