//! The simulated tenant under the production names, for clients that know nothing of it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests; what is missing fails the test"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use huntbook::clock::{SharedClock, SystemClock};
use huntbook::sim::{Apply, CannedHunter, Fault, Gateway, HuntColumn, HuntTable, Sim, SimApp, SimOptions};
use serde_json::{Value, json};

async fn tenant() -> (Sim, Gateway) {
    let clock: SharedClock = Arc::new(SystemClock);
    let mut sim = Sim::start(SimOptions::story(clock.now()).unwrap(), clock).await.unwrap();
    let gateway = sim.open_gateway(0).await.unwrap();
    (sim, gateway)
}

fn client(gateway: &Gateway) -> reqwest::Client {
    let authority = reqwest::Certificate::from_pem(gateway.authority.as_bytes()).unwrap();
    let proxy = reqwest::Proxy::https(&gateway.proxy).unwrap();
    reqwest::Client::builder().tls_certs_only([authority]).proxy(proxy).build().unwrap()
}

async fn token(http: &reqwest::Client) -> String {
    let url = format!("https://login.microsoftonline.com/{}/oauth2/token", SimOptions::TENANT_ID);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", SimApp::CLIENT_ID),
        ("client_secret", SimApp::SECRET),
        ("resource", "https://graph.microsoft.com"),
    ];
    let body: Value = http.post(url).form(&form).send().await.unwrap().json().await.unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_address_in_an_answer_is_a_production_address() {
    let (sim, gateway) = tenant().await;
    let http = client(&gateway);
    let token = token(&http).await;
    let url = "https://graph.microsoft.com/v1.0/security/incidents?$top=2";
    let page: Value = http.get(url).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    let next = page["@odata.nextLink"].as_str().unwrap();
    assert!(next.starts_with("https://graph.microsoft.com/v1.0/security/incidents?"), "{next}");
    let more: Value = http.get(next).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    assert_eq!(more["value"].as_array().unwrap().len(), 2);
    assert_ne!(more["value"], page["value"]);
    let url = "https://login.microsoftonline.com/contoso.example/v2.0/.well-known/openid-configuration";
    let said: Value = http.get(url).send().await.unwrap().json().await.unwrap();
    let endpoint = said["token_endpoint"].as_str().unwrap();
    assert!(endpoint.starts_with("https://login.microsoftonline.com/"), "{endpoint}");
    sim.stop().await;
}

#[tokio::test]
async fn other_hosts_are_refused_and_faults_reach_through() {
    let (sim, gateway) = tenant().await;
    let http = client(&gateway);
    assert!(http.get("https://news.example/").send().await.is_err());
    let lost = Fault { reset: true, apply: Apply::Not, ..Fault::on("GET /v1.0/security/alerts_v2") };
    sim.set_faults(vec![lost]).unwrap();
    let token = token(&http).await;
    let url = "https://graph.microsoft.com/v1.0/security/alerts_v2";
    assert!(http.get(url).bearer_auth(&token).send().await.is_err());
    sim.set_faults(Vec::new()).unwrap();
    assert_eq!(http.get(url).bearer_auth(&token).send().await.unwrap().status(), 200);
    sim.stop().await;
}

#[test]
fn the_gateway_needs_a_file_for_its_authority() {
    let refused = Command::new(env!("CARGO_BIN_EXE_huntbook"))
        .args(["sim", "--port", "0", "--tls", "/nowhere/authority.pem", "--tls-port", "0"])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("writing `/nowhere/authority.pem`"));
}

/// The Python that `tests/setup` installs.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    target.join("test-env/python/bin/python")
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_identity_and_requests_get_in_unmodified() {
    let (sim, gateway) = tenant().await;
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, &gateway.authority).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/through_proxy.py");
    let mut command = Command::new(python());
    command
        .arg(script)
        .args([SimOptions::TENANT_ID, SimApp::CLIENT_ID, SimApp::SECRET])
        .env_clear()
        .env("HTTPS_PROXY", &gateway.proxy)
        .env("REQUESTS_CA_BUNDLE", &authority);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    for api in ["graph", "mde", "xdr", "machines", "page"] {
        assert_eq!(found[api]["status"], 200, "{api}: {found:#}");
    }
    assert_eq!(found["graph"]["body"]["results"], json!([{"Devices": 20}]));
    assert_eq!(found["mde"]["body"]["Results"], json!([{"Devices": 20}]));
    assert_eq!(found["xdr"]["body"]["Results"], json!([{"Devices": 20}]));
    assert!(found["refused"].as_str().unwrap().contains("AADSTS7000215"), "{found:#}");
    sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_javascript_clients_of_microsoft_get_in_unmodified() {
    let (sim, gateway) = tenant().await;
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, &gateway.authority).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut command = Command::new("node");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/clients.mjs"))
        .arg(target.join("test-env/node"))
        .args([SimOptions::TENANT_ID, SimApp::CLIENT_ID, SimApp::SECRET])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HTTPS_PROXY", &gateway.proxy)
        .env("NODE_EXTRA_CA_CERTS", &authority);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let mut found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let refused = found["refused"].take();
    assert!(refused.as_str().unwrap().contains("AADSTS7000215"), "{refused}");
    let expected = json!({
        "hunt": [{"Devices": 20}], "incidents": 5, "status": "inProgress", "missing": [404, "NotFound"],
        "machines": 1, "refused": null,
    });
    assert_eq!(found, expected);
    let effects: Vec<String> = sim.effects().into_iter().map(|effect| effect.effect).collect();
    assert_eq!(effects, ["updateIncident"]);
    sim.stop().await;
}

const PLAYBOOK: &str = "\
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Tag
severity: Low
mode: enforce
hunt:
  query: DeviceEvents | project DeviceId
  identity: [DeviceId]
actions:
  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}
";
const DEVICE: &str = "1a5c0e7b94d2f3861a5c0e7b94d2f3861a5c0e7b";

/// Runs a playbook against the production names of a cloud, through a proxy and with an authority of the house.
async fn works_in(cloud: &str, endpoints: Value) {
    let mut options = SimOptions::sample().unwrap();
    options.data = serde_json::from_str(include_str!("fixtures/sim.json")).unwrap();
    let rows = vec![json!({"DeviceId": DEVICE}).as_object().unwrap().clone()];
    let table = HuntTable::new(vec![HuntColumn::new("DeviceId", "String")], rows);
    options.hunter = Arc::new(CannedHunter::new().when("DeviceEvents", Ok(table)));
    let mut sim = Sim::start(options, Arc::new(SystemClock)).await.unwrap();
    let gateway = sim.open_gateway(0).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let auth = json!({"clientSecret": {"clientId": SimApp::CLIENT_ID, "secret": {"env": "SECRET"}}});
    let settings = json!({
        "http": {"proxy": gateway.proxy, "extraCa": "authority.pem"},
        "tenants": {"contoso": {
            "tenantId": SimOptions::TENANT_ID, "cloud": cloud, "endpoints": endpoints, "auth": auth,
        }},
    });
    std::fs::write(dir.path().join("huntbook.yaml"), settings.to_string()).unwrap();
    std::fs::write(dir.path().join("authority.pem"), &gateway.authority).unwrap();
    std::fs::create_dir(dir.path().join("playbooks")).unwrap();
    std::fs::write(dir.path().join("playbooks/tag.yaml"), PLAYBOOK).unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_huntbook"));
    command.args(["run", "Tag"]).current_dir(dir.path()).env_clear().env("SECRET", SimApp::SECRET);
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(output.status.success(), "{cloud} {endpoints}: {said}");
    let done: Vec<String> = sim.effects().into_iter().map(|effect| effect.target).collect();
    assert_eq!(done, [DEVICE], "{cloud}: {said}");
    sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cloud_and_region_is_reached_through_a_proxy_by_its_own_names() {
    for cloud in ["commercial", "gcc", "gccHigh", "dod"] {
        works_in(cloud, json!({})).await;
    }
    // A region has another host, and takes the token of the service: for the host's own name there is none.
    for host in ["eu.api.security.microsoft.com", "api-uk.securitycenter.microsoft.com"] {
        works_in("commercial", json!({"mde": format!("https://{host}")})).await;
    }
}
