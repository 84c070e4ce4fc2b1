//! Data for the simulated tenant, through the binary: made, imported, and hunted in.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests; what is missing fails the test"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

fn huntbook(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
    command.args(arguments).env_clear();
    command
}

fn run(arguments: &[&str]) -> Output {
    huntbook(arguments).output().unwrap()
}

#[track_caller]
fn json_of(output: &Output, code: i32) -> Value {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    serde_json::from_str(&out).unwrap()
}

/// A tenant of 2,500 rows at a time long past.
fn generate(folder: &Path) -> Value {
    let folder = folder.to_str().unwrap();
    json_of(
        &run(&[
            "--format",
            "json",
            "sim",
            "generate",
            "--rows",
            "2500",
            "--over",
            "2d",
            "--seed",
            "5",
            "--now",
            "2026-01-10T12:00:00Z",
            "--out",
            folder,
        ]),
        0,
    )
}

/// The simulated tenant as a process of its own; ended when dropped.
struct Tenant {
    child: Child,
    said: Vec<(String, String)>,
}

impl Tenant {
    fn start(arguments: &[&str]) -> Self {
        let mut child = huntbook(&["sim", "--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut said = Vec::new();
        for line in lines {
            let (name, value) = line.split_once("  ").unwrap();
            said.push((name.to_owned(), value.trim().to_owned()));
            if name == "log" {
                break;
            }
        }
        Self { child, said }
    }

    fn said(&self, name: &str) -> &str {
        self.said.iter().find(|(known, _)| known == name).map(|(_, value)| value).unwrap()
    }

    async fn hunt(&self, query: &str) -> Value {
        let http = reqwest::Client::new();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.said("client id")),
            ("client_secret", self.said("client secret")),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let url = format!("{}/{}/oauth2/v2.0/token", self.said("login"), self.said("tenant id"));
        let token: Value = http.post(url).form(&form).send().await.unwrap().json().await.unwrap();
        let url = format!("{}/v1.0/security/runHuntingQuery", self.said("graph"));
        let request = http.post(url).bearer_auth(token["access_token"].as_str().unwrap());
        let answer = request.json(&json!({"Query": query})).send().await.unwrap();
        answer.json().await.unwrap()
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

const BUSY: &str = "DeviceProcessEvents | where Timestamp > ago(2h) and FileName =~ 'powershell.exe' \
                    | summarize Times = count() by DeviceName | order by Times desc, DeviceName asc";

#[tokio::test]
async fn a_generated_tenant_is_hunted_in_at_its_own_time_over_http_and_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = generate(folder.path());
    assert_eq!(sizes["now"], "2026-01-10T12:00:00Z");
    assert!(sizes["tables"]["DeviceProcessEvents"].as_u64().unwrap() > 300, "{sizes}");

    let path = folder.path().to_str().unwrap();
    let tenant = Tenant::start(&["--data", path]);
    let answer = tenant.hunt(BUSY).await;
    assert_eq!(answer["schema"][1], json!({"name": "Times", "type": "Int64"}));
    assert!(answer["results"].as_array().unwrap().len() > 1, "{answer}");

    let query = folder.path().join("busy.kql");
    std::fs::write(&query, BUSY).unwrap();
    let query = query.to_str().unwrap();
    let rows =
        run(&["--format", "json", "kql", "run", query, "--data", path, "--now", "2026-01-10T12:00:00Z"]);
    assert_eq!(json_of(&rows, 0)["results"][0]["rows"], answer["results"]);

    let profile = "DeviceFileEvents | where FileName == 'svchosts.exe' | take 1 | invoke FileProfile(SHA1) \
                   | project ThreatName, Place = geo_info_from_ip_address('203.0.113.77').city";
    let answer = tenant.hunt(profile).await;
    assert_eq!(answer["results"], json!([{"ThreatName": "Ransom:Win32/Lockd.A", "Place": "Amsterdam"}]));
}

#[test]
fn tenants_are_not_mixed_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    generate(folder.path());
    let again = run(&["sim", "generate", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("has files already"));
}

#[test]
fn sysmon_events_become_tables_and_what_is_left_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("sysmon.ndjson");
    let lines = [
        json!({"EventID": 1, "Hostname": "WKS-1", "UtcTime": "2026-01-10 11:00:00.000", "Image": "C:\\a\\cmd.exe",
            "CommandLine": "cmd /c whoami", "RuleName": "T1059"}),
        json!({"@timestamp": "2026-01-10T11:00:01Z", "winlog": {"event_id": 22, "computer_name": "WKS-1",
            "channel": "Microsoft-Windows-Sysmon/Operational", "event_data": {"QueryName": "x.example"}}}),
        json!({"EventID": 16, "Hostname": "WKS-1", "UtcTime": "2026-01-10 11:00:02.000"}),
    ];
    std::fs::write(&events, lines.map(|line| line.to_string()).join("\n")).unwrap();
    let out = folder.path().join("tables");
    let (events, out) = (events.to_str().unwrap(), out.to_str().unwrap());
    let census = json_of(&run(&["--format", "json", "sim", "import", "--sysmon", events, "--out", out]), 0);
    assert_eq!(census["tables"], json!({"DeviceEvents": 1, "DeviceProcessEvents": 1}));
    assert_eq!(census["unmappedEvents"], json!({"16": 1}));
    assert_eq!(census["unmappedFields"], json!([{"event": 1, "field": "RuleName", "count": 1}]));

    let query = folder.path().join("q.kql");
    let text = "DeviceEvents | join kind=inner DeviceProcessEvents on DeviceId \
                | project FileName1, Name = tostring(parse_json(AdditionalFields).DnsQueryString)";
    std::fs::write(&query, text).unwrap();
    let rows = json_of(&run(&["--format", "json", "kql", "run", query.to_str().unwrap(), "--data", out]), 0);
    assert_eq!(rows["results"][0]["rows"], json!([{"FileName1": "cmd.exe", "Name": "x.example"}]));
}
