//! What a device or a sender of mail can put into a row goes through a real run to every reader: mail, Teams,
//! Slack, webhook, the terminal, the log and JSON. To each it is text, and nothing but text.

#![expect(clippy::panic, clippy::indexing_slicing, clippy::expect_used, reason = "test helpers")]

#[path = "hostile/corpus.rs"]
mod corpus;
#[path = "history/held.rs"]
mod held;
#[path = "history/mod.rs"]
mod history;
#[path = "hostile/oracles.rs"]
mod oracles;
#[path = "channel/python.rs"]
mod python;
#[path = "hostile/reader.rs"]
mod reader;
#[path = "hostile/values.rs"]
mod values;

use std::path::Path;
use std::sync::Arc;

use held::Held;
use huntbook::clock::SystemClock;
use huntbook::sim::{CannedHunter, HuntColumn, HuntTable, Sim, SimApp, SimOptions};
use huntbook::text::encode;
use reader::{assert_harmless, slack, teams};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

/// One of everything that some reader would take for more than text.
const EVIL: &str = "<script>alert(1)</script><img src=x onerror=alert(2)> <!channel>\r\nBcc: victim@evil.example\r\n\r\n <@U012ABCDEF> \
                    <https://evil.example|click> [click](https://evil.example) {{row.DeviceId}} {{{{raw}}}} ${DeviceId} \
                    {{DATE(2026-01-01T00:00:00Z)}} \u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7} \u{202e}gpj.exe\u{202c} \
                    \u{2066}iso\u{2069} \u{0} \u{9b}1m =?utf-8?q?evil?= 'q' \"q\" `c` *b* _i_";
/// More than any of the receivers shows.
const LARGE: usize = 1_000_000;
/// More than any text may have.
const TOO_LARGE: usize = 1 << 20;

const PLAYBOOK: &str = "schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Hostile rows
mode: enforce
severity: High
hunt:
  query: DeviceEvents | where Timestamp > ago(1h) | project DeviceId, Text = FileName | take 3
  identity: [Text]
suppress: {by: [Text], for: 1h}
actions:
  - isolateDevice: {device: \"{{row.DeviceId}}\", comment: \"{{row.Text}}\"}
notify:
  - {channel: mail, group: item, title: \"{{row.Text}}\", text: \"{{row.Text}}\"}
  - {channel: teams, group: item, title: \"{{row.Text}}\", text: \"{{row.Text}}\"}
  - {channel: slack, group: item, title: \"{{row.Text}}\", text: \"{{row.Text}}\"}
  - {channel: siem, group: item, title: \"{{row.Text}}\", text: \"{{row.Text}}\"}
  - {channel: collector, group: item, title: \"{{row.Text}}\", text: \"{{row.Text}}\"}
";

/// What takes the place of a text that cannot be rendered.
const UNRENDERED: &str = "its title could not be rendered: the text is longer than 1048576 bytes";

async fn tenant() -> (Arc<Sim>, Vec<String>) {
    let mut options = SimOptions::sample().expect("the sample");
    let devices: Vec<String> =
        options.data.machines.iter().take(3).map(|machine| machine.id.clone()).collect();
    let [large, too_large] = [LARGE, TOO_LARGE].map(|size| format!("{EVIL}{}", "A".repeat(size)));
    let rows = [EVIL, &large, &too_large].into_iter().zip(&devices);
    let rows = rows.filter_map(|(text, id)| json!({"DeviceId": id, "Text": text}).as_object().cloned());
    let columns = ["DeviceId", "Text"].map(|name| HuntColumn::new(name, "String")).to_vec();
    let table = HuntTable::new(columns, rows.collect());
    options.hunter = Arc::new(CannedHunter::new().when("DeviceEvents", Ok(table)));
    let sim = Sim::start(options, Arc::new(SystemClock)).await.expect("the tenant starts");
    (Arc::new(sim), devices)
}

fn project(sim: &Sim, mail: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let (at, hooks) = (sim.endpoints(), sim.endpoints().hooks);
    let settings = json!({
        "tenants": {"contoso": {
            "tenantId": SimOptions::TENANT_ID,
            "auth": {"clientSecret": {"clientId": SimApp::CLIENT_ID, "secret": {"env": "SIM_SECRET"}}},
            "endpoints": {"login": at.login, "graph": at.graph, "mde": at.mde, "xdr": at.xdr},
        }},
        "channels": {
            "mail": {"email": {
                "host": "127.0.0.1", "port": mail, "security": "none",
                "from": "huntbook@contoso.example", "to": ["soc@contoso.example"],
            }},
            "teams": {"teams": {"url": {"env": "TEAMS_URL"}, "privateAddresses": true, "columns": ["Text"]}},
            "slack": {"slack": {"url": {"env": "SLACK_URL"}, "privateAddresses": true, "columns": ["*"]}},
            "siem": {"webhook": {"url": format!("{hooks}/webhook/siem"), "privateAddresses": true}},
            "collector": {"webhook": {
                "url": format!("{hooks}/webhook/collector"), "privateAddresses": true, "format": "cef",
            }},
        },
        // The tenant has no more devices than these.
        "guards": {"maxTargetsOfTenant": 50, "maxPercentOfDevicesInRun": {"freely": 100}},
    });
    std::fs::write(dir.path().join("huntbook.yaml"), settings.to_string()).expect("a file");
    std::fs::create_dir(dir.path().join("playbooks")).expect("a folder");
    std::fs::write(dir.path().join("playbooks/hostile.yaml"), PLAYBOOK).expect("a file");
    dir
}

async fn huntbook(dir: &Path, sim: &Sim, arguments: &[&str]) -> (String, String) {
    let hooks = sim.endpoints().hooks;
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_huntbook"))
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .env("SIM_SECRET", SimApp::SECRET)
        .env("TEAMS_URL", format!("{hooks}/teams/soc"))
        .env("SLACK_URL", format!("{hooks}/slack/soc"))
        .output()
        .await
        .expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    let expected = i32::from(arguments[0] == "run");
    assert_eq!(output.status.code(), Some(expected), "{out}{err}");
    (out, err)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_row_is_nothing_but_text_to_every_reader() {
    let mut server = python::script("smtp_server.py").args(["--mode", "plain"]).spawn().expect("it starts");
    let mut mails = BufReader::new(server.stdout.take().expect("a pipe")).lines();
    let mut next_mail = async || -> Value {
        let line = mails.next_line().await.expect("a pipe").expect("a line");
        serde_json::from_str(&line).expect("JSON")
    };
    let port = next_mail().await["port"].as_u64().expect("a port");
    let (sim, devices) = tenant().await;
    let dir = project(&sim, port);
    let history = Held::new(dir.path().join("huntbook.db"));
    history.tenant("contoso", &sim);
    let (out, log) = huntbook(dir.path(), &sim, &["run", "hostile", "--log", "huntbook=trace"]).await;
    assert_harmless("run", &out);
    assert_harmless("log", &log);
    assert!(out.contains(r"<script>alert(1)</script>"), "a terminal reads no HTML: {out}");

    let mut unrendered = 0;
    for _item in 0..3 {
        let mail = next_mail().await;
        if mail["plain"].as_str().is_some_and(|text| text.contains(UNRENDERED)) {
            unrendered += 1;
        } else {
            check_mail(&mail);
        }
    }
    assert_eq!(unrendered, 1, "who is told of a row that is too large is told of it all the same");
    let messages = sim.messages();
    for (sink, check) in
        [("teams", check_teams as fn(&Value)), ("slack", check_slack), ("webhook", check_webhook)]
    {
        let bodies: Vec<Value> = messages
            .iter()
            .filter(|message| message.sink == sink && message.name != "collector")
            .map(|message| serde_json::from_str(&message.body).expect("JSON"))
            .collect();
        let (ours, rows): (Vec<&Value>, Vec<&Value>) =
            bodies.iter().partition(|body| body.to_string().contains(UNRENDERED));
        assert_eq!((ours.len(), rows.len()), (1, 2), "{sink}");
        rows.into_iter().for_each(check);
    }
    let events = messages.iter().filter(|message| message.name == "collector");
    check_events(events.map(|message| message.body.as_str()).collect()).await;
    let isolated: Vec<String> = sim.effects().into_iter().map(|effect| effect.target).collect();
    assert_eq!(isolated, devices[..2], "what a row says decides nothing but what the playbook says");

    let (out, _log) = huntbook(dir.path(), &sim, &["runs", "--format", "json"]).await;
    let runs: Value = serde_json::from_str(&out).expect("JSON");
    let id = runs[0]["run"].as_str().expect("an id").to_owned();
    for more in [&["show", &id, "--all"][..], &["runs"], &["status"]] {
        let (out, err) = huntbook(dir.path(), &sim, more).await;
        assert_harmless(more[0], &out);
        assert_harmless(more[0], &err);
    }
    for more in [["runs"].as_slice(), &["journal", "list"], &["journal", "export"]] {
        let (out, _log) = huntbook(dir.path(), &sim, &[more, &["--format", "csv"]].concat()).await;
        assert_harmless("CSV", &out.replace("\r\n", "\n"));
        check_table(&out).await;
    }
    let (out, _log) = huntbook(dir.path(), &sim, &["show", &id, "--format", "json"]).await;
    assert_harmless("JSON", &out);
    let shown: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(shown["items"][0]["data"]["Text"], EVIL, "machines get what the tenant said");
}

/// Has a script in Python read what was written.
async fn read_by(script: &str, written: &Value) -> Value {
    let mut reader = python::script(script).spawn().expect("it starts");
    let mut input = reader.stdin.take().expect("a pipe");
    input.write_all(written.to_string().as_bytes()).await.expect("it reads");
    drop(input);
    let read = reader.wait_with_output().await.expect("it ends");
    assert!(read.status.success(), "what was written cannot be read");
    serde_json::from_slice(&read.stdout).expect("JSON")
}

/// Has Python read tables and events.
async fn read_tables(csv: &str, cef: &[&str]) -> Value {
    read_by("read_tables.py", &json!({"csv": csv, "cef": cef})).await
}

/// No field of a table is a formula, and all records have as many fields as the head.
async fn check_table(csv: &str) -> Value {
    let read = read_tables(csv, &[]).await["csv"].take();
    let records = read.as_array().expect("records");
    let width = records[0].as_array().map(Vec::len);
    for record in records {
        let fields = record.as_array().expect("fields");
        assert_eq!(Some(fields.len()), width, "{record}");
        for field in fields.iter().filter_map(Value::as_str) {
            let formula = field
                .trim_start_matches(' ')
                .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
            assert!(!formula, "{field:?}");
        }
    }
    read
}

/// Each message is one event whose keys are ours.
async fn check_events(bodies: Vec<&str>) {
    assert_eq!(bodies.len(), 3);
    let lines: Vec<&str> = bodies.iter().map(|body| body.strip_suffix('\n').expect("a line")).collect();
    let read = read_tables("", &lines).await;
    for event in read["cef"].as_array().expect("events") {
        let header = event[0].as_array().expect("a header");
        assert_eq!(
            (&header[..3], header.len()),
            (&[json!("CEF:0"), json!("huntbook"), json!("huntbook")][..], 7)
        );
        assert_eq!((&header[4], &header[6]), (&json!("Hostile rows"), &json!("8")));
        let keys: Vec<&String> = event[1].as_object().expect("keys").keys().collect();
        assert_eq!(
            keys,
            ["rt", "externalId", "cs1Label", "cs1", "cs2Label", "cs2", "cs3Label", "cs3", "msg"]
        );
        assert_eq!((&event[1]["cs1"], &event[1]["cs3Label"]), (&json!("contoso"), &json!("facts")));
        assert_harmless("event", event[1]["msg"].as_str().expect("a text"));
    }
}

/// What becomes of line ends and tabs.
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    Stay,
    MayBeBlank,
}

/// What a reader of an encoded text is to get of it: the same, but that what cannot be seen may be a mark.
fn is_visible(read: &str, text: &str, ends: Ends) -> bool {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let is_same = |(read, was): (char, char)| match was {
        '\n' | '\t' if ends == Ends::MayBeBlank => read == ' ' || read == was,
        '\n' | '\t' => read == was,
        was => read == was || (read == '\u{fffd}' && !was.is_alphanumeric() && !was.is_ascii_graphic()),
    };
    read.chars().count() == text.chars().count() && read.chars().zip(text.chars()).all(is_same)
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_events_read_back_in_other_programs() {
    let texts = corpus::texts();
    let table: String = texts.iter().map(|text| encode::csv([text.as_str(), "end"])).collect();
    let events: Vec<String> = texts
        .iter()
        .map(|text| encode::cef([text, text, "1", text, text, "5"], [("one", text.as_str()), ("two", text)]))
        .collect();
    let lines: Vec<&str> = events.iter().map(String::as_str).collect();
    let read = read_tables(&table, &lines).await;
    check_table(&table).await;
    for (index, text) in texts.iter().enumerate() {
        let record = &read["csv"][index];
        let field = record[0].as_str().expect("a text");
        assert_eq!(record[1], "end", "{text:?}");
        let guarded = field.strip_prefix('\'').is_some_and(|field| is_visible(field, text, Ends::Stay));
        assert!(guarded || is_visible(field, text, Ends::Stay), "{text:?}: {field:?}");
        let event = &read["cef"][index];
        for place in [1, 2, 4, 5] {
            let part = event[0][place].as_str().expect("a text");
            assert!(is_visible(part, text, Ends::MayBeBlank), "{text:?}: {part:?}");
        }
        for key in ["one", "two"] {
            let value = event[1][key].as_str().expect("a text");
            assert!(is_visible(value, text, Ends::MayBeBlank), "{text:?}: {value:?}");
        }
        assert_eq!(event[1].as_object().map(serde_json::Map::len), Some(2), "{text:?}");
    }
}

fn check_mail(mail: &Value) {
    assert_eq!(mail["defects"], json!([]));
    assert_eq!(
        (&mail["bare_newlines"], &mail["kinds"]),
        (&json!(0), &json!(["multipart/alternative", "text/plain", "text/html"]))
    );
    assert!(mail["longest_line"].as_u64().is_some_and(|length| length <= 998), "{}", mail["longest_line"]);
    let headers = mail["headers"].as_array().expect("headers");
    assert!(headers.iter().all(|header| header[0] != "Bcc"), "{headers:?}");
    assert_eq!(mail["recipients"], json!(["soc@contoso.example"]));
    let subject = headers.iter().find(|header| header[0] == "Subject").and_then(|header| header[1].as_str());
    assert!(
        subject.is_some_and(|subject| subject.contains("<script>") && subject.contains("Bcc:")),
        "{subject:?}"
    );
    assert_harmless("subject", subject.unwrap_or_default());
    for part in ["plain", "html_text"] {
        let text = mail[part].as_str().expect("a text").replace("\r\n", "\n");
        assert_harmless(part, &text);
        assert!(text.contains("<script>alert(1)</script>"), "{part}: {text:.600}");
    }
    let (tags, attributes) = (mail["html_tags"].to_string(), mail["html_attributes"].to_string());
    assert!(
        !tags.contains("script") && !tags.contains("img") && !attributes.contains("onerror"),
        "{tags} {attributes}"
    );
    assert!(mail["size"].as_u64().is_some_and(|size| size < 2 << 20), "{}", mail["size"]);
}

fn check_teams(body: &Value) {
    let found = teams(body);
    assert!(found.iter().any(|text| text.contains("<script>alert(1)</script>")), "{body:.900}");
}

fn check_slack(body: &Value) {
    let read = slack(body);
    assert!(read.iter().any(|text| text.contains("&lt;!channel&gt;")), "{body:.900}");
}

/// A machine gets the text as it is, in a body of a size it can take.
fn check_webhook(body: &Value) {
    let text = body["data"]["text"].as_str().or_else(|| body["text"].as_str());
    let text = text.unwrap_or_else(|| panic!("no text: {body:.900}"));
    assert!(text.contains("<script>alert(1)</script>") && text.contains("<!channel>"), "{text:.900}");
    assert!(body.to_string().len() <= 1 << 20);
}
