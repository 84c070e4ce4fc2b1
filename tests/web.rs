//! The page of `huntbook serve`, over HTTP and in a browser, through the binary.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test helpers; what is missing fails the test"
)]

#[path = "web/browser.rs"]
mod browser;
#[path = "history/held.rs"]
mod held;
#[path = "history/mod.rs"]
mod history;
#[path = "oidc/mod.rs"]
mod oidc;
#[path = "web/overview.rs"]
mod overview;
#[path = "web/phone.rs"]
mod phone;
#[path = "web/provider.rs"]
mod provider;
#[path = "web/site.rs"]
mod site;

use std::fmt::Write as _;

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::store::STOP_FILE;
use huntbook::web::ROUTES;
use jiff::SignedDuration;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};

use site::{DUTY, LEAD, LOOKS_MAX, READER, Site};

/// The routes, with ids of things that are there.
async fn routes(site: &Site) -> Vec<(Method, String)> {
    let asked = site.asked().await;
    let id = |path: &str| {
        let of = if path.starts_with("/runs") { "run" } else { "id" };
        path.replace("{id}", asked[of].as_str().unwrap())
    };
    ROUTES.iter().map(|(method, path)| (method.parse().unwrap(), id(path))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_is_for_those_it_is_for() {
    let site = Site::open(1).await;
    let (reader, lead) = (site.visitor(READER).await, site.visitor(LEAD).await);
    let mut table = Vec::new();
    for ((method, path), (_, named)) in routes(&site).await.into_iter().zip(ROUTES) {
        if named.starts_with("/sign-") && method == Method::POST {
            continue;
        }
        let mut row = format!("{method} {named}:");
        for visitor in [None, Some(&reader), Some(&lead)] {
            let cookie = visitor.map(|visitor| visitor.cookie.as_str());
            let answer = if method == Method::GET {
                site.get(&path, cookie).await
            } else {
                let token = visitor.map_or("", |visitor| visitor.token.as_str());
                // Nothing that would be heard: what counts is how far they get.
                let fields = [("token", token), ("word", "approve"), ("tenant", "nowhere"), ("by", "duty")];
                site.request(method.clone(), &path, cookie).form(&fields).send().await.unwrap()
            };
            write!(row, " {}", answer.status().as_u16()).unwrap();
        }
        table.push(row);
    }
    insta::assert_snapshot!(table.join("\n"), @r"
    GET /: 303 200 200
    GET /approvals: 303 200 200
    GET /approvals/{id}: 303 200 200
    GET /icon.svg: 200 200 200
    GET /live: 403 200 200
    GET /live.js: 200 200 200
    GET /runs: 303 200 200
    GET /runs/{id}: 303 200 200
    GET /sessions: 303 200 200
    GET /sign-in: 200 200 200
    GET /sign-in/back: 404 404 404
    GET /sign-in/provider: 404 404 404
    GET /style.css: 200 200 200
    POST /approvals/{id}: 403 403 403
    POST /edits/{id}: 403 409 409
    POST /resume: 403 400 400
    POST /sessions: 403 303 303
    POST /stop: 403 400 400
    ");
    assert_eq!(site.asked().await["state"], "awaiting");
    for (method, path, status) in
        [(Method::PUT, "/", 405), (Method::GET, "/stop", 405), (Method::GET, "/../etc/passwd", 404)]
    {
        assert_eq!(site.request(method, path, None).send().await.unwrap().status(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn to_look_changes_nothing() {
    let site = Site::open(1).await;
    let lead = site.visitor(LEAD).await;
    let before = site.journal().await;
    assert!(before.contains("awaiting"), "{before}");
    for (method, path) in routes(&site).await {
        for way in ["", "?word=approve&token=x", "?word=approve&reason=x&tenant="] {
            // Whatever the route is for: a scanner of links only gets.
            let answer = site.get(&format!("{path}{way}"), Some(&lead.cookie)).await;
            assert!(answer.status().as_u16() < 500, "{method} {path}");
        }
    }
    assert_eq!(site.journal().await, before);
    assert_eq!(site.isolated(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_somebody_else_changes_nothing() {
    let site = Site::open(1).await;
    let (lead, reader) = (site.visitor(LEAD).await, site.visitor(READER).await);
    let (path, before) = (format!("/approvals/{}", site.asked_id().await), site.journal().await);
    let good = [("token", lead.token.as_str()), ("word", "approve")];
    let bare = || site.http.post(format!("{}{path}", site.url)).header(COOKIE, &lead.cookie);
    let ours = || site.request(Method::POST, &path, Some(&lead.cookie));
    let cases = [
        ("no token", ours().form(&[("word", "approve")]), 403),
        ("another's token", ours().form(&[("token", reader.token.as_str()), ("word", "approve")]), 403),
        ("another site", bare().header(ORIGIN, "https://evil.example").form(&good), 403),
        ("a sandbox", bare().header(ORIGIN, "null").form(&good), 403),
        ("nobody knows from where", bare().form(&good), 403),
        ("another port", bare().header(ORIGIN, "http://127.0.0.1:1").form(&good), 403),
        ("a frame", ours().header("sec-fetch-site", "cross-site").form(&good), 403),
        (
            "a name of theirs",
            bare().header(HOST, "evil.example").header(ORIGIN, "http://evil.example").form(&good),
            421,
        ),
        ("no form", ours().header(CONTENT_TYPE, "text/plain").body("token=x&word=approve"), 415),
        ("too much", ours().form(&[("reason", "x".repeat(20_000))]), 413),
        ("nobody", site.request(Method::POST, &path, None).form(&good), 403),
        ("a made-up session", site.request(Method::POST, &path, Some("huntbook=made-up")).form(&good), 403),
    ];
    for (what, request, status) in cases {
        assert_eq!(request.send().await.unwrap().status(), status, "{what}");
    }
    assert_eq!(site.journal().await, before);
    // Where a browser says it all, the same form is heard.
    let answer = ours().header("sec-fetch-site", "same-origin").form(&good).send().await;
    assert_eq!(answer.unwrap().status(), 303);
    assert_eq!(site.until("consumed").await["voices"][0]["way"], "page");
    site.until_isolated().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_and_a_session_are_one_persons_for_a_time() {
    let site = Site::open(1).await;
    let sign_in = |code: String, cookie: Option<String>| {
        site.request(Method::POST, "/sign-in", cookie.as_deref()).form(&[("code", code)]).send()
    };
    let code = site.code(LEAD).await;
    // A session that somebody planted is not the one that begins.
    let planted = site.visitor(READER).await.cookie;
    let answer = sign_in(code.clone(), Some(planted.clone())).await.unwrap();
    let set = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    let (cookie, rest) = set.split_once(';').unwrap();
    assert_eq!(rest, " Path=/; HttpOnly; SameSite=Strict");
    assert!(cookie != planted && 50 < cookie.len(), "{cookie}");
    assert_eq!(site.get("/", Some(&planted)).await.status(), 303);
    assert_eq!(site.get("/", Some(cookie)).await.status(), 200);
    for wrong in [code, "guess".to_owned(), String::new()] {
        let answer = sign_in(wrong, None).await.unwrap();
        assert!(answer.status() == 403 && answer.headers().get(SET_COOKIE).is_none());
    }
    let mut last = 0;
    for _try in 0..12 {
        last = sign_in("guess".to_owned(), None).await.unwrap().status().as_u16();
    }
    assert_eq!(last, 429);
    // Who has a good code comes in all the same; who signs out is out.
    let lead = site.visitor(LEAD).await;
    let out = site.post("/sign-out", &lead, &[]).await;
    assert_eq!((out.status().as_u16(), &out.headers()[LOCATION]), (303, &"/sign-in".parse().unwrap()));
    assert_eq!(site.get("/", Some(&lead.cookie)).await.status(), 303);
    for said in
        ["a code for the page was given out", "somebody signed in", "a code that is not good", "signed out"]
    {
        site.until_logged(said).await;
    }
    let log = site.log();
    assert!(!log.contains(cookie.split_once('=').unwrap().1), "no secret in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_guarded_and_says_nothing_about_the_program() {
    let site = Site::open_at(1, "https://huntbook.contoso.example").await;
    let lead = site.visitor(LEAD).await;
    assert!(lead.cookie.starts_with("__Host-huntbook="), "{}", lead.cookie);
    let code = site.code(LEAD).await;
    let again = site.request(Method::POST, "/sign-in", None).form(&[("code", code)]).send().await.unwrap();
    let set = again.headers()[SET_COOKIE].to_str().unwrap();
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{set}");
    let mut paths: Vec<String> = routes(&site).await.into_iter().map(|(_, path)| path).collect();
    paths.push("/nowhere".to_owned());
    for path in paths {
        let answer = site.get(&path, Some(&lead.cookie)).await;
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
        let policy = header("content-security-policy").unwrap();
        for part in
            ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'self'"]
        {
            assert!(policy.contains(part) && !policy.contains("unsafe"), "{path}: {policy}");
        }
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", "max-age=31536000; includeSubDomains"),
        ] {
            assert_eq!(header(name), Some(value), "{path}: {name}");
        }
        assert!(header("server").is_none() && header("access-control-allow-origin").is_none(), "{path}");
    }
    // Who was asked has a link to the page, which alone does nothing.
    let link = format!("https://huntbook.contoso.example/approvals/{}", site.asked_id().await);
    let told: Vec<String> = site.sim.messages().into_iter().map(|message| message.body).collect();
    assert!(told.iter().any(|body| body.contains(&link)), "{told:?}");
    // By the address it listens at, nobody is answered.
    let direct = site.http.get(&site.url).send().await.unwrap();
    assert_eq!(direct.status(), 421);
    assert!(!direct.text().await.unwrap().contains(env!("CARGO_PKG_VERSION")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_is_one_word_and_two_people_are_two() {
    let site = Site::open(2).await;
    let (lead, duty, reader) =
        (site.visitor(LEAD).await, site.visitor(DUTY).await, site.visitor(READER).await);
    let path = format!("/approvals/{}", site.asked_id().await);
    let yes = [("word", "approve"), ("reason", "seen it")];
    let refused = site.post(&path, &reader, &yes).await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("no approver of the settings has the account"));
    assert_eq!(site.post(&path, &lead, &[("word", "deny")]).await.status(), 400, "why?");
    let (one, other) = tokio::join!(site.post(&path, &lead, &yes), site.post(&path, &lead, &yes));
    let mut both = [one.status().as_u16(), other.status().as_u16()];
    both.sort_unstable();
    assert_eq!(both, [303, 409]);
    let asked = site.asked().await;
    assert_eq!((&asked["state"], asked["voices"].as_array().unwrap().len()), (&"awaiting".into(), 1));
    assert_eq!(site.post(&path, &duty, &yes).await.status(), 303);
    site.until("consumed").await;
    assert_eq!(site.post(&path, &duty, &yes).await.status(), 409);
    site.until_isolated().await;
    let run = site.asked().await["run"].as_str().unwrap().to_owned();
    let shown = site.get(&format!("/runs/{run}"), Some(&lead.cookie)).await.text().await.unwrap();
    assert!(
        shown.contains("approved by duty and lead") || shown.contains("approved by lead and duty"),
        "{shown}"
    );
    let verified = site.json(&["audit", "verify"]).await;
    assert_eq!(verified["intact"], true, "{verified}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_more_what_was_shown_is_not_done() {
    let site = Site::open(1).await;
    let lead = site.visitor(LEAD).await;
    let path = site.dir.path().join("playbooks/cut.yaml");
    let written = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, written.replace("comment: \"drill ", "comment: \"another ")).unwrap();
    site.until_another_version_than(&site.asked().await["shown"]["playbookVersion"]).await;
    let asked = format!("/approvals/{}", site.asked_id().await);
    assert_eq!(site.post(&asked, &lead, &[("word", "approve")]).await.status(), 303);
    site.until("void").await;
    assert_eq!(site.isolated(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_on_the_page_is_the_stop_of_the_command() {
    let site = Site::open(1).await;
    let lead = site.visitor(LEAD).await;
    assert_eq!(site.post("/stop", &lead, &[("reason", "drill"), ("tenant", "")]).await.status(), 303);
    let stops = site.json(&["status"]).await["stops"].clone();
    assert_eq!(
        (&stops[0]["reason"], &stops[0]["uid"], &stops[0]["way"]),
        (&"drill".into(), &LEAD.into(), &"page".into()),
        "{stops}"
    );
    let shown = site.get("/", Some(&lead.cookie)).await.text().await.unwrap();
    assert!(shown.contains("all actions are stopped") && shown.contains("drill"), "{shown}");
    assert_eq!(site.lift(&lead).await.status(), 303);
    assert_eq!(site.json(&["status"]).await["stops"].as_array().unwrap().len(), 0);
    assert_eq!(site.post("/resume", &lead, &[("stop", "of before")]).await.status(), 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lifted_on_the_page_is_what_was_shown() {
    let site = Site::open(1).await;
    let lead = site.visitor(LEAD).await;
    let reasons = async || {
        let stops = site.json(&["status"]).await["stops"].clone();
        let of = |stop: &serde_json::Value| stop["reason"].as_str().unwrap().to_owned();
        stops.as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let playbook = ["--playbook", "Cut servers off"];
    for more in [&["--reason", "here", "--tenant", "contoso"], &["--reason", "there"]] as [&[&str]; 2] {
        assert!(site.say(LEAD, &[&["stop"], &playbook[..], more].concat()).await.status.success());
    }
    let fields = async |name: &str| -> Vec<String> {
        let shown = site.get("/", Some(&lead.cookie)).await.text().await.unwrap();
        let begins = format!("name=\"{name}\" value=\"");
        shown.split(&begins).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let (each, all) = (fields("stop").await, fields("all").await);
    assert_eq!((each.len(), all.len()), (2, 1));
    // Somebody stops something else meanwhile: that is not among what was seen.
    assert!(site.say(LEAD, &["stop", "--reason", "later"]).await.status.success());
    assert_eq!(site.post("/resume", &lead, &[("all", &all[0])]).await.status(), 409);
    assert_eq!(reasons().await.len(), 3);
    // The second stop of the playbook is lifted, and the first stands.
    assert_eq!(site.post("/resume", &lead, &[("stop", &each[1])]).await.status(), 303);
    assert_eq!(reasons().await, ["here", "later"]);
    assert_eq!(site.post("/resume", &lead, &[("stop", &each[1])]).await.status(), 409);
    // So does that of everything, when the file that says the same is lifted.
    std::fs::write(site.dir.path().join(STOP_FILE), "touched").unwrap();
    assert_eq!(reasons().await, ["here", "later", "touched"]);
    let file = fields("stop").await.pop().unwrap();
    assert_eq!(site.post("/resume", &lead, &[("stop", &file)]).await.status(), 303);
    assert_eq!(reasons().await, ["here", "later"]);
    assert_eq!(site.lift(&lead).await.status(), 303);
    assert!(reasons().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_on_the_page_needs_no_journal_and_what_its_file_says_is_text() {
    let site = Site::open(1).await;
    let lead = site.visitor(LEAD).await;
    let file = site.dir.path().join(STOP_FILE);
    let journal = SqliteConnectOptions::new().filename(site.dir.path().join("huntbook.db"));
    let mut somebody = journal.connect().await.unwrap();
    somebody.execute("BEGIN IMMEDIATE").await.unwrap();
    let fields = [("reason", "<b>drill</b>"), ("tenant", "contoso")];
    assert_eq!(site.post("/stop", &lead, &fields).await.status(), 303);
    assert!(file.exists());
    somebody.execute("ROLLBACK").await.unwrap();
    // Nor does it need one that says which playbooks there are.
    std::fs::remove_file(&file).unwrap();
    somebody.execute("ALTER TABLE live_playbooks RENAME TO lost").await.unwrap();
    let of_one = [("reason", "drill"), ("playbook", "anything")];
    assert_eq!(site.post("/stop", &lead, &of_one).await.status(), 303);
    assert!(file.exists());
    somebody.execute("ALTER TABLE lost RENAME TO live_playbooks").await.unwrap();
    std::fs::remove_file(&file).unwrap();
    somebody.execute("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(site.post("/stop", &lead, &fields).await.status(), 303);
    let page = async || site.get("/", Some(&lead.cookie)).await.text().await.unwrap();
    let shown = page().await;
    assert!(shown.contains("all actions are stopped since") && shown.contains("&lt;b&gt;drill"), "{shown}");
    // That nothing is written for it is said too, until it is.
    assert!(shown.contains("the journal cannot be written since"), "{shown}");
    somebody.execute("ROLLBACK").await.unwrap();
    let mut looks = 0;
    while page().await.contains("the journal cannot be written") {
        looks += 1;
        assert!(looks < LOOKS_MAX);
        SystemClock.sleep(SignedDuration::from_millis(100)).await;
    }
    assert_eq!(site.lift(&lead).await.status(), 303);
    assert!(!file.exists());
    assert_eq!(site.json(&["status"]).await["stops"], serde_json::Value::Array(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_raises_risk_is_confirmed_on_the_page_by_a_second_person() {
    let site = Site::open_under(1, "", "reload: {riskRaising: hold}\n").await;
    let (lead, reader) = (site.visitor(LEAD).await, site.visitor(READER).await);
    let mut waits = serde_json::Value::Null;
    for _look in 0..LOOKS_MAX {
        waits = site.json(&["status"]).await["heldEdits"][0].clone();
        if waits.is_object() {
            break;
        }
        SystemClock.sleep(SignedDuration::from_millis(100)).await;
    }
    let path = format!("/edits/{}", waits["digest"].as_str().unwrap());
    let risk = waits["risks"][0].as_str().unwrap().replace('`', "");
    let shown = site.get("/", Some(&lead.cookie)).await.text().await.unwrap();
    assert!(shown.replace('`', "").contains(&risk) && shown.contains(&path), "{risk}\n{shown}");
    let shown = site.get("/", Some(&reader.cookie)).await.text().await.unwrap();
    assert!(shown.contains("You cannot confirm it") && !shown.contains(&path), "{shown}");
    assert_eq!(site.post(&path, &reader, &[]).await.status(), 403);
    assert!(site.json(&["status"]).await["playbooks"].as_array().unwrap().is_empty());
    assert_eq!(site.post(&path, &lead, &[("reason", "looked at it")]).await.status(), 303);
    site.until_another_version_than(&serde_json::Value::Null).await;
    assert_eq!(site.post(&path, &lead, &[]).await.status(), 409);
    let journal = site.journal().await;
    assert!(journal.contains("looked at it") && journal.contains("confirm"), "{journal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_sees_where_they_are_signed_in_and_ends_it() {
    let site = Site::open(1).await;
    let (desk, phone, other) = (site.visitor(LEAD).await, site.visitor(LEAD).await, site.visitor(DUTY).await);
    let shown = site.get("/sessions", Some(&desk.cookie)).await.text().await.unwrap();
    assert_eq!(
        (shown.matches("name=\"end\"").count(), shown.matches(", this one").count()),
        (2, 1),
        "{shown}"
    );
    assert_eq!(site.post("/sessions", &desk, &[]).await.status(), 303);
    let mut seen = Vec::new();
    for visitor in [&desk, &phone, &other] {
        seen.push(site.get("/", Some(&visitor.cookie)).await.status().as_u16());
    }
    assert_eq!(seen, [200, 303, 200]);
    let shown = site.get("/sessions", Some(&desk.cookie)).await.text().await.unwrap();
    let (_, rest) = shown.split_once("name=\"end\" value=\"").unwrap();
    let handle = rest.split('"').next().unwrap();
    assert_eq!(site.post("/sessions", &other, &[("end", handle)]).await.status(), 303, "another's stays");
    assert_eq!(site.get("/", Some(&desk.cookie)).await.status(), 200);
    assert_eq!(site.post("/sessions", &desk, &[("end", handle)]).await.status(), 303);
    assert_eq!(site.get("/", Some(&desk.cookie)).await.status(), 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_what_is_so_however_many_look() {
    let site = Site::open(1).await;
    let lead = site.visitor(LEAD).await;
    let run = site.asked().await["run"].as_str().unwrap().to_owned();
    let paths = ["/".to_owned(), "/runs".to_owned(), format!("/runs/{run}")];
    for _turn in 0..3 {
        for path in &paths {
            let tabs = (0..12).map(|_tab| site.get(path, Some(&lead.cookie)));
            for answer in futures_util::future::join_all(tabs).await {
                assert_eq!(answer.status(), 200, "{path}");
            }
        }
    }
    // What another process writes is seen by who looks next: at the latest when the script of the page asks.
    assert!(site.say(DUTY, &["stop", "--reason", "seen at once"]).await.status.success());
    let script = || site.request(Method::GET, "/", Some(&lead.cookie)).header("huntbook-live", "1").send();
    let (one, other) = tokio::join!(script(), script());
    for answer in [one, other] {
        let shown = answer.unwrap().text().await.unwrap();
        assert!(shown.contains("seen at once"), "{shown}");
    }
    assert_eq!(site.lift(&lead).await.status(), 303);
    let shown = site.get("/", Some(&lead.cookie)).await.text().await.unwrap();
    assert!(shown.contains("Nothing is stopped."), "{shown}");
}
