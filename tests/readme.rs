//! The README keeps its word: every command line it shows parses, its settings and playbooks validate,
//! its permissions are those of the catalogue, its table of nulls is true, and its links lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use huntbook::action::ActionKind;
use huntbook::clock::{SharedClock, SystemClock};
use huntbook::expr::{Condition, Env, Language, Names, Place, Subject};
use huntbook::model::{CellRef, List, Projection, RowView};
use huntbook::sim::{Sim, SimApp, SimOptions};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("there is a README")
}

/// The fenced blocks of a language, each with the number of the line it starts after.
fn blocks(language: &str) -> Vec<(usize, String)> {
    let text = readme();
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut inside = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (line.strip_prefix("```"), inside) {
            (Some(opened), None) => {
                inside = Some(opened == language);
                if opened == language {
                    found.push((number, String::new()));
                }
            }
            (Some(_), Some(_)) => inside = None,
            (None, Some(true)) => {
                let (_, block) = found.last_mut().expect("a block is open");
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    found
}

/// The words of a shell line; knows double quotes and comments.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in line.split(" # ").next().unwrap_or_default().chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            _ => word.push(character),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// The arguments of every call of huntbook that the README shows, in blocks and in the running text.
fn calls() -> Vec<Vec<String>> {
    let blocks = blocks("sh");
    let lines = blocks.iter().flat_map(|(_, block)| block.lines().map(str::to_owned));
    let text = readme();
    let spans = text.split('`').skip(1).step_by(2).map(str::to_owned);
    lines
        .chain(spans)
        .filter_map(|line| {
            let rest =
                line.strip_prefix("huntbook ").or_else(|| line.strip_prefix("cargo run --release -- "))?;
            Some(words(rest))
        })
        .collect()
}

/// A call without the file its results go to (`> FILE`), and that file.
fn redirected(call: &[String]) -> (&[String], Option<&String>) {
    let mut parts = call.splitn(2, |word| word == ">");
    let arguments = parts.next().unwrap_or_default();
    (arguments, parts.next().and_then(|rest| rest.first()))
}

fn huntbook(arguments: &[String], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_huntbook"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .expect("the binary starts")
}

#[test]
fn every_call_it_shows_parses() {
    let calls = calls();
    assert!(8 <= calls.len(), "found only {calls:?}");
    for call in calls {
        let mut call = redirected(&call).0.to_vec();
        call.push("--help".to_owned());
        let output = huntbook(&call, root());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "huntbook {}: {error}", call.join(" "));
        assert!(!output.stdout.is_empty(), "huntbook {} says nothing", call.join(" "));
    }
}

#[test]
fn every_script_it_shows_is_there() {
    let mut seen = 0;
    for (line, block) in blocks("sh") {
        for call in block.lines().filter(|call| call.starts_with("tests/")) {
            let script = call.split(' ').next().unwrap_or_default();
            assert!(root().join(script).is_file(), "README.md:{line}: {script}");
            seen += 1;
        }
    }
    assert!(0 < seen, "it shows how to run the tests");
}

/// Whether a block is a file of tests.
fn is_tests(block: &str) -> bool {
    block.lines().next().is_some_and(|line| line.ends_with("test.schema.json"))
}

#[test]
fn its_settings_and_playbooks_validate() {
    let folder = tempfile::tempdir().expect("a folder of our own");
    fs::create_dir(folder.path().join("playbooks")).expect("a new folder");
    let (mut settings, mut playbooks) = (0, 0);
    for (line, block) in blocks("yaml") {
        let name = if block.starts_with("# huntbook.yaml") {
            settings += 1;
            "huntbook.yaml".to_owned()
        } else if is_tests(&block) {
            "playbooks/psexec.test.yaml".to_owned()
        } else {
            playbooks += 1;
            format!("playbooks/line-{line}.yaml")
        };
        fs::write(folder.path().join(name), block).expect("the folder is ours");
    }
    assert!(settings == 1 && 0 < playbooks, "{settings} settings, {playbooks} playbooks");
    let output = huntbook(&["validate".to_owned()], folder.path());
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{error}");
}

/// The settings and the playbook of the README, and the simulated tenant in place of the real one.
async fn follow(folder: &Path) -> Sim {
    let clock: SharedClock = Arc::new(SystemClock);
    let options = SimOptions::story(clock.now()).expect("the story is sound");
    let sim = Sim::start(options, clock).await.expect("the tenant starts");
    let ends = sim.endpoints();
    let endpoints =
        format!("endpoints: {{login: \"{}\", graph: \"{}\", mde: \"{}\"}}", ends.login, ends.graph, ends.mde);
    for name in ["playbooks", "schemas", "hunts"] {
        fs::create_dir(folder.join(name)).expect("a new folder");
    }
    for (_, block) in blocks("kql") {
        fs::write(folder.join("hunts/psexec.kql"), block).expect("the folder is ours");
    }
    for (_, block) in blocks("yaml") {
        if block.starts_with("# huntbook.yaml") {
            let settings = block
                .replace("11111111-2222-4333-8444-555555555555", SimOptions::TENANT_ID)
                .replace("66666666-7777-4888-8999-000000000000", SimApp::CLIENT_ID)
                .replace("tags: [production]", &endpoints)
                .replace(
                    "url: {env: SOC_TEAMS_URL}",
                    "url: {env: SOC_TEAMS_URL}\n      privateAddresses: true",
                )
                // The simulated tenant has nineteen devices.
                .replace(
                    "guards:\n",
                    "guards:\n  maxTargetsOfTenant: 5\n  maxPercentOfDevicesInRun: {freely: 20}\n",
                );
            fs::write(folder.join("huntbook.yaml"), settings).expect("the folder is ours");
        } else if is_tests(&block) {
            fs::write(folder.join("playbooks/psexec.test.yaml"), block).expect("the folder is ours");
        } else {
            fs::write(folder.join("playbooks/psexec.yaml"), block).expect("the folder is ours");
        }
    }
    sim
}

#[tokio::test(flavor = "multi_thread")]
async fn its_five_minutes_work() {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let sim = follow(folder.path()).await;
    let teams = format!("{}/teams/soc", sim.endpoints().hooks);
    let mut seen = 0;
    let calls = blocks("sh").into_iter().flat_map(|(_, block)| block.lines().map(words).collect::<Vec<_>>());
    for call in calls.filter(|call| call.first().is_some_and(|word| word == "huntbook")) {
        let (arguments, file) = redirected(&call[1..]);
        if arguments
            .first()
            .is_some_and(|word| matches!(word.as_str(), "serve" | "sim" | "import" | "approve" | "deny"))
        {
            continue; // Their own tests run them: two do not end, the others need what people have or say.
        }
        let output = Command::new(env!("CARGO_BIN_EXE_huntbook"))
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .env("CONTOSO_SECRET", SimApp::SECRET)
            .env("SOC_TEAMS_URL", &teams)
            .output()
            .expect("the binary starts");
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "huntbook {}: {text}", arguments.join(" "));
        assert!(!text.contains(SimApp::SECRET), "huntbook {} shows a secret", arguments.join(" "));
        if let Some(file) = file {
            fs::write(folder.path().join(file), &output.stdout).expect("the folder is ours");
        }
        seen += 1;
    }
    assert!(4 <= seen, "it shows only {seen} calls");
    for (_, block) in blocks("yaml") {
        let first = block.lines().next().unwrap_or_default();
        let Some((_, schema)) = first.split_once("$schema=../") else { continue };
        let text = fs::read_to_string(folder.path().join(schema)).expect(schema);
        assert!(text.contains("$schema"), "{schema} is no schema");
    }
    assert!(
        sim.messages().iter().any(|message| message.body.contains("PsExec fan-out")),
        "a playbook that observes tells what it saw"
    );
    assert!(
        sim.requests().iter().any(|request| request.path.ends_with("/runHuntingQuery")),
        "nothing was hunted"
    );
    assert!(sim.effects().is_empty(), "a playbook that observes has changed {:?}", sim.effects());
    sim.stop().await;
}

#[test]
fn its_permissions_are_those_of_the_catalogue() {
    let text = readme();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    for kind in ActionKind::ALL {
        let name = format!("`{kind}`");
        let row = rows.iter().find(|row| row.contains(&name)).unwrap_or(&"");
        for role in kind.permissions().map(huntbook::tenant::Permission::least) {
            assert!(row.contains(&format!("`{role}`")), "{name} needs {role}: {row}");
        }
        let api = kind.audience().portal_name();
        assert!(row.contains(api), "{name} is of {api}: {row}");
    }
}

/// What a condition says of a row in which `X` is null; `None` for an error, when it is read or met.
fn says(source: &str) -> Option<bool> {
    let columns = Some(huntbook::expr::Columns::named(["X"]));
    let names = Names {
        subject: Subject::Rows { columns },
        lists: ["servers".to_owned()].into(),
        place: Place::Where,
    };
    let condition = Condition::compile(&Language::new(), source, &names).ok()?;
    let projection = Arc::new(Projection::new(["X"]));
    let lists = [List::new("servers", ["srv01"])].into_iter().collect();
    let run = serde_json::Value::Null;
    let env = Env { now: jiff::Timestamp::UNIX_EPOCH, run: &run, outcome: None };
    let row = RowView { projection: &projection, cells: &[CellRef::Null] };
    condition.bind(&projection, &lists).test_row(&row, &env).ok()
}

#[test]
fn its_conditions_about_null_are_what_it_says() {
    let text = readme();
    let rows: Vec<&str> =
        text.lines().filter(|line| line.starts_with("| `") && line.contains("row.X")).collect();
    assert_eq!(rows.len(), 8);
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [conditions, meaning] = cells.as_slice() else { panic!("{row}") };
        let expected = match meaning {
            meaning if meaning.starts_with("true") => Some(true),
            meaning if meaning.starts_with("false") => Some(false),
            meaning => {
                assert!(meaning.starts_with("an error"), "{row}");
                None
            }
        };
        for condition in conditions.split('`').skip(1).step_by(2) {
            assert_eq!(says(condition), expected, "`{condition}`");
        }
    }
    assert_eq!(says("row.X <= 3"), Some(false));
}

#[test]
fn its_links_and_paths_lead_somewhere() {
    let text = readme();
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local: Vec<&str> = links.filter(|link| !link.starts_with("http")).collect();
    let folders = text.split('`').skip(1).step_by(2).filter(|span| span.ends_with('/'));
    let mut missing: Vec<PathBuf> = Vec::new();
    for name in local.iter().copied().chain(folders) {
        // `lists/` is a folder of the reader's own project, not of ours.
        let path = root().join(name.split('#').next().unwrap_or_default());
        if name != "lists/" && !path.exists() {
            missing.push(path);
        }
    }
    assert!(2 < local.len(), "it has links");
    assert!(missing.is_empty(), "{missing:?}");
}
