//! A huntbook that serves its page, and people who come to it over HTTP.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use huntbook::clock::{Clock as _, SharedClock, SystemClock};
use huntbook::sim::{Sim, SimApp, SimOptions};
use jiff::SignedDuration;
use reqwest::header::{COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;

use crate::held::Held;

const SECRET_NAME: &str = "HUNTBOOK_TEST_SECRET";

/// How often something is looked for; ten times a second.
pub(crate) const LOOKS_MAX: u32 = 1200;

/// The accounts of two approvers, and of somebody who is none.
pub(crate) const LEAD: u32 = 4001;
pub(crate) const DUTY: u32 = 4002;
pub(crate) const READER: u32 = 7777;

/// What the device is called by whoever attacks: markup, and a direction mark.
const NAME: &str = "<img src=x onerror=alert(1)>\\u202Eexe";

/// A playbook whose only action waits until two people approve it.
fn playbook(minimum: u32) -> String {
    format!(
        "schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Cut servers off
mode: enforce
severity: High
hunt:
  query: DeviceInfo | where DeviceName startswith 'wks-014' | summarize arg_max(Timestamp, DeviceName) by DeviceId \
         | extend Called = \"{NAME}\"
  queryPeriod: 30d
  identity: [DeviceId, Called]
actions:
  - id: cut
    isolateDevice: {{device: \"{{{{row.DeviceId}}}}\", comment: \"drill {{{{row.Called}}}}\"}}
    approval: {{channel: siem, minimum: {minimum}}}
notify:
  - channel: siem
    title: cut off
"
    )
}

/// The page, and what is around it.
pub(crate) struct Site {
    /// Looked at when the test is over, before the folder goes.
    _held: Held,
    pub(crate) sim: Arc<Sim>,
    pub(crate) dir: TempDir,
    /// Where it listens.
    pub(crate) url: String,
    /// What Host and Origin people send.
    pub(crate) origin: String,
    pub(crate) http: Client,
    log: Arc<Mutex<Vec<String>>>,
    served: Child,
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(self.served.kill());
        drop(self.served.wait());
    }
}

/// Somebody who is signed in.
pub(crate) struct Visitor {
    pub(crate) cookie: String,
    pub(crate) token: String,
}

impl Site {
    /// Serves a page behind which one isolation waits for `minimum` people.
    pub(crate) async fn open(minimum: u32) -> Self {
        Self::open_with(minimum, "").await
    }

    /// The same, for people who know it by another address.
    pub(crate) async fn open_at(minimum: u32, address: &str) -> Self {
        Self::open_with(minimum, &format!("address: \"{address}\"")).await
    }

    /// The same, with more said of the page.
    pub(crate) async fn open_with(minimum: u32, more: &str) -> Self {
        Self::open_under(minimum, more, "").await
    }

    /// The same, with more said in the settings.
    pub(crate) async fn open_under(minimum: u32, more: &str, settings: &str) -> Self {
        Self::open_as(SimApp::sample(), (minimum, more), settings).await
    }

    /// The same, for what a tenant lets an application do.
    pub(crate) async fn open_as(app: SimApp, (minimum, more): (u32, &str), settings: &str) -> Self {
        let clock: SharedClock = Arc::new(SystemClock);
        let options = SimOptions { apps: vec![app], ..SimOptions::story(clock.now()).unwrap() };
        let sim = Arc::new(Sim::start(options, clock).await.unwrap());
        let dir = tempfile::tempdir().unwrap();
        let held = Held::new(dir.path().join("huntbook.db"));
        held.tenant("contoso", &sim);
        let (at, tenant) = (sim.endpoints(), SimOptions::TENANT_ID);
        // Somebody whom a provider knows, and who may have an account here as well.
        let dana = match (more.contains("openId"), settings.contains("dana has an account")) {
            (true, false) => "  dana: {openId: oid-duty}\n".to_owned(),
            (true, true) => format!("  dana: {{openId: oid-duty, account: \"{READER}\"}}\n"),
            (false, _) => String::new(),
        };
        let settings = format!(
            "tenants:\n  contoso:\n    tenantId: {tenant}\n    auth:\n      clientSecret: {{clientId: {}, secret: {{env: {SECRET_NAME}}}}}\n    \
             endpoints: {{login: \"{}\", graph: \"{}\", mde: \"{}\", xdr: \"{}\"}}\n\
             channels:\n  siem: {{webhook: {{url: \"{}/webhook/siem\", privateAddresses: true}}}}\n\
             approvers:\n  lead: {{account: \"{LEAD}\"}}\n  duty: {{account: \"{DUTY}\"}}\n{dana}\
             web: {{listen: \"127.0.0.1:0\", {more}}}\n{settings}",
            SimApp::CLIENT_ID,
            at.login,
            at.graph,
            at.mde,
            at.xdr,
            at.hooks
        );
        std::fs::write(dir.path().join("huntbook.yaml"), settings).unwrap();
        std::fs::create_dir(dir.path().join("playbooks")).unwrap();
        std::fs::write(dir.path().join("playbooks/cut.yaml"), playbook(minimum)).unwrap();
        let asked = say(&dir, READER, &["run", "Cut servers off"]).await;
        assert_eq!(asked.status.code(), Some(1), "{}", String::from_utf8_lossy(&asked.stderr));
        let mut served = command(&dir).arg("serve").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(served.stderr.take().unwrap()).lines().map_while(Result::ok);
        let log = Arc::new(Mutex::new(Vec::new()));
        let (kept, (found, at)) = (Arc::clone(&log), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            lines.by_ref().for_each(|line| {
                drop(found.send(line.clone()));
                kept.lock().unwrap().push(line);
            });
        });
        let said =
            tokio::task::spawn_blocking(move || at.iter().find(|line| line.contains("the page is at")));
        let said = said.await.unwrap().unwrap_or_else(|| panic!("{:?}", log.lock().unwrap()));
        let mut words = said.split_whitespace();
        let origin = words.find(|word| word.starts_with("http")).unwrap().to_owned();
        let at = words.find(|word| word.starts_with("127.0.0.1:")).unwrap().trim_end_matches(");");
        let url = format!("http://{at}");
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { _held: held, sim, dir, url, origin, http, log, served }
    }

    /// Writes a playbook, as an editor that replaces its file does; or takes it away.
    pub(crate) fn put(&self, file: &str, text: Option<&str>) {
        let (path, draft) = (self.dir.path().join("playbooks").join(file), self.dir.path().join("draft"));
        match text {
            Some(text) => {
                std::fs::write(&draft, text).unwrap();
                std::fs::rename(draft, path).unwrap();
            }
            None => std::fs::remove_file(path).unwrap(),
        }
    }

    /// The overview, as soon as it is as wished.
    pub(crate) async fn until_shown(&self, visitor: &Visitor, is: impl Fn(&str) -> bool) -> String {
        let mut page = String::new();
        for _look in 0..LOOKS_MAX {
            page = self.get("/", Some(&visitor.cookie)).await.text().await.unwrap();
            if is(&page) {
                return page;
            }
            SystemClock.sleep(SignedDuration::from_millis(100)).await;
        }
        panic!("the overview does not become as wished: {page}\n{}", self.log());
    }

    /// What the log said so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Waits until the log says something.
    pub(crate) async fn until_logged(&self, text: &str) {
        for _look in 0..LOOKS_MAX {
            if self.log().contains(text) {
                return;
            }
            SystemClock.sleep(SignedDuration::from_millis(100)).await;
        }
        panic!("the log does not say `{text}`\n{}", self.log());
    }

    /// Runs a command as somebody who called `sudo`.
    pub(crate) async fn say(&self, uid: u32, arguments: &[&str]) -> Output {
        say(&self.dir, uid, arguments).await
    }

    /// The JSON that a command prints.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let said = self.say(LEAD, &[arguments, &["--format", "json"]].concat()).await;
        serde_json::from_slice(&said.stdout).unwrap_or_else(|error| {
            panic!(
                "{error}: {}{}",
                String::from_utf8_lossy(&said.stdout),
                String::from_utf8_lossy(&said.stderr)
            )
        })
    }

    /// The request that waits.
    pub(crate) async fn asked(&self) -> Value {
        self.json(&["approvals", "--all"]).await[0].clone()
    }

    pub(crate) async fn asked_id(&self) -> String {
        self.asked().await["id"].as_str().unwrap().to_owned()
    }

    /// Every event of the journal.
    pub(crate) async fn journal(&self) -> String {
        String::from_utf8(self.say(LEAD, &["journal", "export"]).await.stdout).unwrap()
    }

    /// Waits until the request is as wished.
    pub(crate) async fn until(&self, state: &str) -> Value {
        let mut last = Value::Null;
        for _look in 0..LOOKS_MAX {
            last = self.asked().await;
            if last["state"] == state {
                return last;
            }
            SystemClock.sleep(SignedDuration::from_millis(100)).await;
        }
        panic!("it did not become `{state}`: {last}\n{}", self.log());
    }

    /// Waits until another version of the playbook is in force.
    pub(crate) async fn until_another_version_than(&self, version: &Value) {
        for _look in 0..LOOKS_MAX {
            let status = self.json(&["status"]).await;
            if status["playbooks"][0]["playbookVersion"].is_string()
                && status["playbooks"][0]["playbookVersion"] != *version
            {
                return;
            }
            SystemClock.sleep(SignedDuration::from_millis(100)).await;
        }
        panic!("no other version came into force\n{}", self.log());
    }

    /// How many devices the tenant says were isolated.
    pub(crate) fn isolated(&self) -> usize {
        self.sim.effects().iter().filter(|effect| effect.effect == "isolate").count()
    }

    /// Waits until the tenant has isolated something, and insists that it is one device: the leave is spent before the
    /// call leaves.
    pub(crate) async fn until_isolated(&self) {
        for _look in 0..LOOKS_MAX {
            if 0 < self.isolated() {
                return assert_eq!(self.isolated(), 1);
            }
            SystemClock.sleep(SignedDuration::from_millis(100)).await;
        }
        panic!("nothing was isolated\n{}", self.log());
    }

    /// A code for an account.
    pub(crate) async fn code(&self, uid: u32) -> String {
        let said = self.say(uid, &["web", "--format", "json"]).await;
        let ticket: Value = serde_json::from_slice(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&said.stderr)));
        assert_eq!(ticket["account"], uid.to_string().as_str());
        ticket["code"].as_str().unwrap().to_owned()
    }

    /// A request as a browser on our page sends it.
    pub(crate) fn request(&self, method: Method, path: &str, cookie: Option<&str>) -> RequestBuilder {
        let host = self.origin.split_once("://").unwrap().1;
        let posts = method == Method::POST;
        let mut request = self.http.request(method, format!("{}{path}", self.url)).header(HOST, host);
        if posts {
            request = request.header(ORIGIN, &self.origin);
        }
        match cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str, cookie: Option<&str>) -> Response {
        self.request(Method::GET, path, cookie).send().await.unwrap()
    }

    /// Sends a form with its session's token.
    pub(crate) async fn post(&self, path: &str, visitor: &Visitor, fields: &[(&str, &str)]) -> Response {
        let mut all = vec![("token", visitor.token.as_str())];
        all.extend_from_slice(fields);
        self.request(Method::POST, path, Some(&visitor.cookie)).form(&all).send().await.unwrap()
    }

    /// Lifts the stops that the overview shows, as its form for all of them or for the only one does.
    pub(crate) async fn lift(&self, visitor: &Visitor) -> Response {
        let page = self.get("/", Some(&visitor.cookie)).await.text().await.unwrap();
        let field = ["all", "stop"].into_iter().find_map(|name| {
            let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
            Some((name, rest.split('"').next()?))
        });
        self.post("/resume", visitor, &[field.unwrap_or_else(|| panic!("no stop is shown: {page}"))]).await
    }

    /// Signs somebody in.
    pub(crate) async fn visitor(&self, uid: u32) -> Visitor {
        let code = self.code(uid).await;
        let answer =
            self.request(Method::POST, "/sign-in", None).form(&[("code", &code)]).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()[LOCATION]), (303, &"/".parse().unwrap()));
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        self.of_cookie(cookie).await
    }

    /// Whose session a cookie is.
    pub(crate) async fn of_cookie(&self, cookie: String) -> Visitor {
        let page = self.get("/runs", Some(&cookie)).await.text().await.unwrap();
        let (_, rest) = page.split_once("name=\"token\" value=\"").unwrap();
        Visitor { cookie, token: rest.split('"').next().unwrap().to_owned() }
    }
}

fn command(dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
    command.current_dir(dir.path()).env_clear().env(SECRET_NAME, SimApp::SECRET).stdin(Stdio::null());
    command
}

async fn say(dir: &TempDir, uid: u32, arguments: &[&str]) -> Output {
    let mut command = command(dir);
    command.args(arguments).env("SUDO_UID", uid.to_string());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}
