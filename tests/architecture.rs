//! The house rules that a compiler does not know: who may name whom, where a heavy dependency lives,
//! how long a file gets. The layers are read from the headings in `src/lib.rs`, so they are written
//! once. The rules are functions on text; the tests at the end feed them planted violations.

#![expect(clippy::indexing_slicing, reason = "test helpers; an index out of bounds fails the test")]

#[path = "architecture/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use source::{Form, Named, Source};

/// The rooms that may name a crate, by the crate's name in paths. Everybody else goes through them.
const HOMES: &[(&str, &[&str])] = &[
    ("annotate_snippets", &["diag"]),
    ("anstream", &["cli"]),
    ("arc_swap", &["daemon"]),
    ("async_compression", &["http"]),
    ("aws_lc_rs", &["sim", "tenant", "web"]),
    ("axum", &["sim", "web"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("comfy_table", &["cli"]),
    ("croner", &["cadence"]),
    ("handlebars", &["text"]),
    ("hyper", &["web"]),
    ("hyper_util", &["web"]),
    ("indicatif", &["cli"]),
    ("jsonschema", &["yaml"]),
    ("jsonwebtoken", &["sim", "tenant", "web"]),
    ("kql", &["kql"]),
    ("lettre", &["channel"]),
    ("maud", &["web"]),
    ("minisign_verify", &["settings"]),
    ("notify", &["daemon"]),
    ("p12_keystore", &["tenant"]),
    ("rcgen", &["sim"]),
    ("reqwest", &["http"]),
    ("rhai", &["expr"]),
    ("rustix", &["cli", "clock", "console", "daemon", "fault", "settings", "store"]),
    ("schemars", &["model", "playbook", "settings"]),
    ("secret_service", &["tenant"]),
    ("serde_yaml", &["yaml"]),
    ("sqlx", &["store"]),
    ("tokio_rustls", &["sim"]),
    ("x509_parser", &["sim", "tenant"]),
];

/// The rooms that may touch a part of the standard library that reaches outside the process.
const DOORS: &[(&[&str], &[&str])] = &[
    (&["std", "env"], &["cli", "settings"]),
    (&["std", "fs"], &["cli", "console", "daemon", "feed", "settings", "store", "tenant", "web"]),
    (&["tokio", "fs"], &["cli", "daemon", "settings", "store"]),
];

/// Macros that write to the terminal; only this room may.
const PRINTING: &[&str] = &["print", "println", "eprint", "eprintln"];
const PRINTER: &str = "cli";

/// File and folder names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] =
    &["common", "helper", "helpers", "imp", "manager", "misc", "shared", "types", "util", "utils"];

/// Longest file, tests not counted: what a reader can hold in mind in one sitting.
const LINES_MAX: usize = 500;

/// The rooms of `lib.rs` and their layers.
struct House(BTreeMap<String, usize>);

impl House {
    /// Reads the headings `// Layer N:` and the `pub mod` lines under them.
    fn read(lib: &str) -> Self {
        let mut layer = None;
        let mut rooms = BTreeMap::new();
        for line in lib.lines() {
            if let Some(rest) = line.strip_prefix("// Layer ") {
                let number = rest.split(':').next().expect("a heading has a number");
                layer = Some(number.parse().expect("a layer is a number"));
            } else if let Some(rest) = line.strip_prefix("pub mod ") {
                let layer = layer.expect("every room stands under a layer heading");
                rooms.insert(rest.trim_end_matches(';').to_owned(), layer);
            }
        }
        Self(rooms)
    }

    /// Checks one file; `name` is its path below `src`. Returns one line for each violation.
    fn check(&self, name: &str, text: &str) -> Vec<String> {
        let source = source::read(text);
        let modules = modules_of(name);
        let room = modules.first().map_or("", String::as_str);
        let mut wrong = Vec::new();
        let mut report = |line: usize, what: String| wrong.push(format!("src/{name}:{line}: {what}"));

        for path in &source.paths {
            if let Some(what) = self.arrow(room, &modules, path) {
                report(path.line, what);
            }
            if let Some(what) = homeless(room, path, &source) {
                report(path.line, what);
            }
        }
        for attribute in &source.attributes {
            if matches!(attribute.segments[0].as_str(), "ignore" | "should_panic") {
                report(attribute.line, format!("`#[{}]` hides a failure", attribute.segments[0]));
            }
        }
        if LINES_MAX < source.shipped_lines {
            let lines = source.shipped_lines;
            report(
                LINES_MAX,
                format!("{lines} lines without tests; at most {LINES_MAX}: split it by concept"),
            );
        }
        if !text.starts_with("//!") && name != "lib.rs" {
            report(1, "the file does not say what it is for (`//!`)".to_owned());
        }
        for part in name.trim_end_matches(".rs").split('/') {
            if EMPTY_NAMES.contains(&part) {
                report(1, format!("`{part}` says nothing; name the concept"));
            }
        }
        wrong
    }

    /// What is wrong with the arrow from `room` along `path`, if anything.
    fn arrow(&self, room: &str, modules: &[String], path: &Named) -> Option<String> {
        let target = match path.segments.first().map(String::as_str)? {
            "huntbook" if room.is_empty() => path.segments.get(1)?.clone(),
            "crate" | "super" | "self" if 1 < path.segments.len() => resolve(modules, path),
            _ => return None,
        };
        if room.is_empty() {
            return (target != "cli").then(|| format!("main names `{target}`; it only hands over to `cli`"));
        }
        if target == room {
            return None;
        }
        let Some(layer) = self.0.get(&target) else {
            return Some(format!("`{target}` is no room; name rooms one by one"));
        };
        let own = self.0.get(room)?;
        (own <= layer).then(|| {
            let way = if own == layer { "sideways" } else { "upward" };
            format!("{way}: `{room}` (layer {own}) names `{target}` (layer {layer})")
        })
    }
}

/// The first module of the place that a `crate`, `super` or `self` path leads to; `*` for the crate
/// itself.
fn resolve(modules: &[String], path: &Named) -> String {
    let mut place: Vec<String> = modules.iter().chain(&path.inside).cloned().collect();
    for (index, segment) in path.segments.iter().enumerate() {
        match segment.as_str() {
            "crate" => place.clear(),
            "self" => {}
            "super" => {
                // A bare `super` behind nothing is `pub(super)`, which names nobody.
                place.pop();
            }
            _ => {
                place.extend(path.segments.iter().skip(index).cloned());
                break;
            }
        }
    }
    place.first().cloned().unwrap_or_else(|| "*".to_owned())
}

/// What is wrong with `room` naming `path`, if it is a dependency or a door that lives elsewhere.
fn homeless(room: &str, path: &Named, source: &Source) -> Option<String> {
    let first = path.segments.first()?;
    if path.form == Form::Macro && path.segments.len() == 1 {
        let prints = PRINTING.contains(&first.as_str()) && room != PRINTER;
        return prints.then(|| format!("`{first}!` outside `{PRINTER}`"));
    }
    let names_a_crate = 1 < path.segments.len() || path.form == Form::Import;
    if let Some((_, homes)) = HOMES.iter().find(|(name, _)| name == first) {
        let foreign = names_a_crate && !source.own_names.contains(first) && !homes.contains(&room);
        return foreign.then(|| format!("`{first}` lives in {homes:?}, not in `{room}`"));
    }
    let (door, rooms) = DOORS.iter().find(|(door, _)| {
        door.iter().enumerate().all(|(at, part)| path.segments.get(at).is_some_and(|seen| seen == part))
    })?;
    let door = door.join("::");
    (!rooms.contains(&room) && !room.is_empty())
        .then(|| format!("`{door}` belongs to {rooms:?}, not to `{room}`"))
}

/// The module path of a file below `src`: `tenant/client/mod.rs` is `["tenant", "client"]`.
fn modules_of(name: &str) -> Vec<String> {
    let mut modules: Vec<String> = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    modules.pop_if(|last| matches!(last.as_str(), "mod" | "lib" | "main"));
    modules
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All Rust files below `folder`, sorted, with their texts; names are relative to `root`.
fn rust_files(root: &Path, folder: &Path, out: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            rust_files(root, &path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("it is below the root").display().to_string();
            out.insert(name, fs::read_to_string(&path).expect("a Rust file is text"));
        }
    }
}

/// Files that a `#[cfg(test)] mod NAME;` makes part of the tests.
fn test_files(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut tests = Vec::new();
    for (name, text) in files {
        let folder = modules_of(name).join("/");
        for module in source::read(text).test_modules {
            tests.push(format!("{folder}/{module}.rs"));
            tests.push(format!("{folder}/{module}/"));
        }
    }
    tests
}

#[test]
fn every_file_keeps_the_house_rules() {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let house = House::read(&lib);
    let mut files = BTreeMap::new();
    rust_files(&src(), &src(), &mut files);
    let tests = test_files(&files);
    assert!(20 < files.len(), "the scan found only {} files", files.len());

    let mut wrong = Vec::new();
    for (name, text) in &files {
        let is_test =
            tests.iter().any(|test| name == test || (test.ends_with('/') && name.starts_with(test)));
        if name != "lib.rs" && !is_test {
            wrong.extend(house.check(name, text));
        }
    }
    assert!(wrong.is_empty(), "{} violations:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_folder_is_a_room_and_every_room_a_folder() {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let rooms: Vec<String> = House::read(&lib).0.into_keys().collect();
    let mut folders: Vec<String> = fs::read_dir(src())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("mod.rs").is_file())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    assert_eq!(folders, rooms);
}

#[test]
fn the_front_page_lists_every_room_in_its_layer() {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let page = fs::read_to_string(src().join("ARCHITECTURE.md")).unwrap();
    let mut listed = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Ok(layer) = cells[1].parse::<usize>() else { continue };
        for room in cells[2].split('`').skip(1).step_by(2) {
            listed.insert(room.to_owned(), layer);
        }
    }
    assert_eq!(listed, House::read(&lib).0);
}

#[test]
fn every_dependency_with_a_home_is_a_dependency() {
    let manifest = fs::read_to_string(src().join("../Cargo.toml")).unwrap();
    let dependencies: Vec<String> = manifest
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.replace('-', "_"))
        .collect();
    for (name, _) in HOMES {
        assert!(dependencies.iter().any(|dependency| dependency == name), "{name} is not in Cargo.toml");
    }
}

#[test]
fn no_integration_test_is_switched_off() {
    let root = src().join("../tests");
    let mut files = BTreeMap::new();
    rust_files(&root, &root, &mut files);
    for (name, text) in &files {
        for attribute in &source::read(text).attributes {
            let word = attribute.segments[0].as_str();
            assert!(!matches!(word, "ignore" | "should_panic"), "tests/{name}:{}", attribute.line);
        }
    }
}

/// Checks `text` as the file `name` of a small house; expects exactly the `expected` violations.
#[track_caller]
fn check(name: &str, text: &str, expected: &[&str]) {
    let house = House::read(
        "// Layer 0: words.\npub mod model;\npub mod notify;\n// Layer 1: doors.\npub mod http;\npub mod yaml;\n\
         // Layer 2: doing.\npub mod engine;\n// Layer 3: hand.\npub mod cli;\n",
    );
    assert_eq!(house.check(name, &format!("//! Text.\n{text}")), expected);
}

#[test]
fn an_arrow_down_is_fine() {
    check(
        "engine/run.rs",
        "use crate::http::Http;\nuse crate::model;\nfn f() { crate::yaml::parse(); }",
        &[],
    );
}

#[test]
fn an_arrow_up_is_named() {
    check(
        "http/mod.rs",
        "use crate::engine::Run;",
        &["src/http/mod.rs:2: upward: `http` (layer 1) names `engine` (layer 2)"],
    );
}

#[test]
fn an_arrow_sideways_is_named() {
    check(
        "http/mod.rs",
        "fn f() -> crate::yaml::Tree { todo() }",
        &["src/http/mod.rs:2: sideways: `http` (layer 1) names `yaml` (layer 1)"],
    );
}

#[test]
fn an_arrow_in_a_group_is_named() {
    check(
        "http/mod.rs",
        "use crate::{\n    model::{Id, Row},\n    engine::{self, Run as R},\n};",
        &[
            "src/http/mod.rs:4: upward: `http` (layer 1) names `engine` (layer 2)",
            "src/http/mod.rs:4: upward: `http` (layer 1) names `engine` (layer 2)",
        ],
    );
}

#[test]
fn an_arrow_through_super_is_named() {
    check(
        "http/retry.rs",
        "use super::super::engine::Run;\nuse super::Http;",
        &["src/http/retry.rs:2: upward: `http` (layer 1) names `engine` (layer 2)"],
    );
    check(
        "http/mod.rs",
        "mod inner {\n    use super::super::cli;\n    use super::Http;\n}\nuse self::inner::X;",
        &["src/http/mod.rs:3: upward: `http` (layer 1) names `cli` (layer 3)"],
    );
}

#[test]
fn an_arrow_in_a_macro_is_named() {
    check(
        "http/mod.rs",
        "fn f() { assert_eq!(crate::engine::X, 1); }",
        &["src/http/mod.rs:2: upward: `http` (layer 1) names `engine` (layer 2)"],
    );
}

#[test]
fn the_crate_as_a_whole_is_no_room() {
    let no_room = "src/http/mod.rs:2: `*` is no room; name rooms one by one";
    check("http/mod.rs", "use crate::*;", &[no_room]);
    check("http/mod.rs", "use crate as huntbook;", &[no_room]);
    check("http/mod.rs", "use crate::{self as whole};", &[no_room]);
    check("http/mod.rs", "use super::*;", &[no_room]);
}

#[test]
fn visibility_is_no_arrow() {
    check(
        "http/mod.rs",
        "pub(crate) fn f() {}\npub(super) fn g(self) {}\npub(in crate::http) struct X;",
        &[],
    );
}

#[test]
fn text_and_comments_are_no_arrows() {
    check(
        "http/mod.rs",
        "// use crate::engine;\n/// [`crate::engine::Run`]\nconst A: &str = \"crate::engine\";",
        &[],
    );
    check("http/mod.rs", "const A: &str = r#\"use crate::engine; println!()\"#; /* crate::cli */", &[]);
}

#[test]
fn tests_may_look_anywhere() {
    check(
        "http/mod.rs",
        "#[cfg(test)]\nmod tests {\n    use crate::engine::Run;\n    use reqwest::Client;\n}",
        &[],
    );
    check(
        "http/mod.rs",
        "#[cfg(test)]\nmod tests {}\nuse crate::engine::Run;",
        &["src/http/mod.rs:4: upward: `http` (layer 1) names `engine` (layer 2)"],
    );
    check(
        "http/mod.rs",
        "#[cfg(not(test))]\nuse crate::engine::Run;",
        &["src/http/mod.rs:3: upward: `http` (layer 1) names `engine` (layer 2)"],
    );
}

#[test]
fn main_hands_over_to_the_hand() {
    check("main.rs", "fn main() { huntbook::cli::main() }", &[]);
    check(
        "main.rs",
        "use huntbook::engine::run;",
        &["src/main.rs:2: main names `engine`; it only hands over to `cli`"],
    );
}

#[test]
fn a_dependency_outside_its_home_is_named() {
    check("http/mod.rs", "use reqwest::Client;", &[]);
    check(
        "engine/mod.rs",
        "use reqwest::Client;",
        &["src/engine/mod.rs:2: `reqwest` lives in [\"http\"], not in `engine`"],
    );
    check(
        "engine/mod.rs",
        "fn f(c: &::reqwest::Client) {}",
        &["src/engine/mod.rs:2: `reqwest` lives in [\"http\"], not in `engine`"],
    );
    check(
        "engine/mod.rs",
        "#[derive(clap::Parser)]\nstruct A;",
        &["src/engine/mod.rs:2: `clap` lives in [\"cli\"], not in `engine`"],
    );
}

#[test]
fn a_room_may_be_called_like_a_crate() {
    check("engine/mod.rs", "use crate::notify;\nfn f() { notify::send(); let notify = 1; }", &[]);
    check("engine/mod.rs", "use crate::notify::{self, Stage};\nfn f() { notify::send(); }", &[]);
    check("engine/mod.rs", "mod notify;\nuse notify::Stage;", &[]);
    check(
        "engine/mod.rs",
        "use notify::Watcher;",
        &["src/engine/mod.rs:2: `notify` lives in [\"daemon\"], not in `engine`"],
    );
}

#[test]
fn a_door_in_a_foreign_room_is_named() {
    check(
        "engine/mod.rs",
        "use std::{env, fs as files};",
        &[
            "src/engine/mod.rs:2: `std::env` belongs to [\"cli\", \"settings\"], not to `engine`",
            "src/engine/mod.rs:2: `std::fs` belongs to [\"cli\", \"console\", \"daemon\", \"feed\", \"settings\", \"store\", \"tenant\", \"web\"], not to `engine`",
        ],
    );
    check(
        "engine/mod.rs",
        "async fn f() { tokio::fs::read(a).await; }",
        &[
            "src/engine/mod.rs:2: `tokio::fs` belongs to [\"cli\", \"daemon\", \"settings\", \"store\"], not to `engine`",
        ],
    );
    check("cli/mod.rs", "use std::env;", &[]);
}

#[test]
fn printing_outside_the_hand_is_named() {
    check("cli/mod.rs", "fn f() { println!(); }", &[]);
    check("engine/mod.rs", "fn f() { eprintln!(); }", &["src/engine/mod.rs:2: `eprintln!` outside `cli`"]);
}

#[test]
fn a_switched_off_test_is_named() {
    check("engine/mod.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}", &[]);
    check("engine/mod.rs", "#[ignore]\nfn f() {}", &["src/engine/mod.rs:2: `#[ignore]` hides a failure"]);
}

#[test]
fn a_long_file_is_named_and_its_tests_do_not_count() {
    let line = "const A: u8 = 1;\n";
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", line.repeat(600));
    check("engine/mod.rs", &format!("{}{tests}", line.repeat(499)), &[]);
    check(
        "engine/mod.rs",
        &format!("{}{tests}", line.repeat(500)),
        &["src/engine/mod.rs:500: 501 lines without tests; at most 500: split it by concept"],
    );
}

#[test]
fn an_empty_name_is_named() {
    check("engine/utils.rs", "", &["src/engine/utils.rs:1: `utils` says nothing; name the concept"]);
    check(
        "engine/helpers/mod.rs",
        "",
        &["src/engine/helpers/mod.rs:1: `helpers` says nothing; name the concept"],
    );
}

#[test]
fn a_file_without_a_purpose_is_named() {
    let house = House::read("// Layer 0: words.\npub mod model;\n");
    assert_eq!(
        house.check("model/id.rs", "struct X;"),
        ["src/model/id.rs:1: the file does not say what it is for (`//!`)"]
    );
}

#[test]
fn a_test_module_in_its_own_file_is_a_test_file() {
    let files =
        BTreeMap::from([("http/mod.rs".to_owned(), "#[cfg(test)]\nmod tests;\nmod retry;".to_owned())]);
    assert_eq!(test_files(&files), ["http/tests.rs", "http/tests/"]);
}
