//! People who come by way of an OpenID provider: a certified one, and one that lies.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use huntbook::clock::{Clock as _, SystemClock};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, Url};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::browser::browse;
use crate::oidc::Provider;
use crate::site::{LEAD, LOOKS_MAX, Site, Visitor};

pub(crate) const CLIENT: &str = "6f1d3a52-8b07-4c19-b3a8-0e5f9d2c7a11";
const TENANT: &str = "contoso";

/// A page whose people the certified provider knows.
async fn with_provider(minimum: u32) -> (Site, Provider) {
    let provider = Provider::start(&[TENANT, CLIENT, ""]).await;
    let more = format!("openId: {{issuer: \"{}\", clientId: {CLIENT}}}", provider.url);
    (Site::open_with(minimum, &more).await, provider)
}

/// A browser that keeps the cookies of one host each, and goes where it is sent.
struct Walker {
    http: Client,
    jar: Vec<(String, String)>,
}

impl Walker {
    fn new() -> Self {
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, jar: Vec::new() }
    }

    async fn get(&mut self, url: &Url) -> Response {
        let at = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let mine: Vec<&str> =
            self.jar.iter().filter(|(host, _)| *host == at).map(|(_, cookie)| cookie.as_str()).collect();
        let answer = self.http.get(url.clone()).header(COOKIE, mine.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            let name = format!("{}=", cookie.split('=').next().unwrap());
            self.jar.retain(|(host, kept)| !(*host == at && kept.starts_with(&name)));
            self.jar.push((at.clone(), cookie));
        }
        answer
    }

    /// Follows redirects until one leads back to the page, or there is none.
    async fn follow(&mut self, site: &Site, from: &str, hint: &str) -> Url {
        let mut url = Url::parse(&format!("{}{from}", site.url)).unwrap();
        loop {
            let answer = self.get(&url).await;
            let to = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
            let mut next =
                url.join(&to.unwrap_or_else(|| unreachable!("{url}: {}", answer.status()))).unwrap();
            if next.path().ends_with("/authorize") && !next.as_str().contains("login_hint") {
                next.query_pairs_mut().append_pair("login_hint", hint);
            }
            if next.as_str().starts_with(&site.url) {
                return next;
            }
            url = next;
        }
    }
}

/// Somebody whom the provider knows signs in.
async fn visitor(site: &Site, who: &str) -> Visitor {
    visitor_by(site, "/sign-in/provider", who).await
}

async fn visitor_by(site: &Site, from: &str, who: &str) -> Visitor {
    let mut walker = Walker::new();
    let back = walker.follow(site, from, who).await;
    let answer = walker.get(&back).await;
    assert_eq!(answer.status(), 200, "{}", site.log());
    let cookies: Vec<&str> =
        answer.headers().get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect();
    let own = cookies.iter().find(|cookie| cookie.starts_with("huntbook=")).unwrap();
    assert!(own.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{own}");
    assert!(
        cookies.iter().any(|cookie| cookie.starts_with("huntbook-sign-in=;")),
        "it is spent: {cookies:?}"
    );
    site.of_cookie(own.split(';').next().unwrap().to_owned()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_host_of_the_domain_plants_a_sign_in() {
    let provider = Provider::start(&[TENANT, CLIENT, ""]).await;
    let address = "https://huntbook.contoso.example";
    let more =
        format!("address: \"{address}\", openId: {{issuer: \"{}\", clientId: {CLIENT}}}", provider.url);
    let site = Site::open_with(1, &more).await;
    let begun = site.get("/sign-in/provider", None).await;
    assert_eq!(begun.status(), 303, "{}", site.log());
    let cookie = begun.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-huntbook-sign-in="), "{cookie}");
    assert!(
        cookie.contains("; Path=/; HttpOnly; SameSite=Lax; Secure; ") && !cookie.contains("Domain"),
        "{cookie}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_of_the_provider_say_who_looks_and_who_acts() {
    let (site, mut provider) = with_provider(2).await;
    let (reader, lead, duty) =
        (visitor(&site, "maja.berg").await, visitor(&site, "lead").await, visitor(&site, "duty").await);
    assert_eq!(provider.line().await, "authorization_code");
    let path = format!("/approvals/{}", site.asked_id().await);
    let yes = [("word", "approve"), ("reason", "seen it")];

    // Who may look sees all of it, and no form; what is sent all the same is not heard.
    let shown = site.get(&path, Some(&reader.cookie)).await.text().await.unwrap();
    assert!(
        shown.contains("you can look and not speak") && shown.contains("maja.berg@contoso.example"),
        "{shown}"
    );
    for (path, fields) in [(path.as_str(), &yes[..]), ("/stop", &[]), ("/resume", &[])] {
        let refused = site.post(path, &reader, fields).await;
        assert_eq!(refused.status(), 403, "{path}");
        assert!(refused.text().await.unwrap().contains("Your role lets you look"), "{path}");
    }
    // Who may act and is no approver stops and resumes, and approves nothing.
    let refused = site.post(&path, &lead, &yes).await;
    assert_eq!(refused.status(), 403);
    let why = refused.text().await.unwrap();
    assert!(why.contains("lead@contoso.example (openid:oid-lead)"), "{why}");
    assert_eq!(site.post("/stop", &lead, &[("reason", "drill")]).await.status(), 303);
    let stops = site.json(&["status"]).await["stops"].clone();
    assert_eq!(stops[0]["account"], "lead@contoso.example (openid:oid-lead)", "{stops}");
    assert_eq!(site.lift(&lead).await.status(), 303);

    // One from elsewhere and one of the machine are two; one of them twice is one.
    let duty_again = visitor_by(&site, "/sign-in/provider?again", "duty").await;
    assert_eq!(site.post(&path, &duty_again, &yes).await.status(), 303);
    assert_eq!(site.post(&path, &duty, &yes).await.status(), 409);
    assert_eq!(site.post(&path, &site.visitor(LEAD).await, &yes).await.status(), 303);
    let asked = site.until("consumed").await;
    let voice = &asked["voices"][0];
    assert_eq!(
        (&voice["by"], &voice["account"], &voice["uid"], &voice["way"]),
        (&"dana".into(), &"openid:oid-duty".into(), &Value::Null, &"page".into()),
        "{asked}"
    );
    site.until_isolated().await;
    assert_eq!(site.json(&["audit", "verify"]).await["intact"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_without_a_role_or_by_anothers_sign_in() {
    let (site, _provider) = with_provider(1).await;
    let mut stranger = Walker::new();
    let back = stranger.follow(&site, "/sign-in/provider", "stranger").await;
    let refused = stranger.get(&back).await;
    assert_eq!(refused.status(), 403);
    assert!(refused.headers().get(SET_COOKIE).is_none());
    let why = refused.text().await.unwrap();
    assert!(why.contains("has neither the role `Huntbook.Read` nor `Huntbook.Act`"), "{why}");

    // A link that carries somebody's own code signs nobody else in: it belongs to the browser that began.
    let mut lead = Walker::new();
    let back = lead.follow(&site, "/sign-in/provider", "lead").await;
    for mut other in [Walker::new(), stranger] {
        let refused = other.get(&back).await;
        assert!(refused.status() == 403 && refused.headers().get(SET_COOKIE).is_none());
    }
    assert_eq!(lead.get(&back).await.status(), 200);
    // It is good once.
    assert_eq!(lead.get(&back).await.status(), 403);
    // What the provider says no to is told in the log, and not in its words on the page.
    let mut refusing = Walker::new();
    let begun = refusing.get(&Url::parse(&format!("{}/sign-in/provider", site.url)).unwrap()).await;
    let page = Url::parse(begun.headers()[LOCATION].to_str().unwrap()).unwrap();
    let state = page.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let said =
        format!("{}/sign-in/back?error=access_denied&error_description=%0Aevil&state={state}", site.url);
    let refused = refusing.get(&Url::parse(&said).unwrap()).await;
    assert_eq!(refused.status(), 403);
    assert!(!refused.text().await.unwrap().contains("evil"));
    for told in ["access_denied", "belongs to no sign-in that this browser began", "lead@contoso.example"] {
        site.until_logged(told).await;
    }
    let log = site.log();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    assert!(!log.contains(&code) && !log.contains("eyJ"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_by_way_of_the_provider() {
    let (site, _provider) = with_provider(1).await;
    let (_browser, mut lines) = browse("provider.mjs", &[&format!("{}/sign-in", site.url)]);
    let seen = lines.next_line().await.unwrap();
    let seen = seen.unwrap_or_else(|| unreachable!("the browser ended\n{}", site.log()));
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert!(seen["text"].as_str().unwrap().contains("Signed in as maja.berg@contoso.example"), "{seen}");
    assert_eq!(
        (&seen["cookies"], &seen["forms"], &seen["trouble"]),
        (&json!([{"name": "huntbook", "sameSite": "Strict", "httpOnly": true}]), &json!(0), &json!([])),
        "{seen}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn to_look_changes_nothing_but_the_sign_in_itself() {
    let (site, _provider) = with_provider(1).await;
    let (local, lead) = (site.visitor(LEAD).await, visitor(&site, "lead").await);
    let state = async || {
        let mut files: Vec<String> = std::fs::read_dir(site.dir.path().join("playbooks"))
            .unwrap()
            .chain(std::fs::read_dir(site.dir.path()).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let status = site.json(&["status"]).await;
        (
            site.journal().await,
            site.asked().await,
            status["stops"].clone(),
            status["heldEdits"].clone(),
            files,
        )
    };
    let before = state().await;
    assert_eq!(before.1["state"], "awaiting");
    // A sign-in that another browser has begun, with all that its link carries.
    let mut other = Walker::new();
    let back = other.follow(&site, "/sign-in/provider", "duty").await;
    let query = back.query().unwrap();
    let ways =
        ["", "?again", "?word=approve&token=x", "?code=x&state=x", "?error=access_denied&state=x", query];
    let ways = ways.map(|way| if way == query { format!("?{way}") } else { way.to_owned() });
    let mut met = std::collections::BTreeSet::new();
    for (_method, path) in crate::routes(&site).await {
        for way in &ways {
            for who in [None, Some(&local), Some(&lead)] {
                let cookie = who.map(|visitor| visitor.cookie.as_str());
                let answer = site.get(&format!("{path}{way}"), cookie).await;
                let (status, set) = (answer.status().as_u16(), answer.headers().get_all(SET_COOKIE));
                assert!(status < 500, "{path}{way}");
                let sessions = set.iter().filter(|set| set.to_str().unwrap().starts_with("huntbook="));
                assert_eq!(sessions.count(), 0, "{path}{way} begins or ends a session");
                if path.starts_with("/sign-in/") {
                    met.insert((path.clone(), status));
                }
            }
        }
    }
    let met: Vec<_> = met.iter().map(|(path, status)| (path.as_str(), *status)).collect();
    assert_eq!(met, [("/sign-in/back", 403), ("/sign-in/provider", 303)]);
    assert_eq!(state().await, before);
    // Who has begun it finishes it all the same, and that is a session and nothing else.
    let answer = other.get(&back).await;
    assert_eq!(answer.status(), 200, "{}", site.log());
    assert_eq!(state().await, before);
    for visitor in [&local, &lead] {
        assert_eq!(site.get("/", Some(&visitor.cookie)).await.status(), 200, "a session stays");
    }
    assert_eq!(site.isolated(), 0);
}

/// What a provider of ours issues next.
type Next = Arc<Mutex<Forged>>;

#[derive(Clone)]
pub(crate) struct Forged {
    header: Header,
    pub(crate) claims: Value,
    /// Signs with a key that is in no list.
    strange: bool,
    /// Ends the token in somebody else's signature.
    cut: bool,
}

pub(crate) struct Liar {
    pub(crate) url: String,
    next: Next,
    _served: JoinSet<std::io::Result<()>>,
}

impl Liar {
    pub(crate) async fn start() -> Self {
        let (own, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let next = Arc::new(Mutex::new(Forged {
            header: Header::new(Algorithm::ES256),
            claims: Value::Null,
            strange: false,
            cut: false,
        }));
        let keys = Arc::new((own, other, url.clone(), Arc::clone(&next)));
        let router = Router::new().fallback(any(answer)).with_state(keys);
        let mut served = JoinSet::new();
        served.spawn(async move { axum::serve(listener, router).await });
        Self { url, next, _served: served }
    }
}

type Desk = Arc<(KeyPair, KeyPair, String, Next)>;

async fn answer(State(desk): State<Desk>, uri: Uri) -> axum::Json<Value> {
    let (own, other, url, next) = &*desk;
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    axum::Json(match uri.path() {
        "/.well-known/openid-configuration" => json!({
            "issuer": url, "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token"),
            "jwks_uri": format!("{url}/keys"),
        }),
        "/keys" => {
            let point = own.public_key_raw();
            json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "own", "x": part(&point[1..33]), "y": part(&point[33..])}]})
        }
        _ => {
            let Forged { header, claims, strange, cut } = next.lock().unwrap().clone();
            let key = if strange { other } else { own };
            let key = EncodingKey::from_ec_der(&key.serialize_der());
            let shared = EncodingKey::from_secret(own.public_key_raw());
            let key = if header.alg == Algorithm::ES256 { key } else { shared };
            let signed = jsonwebtoken::encode(&header, &claims, &key).unwrap();
            let token = if cut { format!("{}.", signed.rsplit_once('.').unwrap().0) } else { signed };
            json!({"id_token": token, "access_token": "x", "token_type": "Bearer"})
        }
    })
}

/// A header that names the key.
fn keyed(alg: Algorithm) -> Header {
    Header { kid: Some("own".to_owned()), ..Header::new(alg) }
}

/// What is good for somebody who may act.
pub(crate) fn fine(liar: &Liar) -> Forged {
    let now = SystemClock.now().as_second();
    let claims = json!({
        "iss": liar.url, "aud": CLIENT, "sub": "s", "exp": now + 600, "iat": now, "roles": ["Huntbook.Act"],
    });
    Forged { header: keyed(Algorithm::ES256), claims, strange: false, cut: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_token_that_is_not_good_lets_nobody_in() {
    let liar = Liar::start().await;
    let more = format!("openId: {{issuer: \"{}\", clientId: {CLIENT}}}", liar.url);
    let site = Site::open_with(1, &more).await;
    let now = SystemClock.now().as_second();
    let fine = fine(&liar);
    let with = |name: &str, value: Value| {
        let mut forged = fine.clone();
        forged.claims[name] = value;
        forged
    };
    let cases = [
        ("good", fine.clone(), 200),
        ("another issuer", with("iss", "https://evil.example".into()), 403),
        ("for another app", with("aud", "another".into()), 403),
        ("ended", with("exp", (now - 600).into()), 403),
        ("of tomorrow", with("iat", (now + 86_400).into()), 403),
        ("shown tomorrow", with("auth_time", (now + 86_400).into()), 403),
        ("for us in a list", with("aud", json!([CLIENT])), 200),
        ("for another app as well", with("aud", json!([CLIENT, "another"])), 403),
        ("given to another app", with("azp", "another".into()), 403),
        ("given to us", with("azp", CLIENT.into()), 200),
        ("another sign-in's", with("nonce", "another".into()), 403),
        ("without roles", with("roles", json!([])), 403),
        ("of nobody", with("sub", "".into()), 403),
        ("an id that would be cut", with("sub", "s".repeat(256).into()), 403),
        ("an id that hides something", with("sub", "s\u{200b}".into()), 403),
        ("the longest id", with("sub", "s".repeat(255).into()), 200),
        ("roles in one text", with("roles", "Huntbook.Act".into()), 403),
        ("another's key", Forged { strange: true, ..fine.clone() }, 403),
        ("no signature", Forged { cut: true, ..fine.clone() }, 403),
        (
            "the public key as a shared secret",
            Forged { header: keyed(Algorithm::HS256), ..fine.clone() },
            403,
        ),
        (
            "a key nobody knows",
            Forged {
                header: Header { kid: Some("x".to_owned()), ..keyed(Algorithm::ES256) },
                ..fine.clone()
            },
            403,
        ),
    ];
    for (what, forged, status) in cases {
        let (page, answer) = through(&site, &liar, "/sign-in/provider", forged).await;
        assert_eq!(
            (asked(&page, "code_challenge_method"), asked(&page, "scope"), asked(&page, "max_age")),
            ("S256".to_owned(), "openid profile".to_owned(), "28800".to_owned())
        );
        assert_eq!(answer.status(), status, "{what}\n{}", site.log());
        let session = answer.headers().get_all(SET_COOKIE).iter();
        let session = session.filter(|cookie| cookie.to_str().unwrap().starts_with("huntbook=")).count();
        assert_eq!(session, usize::from(status == 200), "{what}");
    }
}

/// What the provider's page is asked for.
fn asked(page: &Url, name: &str) -> String {
    page.query_pairs().find(|(one, _)| one == name).unwrap().1.into_owned()
}

/// Signs somebody in with a token of the liar's: the provider's page that the browser is sent to, and the answer.
pub(crate) async fn through(site: &Site, liar: &Liar, from: &str, mut forged: Forged) -> (Url, Response) {
    let mut walker = Walker::new();
    let begun = walker.get(&Url::parse(&format!("{}{from}", site.url)).unwrap()).await;
    let page = Url::parse(begun.headers()[LOCATION].to_str().unwrap()).unwrap();
    if forged.claims["nonce"].is_null() {
        forged.claims["nonce"] = asked(&page, "nonce").into();
    }
    *liar.next.lock().unwrap() = forged;
    let back = format!("{}/sign-in/back?code=c&state={}", site.url, asked(&page, "state"));
    (page, walker.get(&Url::parse(&back).unwrap()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_shown_long_ago_who_they_are_shows_it_again_before_they_let_anything_be_done() {
    let liar = Liar::start().await;
    let site = Site::open_with(1, &format!("openId: {{issuer: \"{}\", clientId: {CLIENT}}}", liar.url)).await;
    let path = format!("/approvals/{}", site.asked_id().await);
    let now = SystemClock.now().as_second();
    let duty = async |from: &str, shown: Value| {
        let mut forged = fine(&liar);
        (forged.claims["sub"], forged.claims["auth_time"]) = ("oid-duty".into(), shown);
        let (page, answer) = through(&site, &liar, from, forged).await;
        let mut cookies = answer.headers().get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
        let cookie = cookies.find(|cookie| cookie.starts_with("huntbook=")).unwrap();
        (page, site.of_cookie(cookie.split(';').next().unwrap().to_owned()).await)
    };
    let yes = [("word", "approve"), ("reason", "seen it")];
    for shown in [Value::Null, (now - 3600).into()] {
        let says_when = !shown.is_null();
        let (_page, duty) = duty("/sign-in/provider", shown).await;
        let form = site.get(&path, Some(&duty.cookie)).await.text().await.unwrap();
        assert!(
            form.contains("href=\"/sign-in/provider?again\"") == says_when
                && form.contains("add the claim <code>auth_time</code>") != says_when
                && !form.contains("value=\"approve\"")
                && form.contains("value=\"deny\""),
            "{form}"
        );
        // To stop needs no proof, to let go on does.
        assert_eq!(site.post("/stop", &duty, &[("reason", "drill")]).await.status(), 303);
        for (path, fields) in [(path.as_str(), &yes[..]), ("/resume", &[])] {
            let refused = site.post(path, &duty, fields).await;
            assert_eq!(refused.status(), 403, "{path}");
            assert!(refused.text().await.unwrap().contains("sign in again"), "{path}");
        }
    }
    let (page, duty) = duty("/sign-in/provider?again", now.into()).await;
    assert_eq!((asked(&page, "max_age"), asked(&page, "prompt")), ("0".to_owned(), "login".to_owned()));
    assert_eq!(site.lift(&duty).await.status(), 303);
    assert_eq!(site.post(&path, &duty, &yes).await.status(), 303);
    site.until("consumed").await;
    site.until_isolated().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_started_a_run_under_an_account_approves_nothing_of_it_as_a_person_of_the_provider() {
    let provider = Provider::start(&[TENANT, CLIENT, ""]).await;
    let more = format!("openId: {{issuer: \"{}\", clientId: {CLIENT}}}", provider.url);
    let site = Site::open_under(1, &more, "x-note: dana has an account\n").await;
    let duty = visitor(&site, "duty").await;
    let path = format!("/approvals/{}", site.asked_id().await);
    let refused = site.post(&path, &duty, &[("word", "approve")]).await;
    assert_eq!(refused.status(), 403);
    let why = refused.text().await.unwrap();
    assert!(why.contains("you started this run by hand"), "{why}");
    assert_eq!(site.asked().await["state"], "awaiting");
    // To deny it is theirs as anybody's.
    assert_eq!(site.post(&path, &duty, &[("word", "deny"), ("reason", "drill")]).await.status(), 303);
    site.until("rejected").await;
    assert_eq!(site.isolated(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wrote_a_playbook_approves_nothing_of_it_under_the_name_that_the_provider_has() {
    let (site, _provider) = with_provider(1).await;
    let duty = visitor(&site, "duty").await;
    let file = site.dir.path().join("playbooks/cut.yaml");
    let written = std::fs::read_to_string(&file).unwrap();
    let before = site.asked().await["shown"]["playbookVersion"].clone();
    let by = "mode: enforce\nauthor: Duty <duty@contoso.example>\nschedule: {every: 1s}\n";
    std::fs::write(&file, written.replace("mode: enforce\n", by).replace("drill", "other")).unwrap();
    site.until_another_version_than(&before).await;
    let lead = site.visitor(LEAD).await;
    site.post(&format!("/approvals/{}", site.asked_id().await), &lead, &[("word", "approve")]).await;
    let mut asked = Value::Null;
    for _look in 0..LOOKS_MAX {
        asked = site.asked().await;
        if asked["shown"]["author"].is_string() && asked["state"] == "awaiting" {
            break;
        }
        SystemClock.sleep(jiff::SignedDuration::from_millis(100)).await;
    }
    let path = format!("/approvals/{}", asked["id"].as_str().unwrap());
    let refused = site.post(&path, &duty, &[("word", "approve")]).await;
    assert_eq!(refused.status(), 403, "{asked}");
    let why = refused.text().await.unwrap();
    assert!(why.contains("somebody else must approve what it does"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn to_sign_in_again_at_the_provider_ends_the_session_before() {
    let (site, _provider) = with_provider(1).await;
    let mut walker = Walker::new();
    let at = site.url.trim_start_matches("http://").to_owned();
    let mut sessions = Vec::new();
    for _twice in 0..2 {
        let back = walker.follow(&site, "/sign-in/provider", "lead").await;
        // The browser comes from another site, and sends no strict cookie.
        walker.jar.retain(|(host, cookie)| !(*host == at && cookie.starts_with("huntbook=")));
        assert_eq!(walker.get(&back).await.status(), 200);
        let own = walker.jar.iter().find(|(host, cookie)| *host == at && cookie.starts_with("huntbook="));
        sessions.push(own.unwrap().1.clone());
    }
    let mut stands = Vec::new();
    for session in &sessions {
        stands.push(site.get("/", Some(session)).await.status().as_u16());
    }
    assert_eq!(stands, [303, 200]);
    let mut away = walker.jar.iter().filter(|(host, _)| *host == at);
    assert!(away.all(|(_, cookie)| !cookie.contains(sessions[0].split_once('=').unwrap().1)));
}
