//! `huntbook login` and `logout`: a person signs in to a tenant, and what is kept of it is forgotten.

use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jiff::SignedDuration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::exit::{Exit, unless_ended};
use super::output::{say, tell};
use super::run::no_tenant;
use super::setup::Doors;
use super::{Misuse, Unfit};
use crate::clock::SharedClock;
use crate::model::Secret;
use crate::settings::{self, AuthSettings};
use crate::tenant::{Credential, Login, Session, Tenant as _};

/// How long the browser is waited for.
const WAIT_MAX: SignedDuration = SignedDuration::from_mins(10);
/// How long one connection may take to say what it wants: silent ones must not keep the browser's out.
const HEAR_MAX: SignedDuration = SignedDuration::from_secs(10);
/// Longest head of a request that is read; a code is some kilobytes at most.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// Most connections that are listened to at once; a browser opens a handful.
const OPEN_MAX: usize = 64;

/// Arguments of `login`.
#[derive(Debug, Args)]
pub(super) struct SignIn {
    /// The tenant, as the settings name it
    tenant: String,
    /// Sign in on another device, with a code, although there may be a browser here
    #[arg(long)]
    device_code: bool,
    /// Sign in with a browser of this machine: its address is printed
    #[arg(long, conflicts_with = "device_code")]
    browser: bool,
}

/// Arguments of `logout`.
#[derive(Debug, Args)]
pub(super) struct SignOut {
    /// The tenant, as the settings name it
    tenant: String,
}

/// Signs a person in.
pub(super) async fn login(arguments: &SignIn, config: &Path, clock: SharedClock) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    let doors = Doors::open(&settings, &clock).map_err(Unfit::from)?;
    let (options, client_id) = person_of(&doors, &settings, &arguments.tenant)?;
    let Credential::User { session, .. } = options.credential.clone() else {
        return Err(Misuse("nobody signs in to this tenant".to_owned()).into());
    };
    // What keeps it from being kept shows before anybody has signed in for nothing.
    session.check_place().await.map_err(anyhow::Error::from).map_err(Unfit::from)?;
    let login = doors.login(&options, &client_id)?;
    let token = if arguments.device_code || (!arguments.browser && is_remote()) {
        unless_ended(on_another_device(&login)).await?
    } else {
        unless_ended(in_browser(&login, &clock)).await?
    };
    session.keep(&token).await?;
    // Whether it serves shows at once: this replaces it.
    let client = doors.tenant(options)?;
    let facts = client.token_facts(crate::tenant::Audience::Graph).await?;
    let scopes = if facts.scopes.is_empty() { "nothing".to_owned() } else { facts.scopes.join(", ") };
    say(&format!("signed in to `{}`: the app may {scopes}, as far as you may", arguments.tenant))?;
    Ok(Exit::Fine)
}

/// Forgets a sign-in.
pub(super) async fn logout(arguments: &SignOut, config: &Path, clock: &SharedClock) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    let doors = Doors::open(&settings, clock).map_err(Unfit::from)?;
    let (options, _) = person_of(&doors, &settings, &arguments.tenant)?;
    let Credential::User { session, .. } = options.credential else {
        return Err(Misuse("nobody signs in to this tenant".to_owned()).into());
    };
    let was = Session::forget(&session).await?;
    let name = &arguments.tenant;
    say(&if was {
        format!(
            "signed out of `{name}`: nothing is kept of the sign-in any more. What was issued ends by itself; revoke \
             your sessions in Entra ID to end it at once"
        )
    } else {
        format!("nobody was signed in to `{name}`")
    })?;
    Ok(Exit::Fine)
}

/// A tenant that people sign in to.
fn person_of(
    doors: &Doors,
    settings: &settings::Settings,
    name: &str,
) -> anyhow::Result<(crate::tenant::ClientOptions, String)> {
    let Some(tenant) = settings.tenants.get(name) else {
        let known: Vec<String> = settings.tenants.keys().cloned().collect();
        return Err(no_tenant(Some(name), &known));
    };
    if !matches!(tenant.auth, AuthSettings::User(_)) {
        let context = tenant.auth.context();
        let text = format!("huntbook signs in to `{name}` by itself (`auth: {context}`): no person has to");
        return Err(Misuse(text).into());
    }
    let options = doors.tenant_options(name, tenant).map_err(Unfit::from)?;
    let client_id = tenant.auth.client_id().unwrap_or_default().to_owned();
    Ok((options, client_id))
}

/// Whether a browser of this machine is likely to be far from the person.
fn is_remote() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("SSH_CONNECTION") || !(is_set("DISPLAY") || is_set("WAYLAND_DISPLAY") || cfg!(target_os = "macos"))
}

async fn on_another_device(login: &Login) -> anyhow::Result<Secret> {
    let code = login.device_code().await?;
    tell(&format!("open {} on any device and enter the code {}", code.page, code.user_code));
    Ok(login.wait_for(&code).await?)
}

async fn in_browser(login: &Login, clock: &SharedClock) -> anyhow::Result<Secret> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no port of this machine can be opened")?;
    let port = listener.local_addr()?.port();
    let begun = login.begin(&format!("http://localhost:{port}"))?;
    tell(&format!("open this address in a browser on this machine, and sign in:\n{}", begun.page));
    let code = tokio::select! {
        code = answer(&listener, &begun.state, clock) => code?,
        () = clock.sleep(WAIT_MAX) => bail!("nobody has signed in within ten minutes"),
    };
    Ok(login.redeem(&begun, &code).await?)
}

/// Waits for the browser to come back with a code. Browsers open connections on which they say nothing: nobody waits
/// behind one.
async fn answer(listener: &TcpListener, state: &str, clock: &SharedClock) -> anyhow::Result<Secret> {
    let mut open = FuturesUnordered::new();
    loop {
        let (mut stream, target) = tokio::select! {
            accepted = listener.accept(), if open.len() < OPEN_MAX => {
                // A connection that broke off before it was taken is nobody's sign-in.
                if let Ok((stream, _)) = accepted {
                    open.push(hear(stream, clock));
                }
                continue;
            }
            Some(heard) = open.next() => heard,
        };
        let Some(target) = target else { continue };
        if let Some(code) = code_of(&mut stream, &target, state).await? {
            return Ok(code);
        }
    }
}

/// The code that a request brings, and an answer to it; nothing if it is not the one that is waited for.
async fn code_of(stream: &mut TcpStream, target: &str, state: &str) -> anyhow::Result<Option<Secret>> {
    let query = target.strip_prefix("/?").unwrap_or_default();
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    // Browsers ask for icons, and anybody on this machine may call.
    if find("state").as_deref() != Some(state) {
        page(stream, "404 Not Found", "There is nothing here.").await;
        return Ok(None);
    }
    if let Some(code) = find("code") {
        page(stream, "200 OK", "You are signed in to huntbook. This page can be closed.").await;
        return Ok(Some(Secret::new(code)));
    }
    page(stream, "200 OK", "You are not signed in. The terminal says why; this page can be closed.").await;
    let error = find("error").unwrap_or_else(|| "no code".to_owned());
    let why = find("error_description").unwrap_or_default();
    bail!("the authority let nobody in: {}", crate::text::encode::log(&format!("{error} {why}")));
}

async fn hear(mut stream: TcpStream, clock: &SharedClock) -> (TcpStream, Option<String>) {
    let target = tokio::select! {
        target = target(&mut stream) => target,
        () = clock.sleep(HEAR_MAX) => None,
    };
    (stream, target)
}

/// What a browser asks for; nothing if it ends without saying, or says too much.
async fn target(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let length = stream.read(&mut piece).await.ok().filter(|length| 0 < *length)?;
        head.extend_from_slice(piece.get(..length)?);
        if HEAD_BYTES_MAX < head.len() {
            return None;
        }
    }
    let text = String::from_utf8(head).ok()?;
    let mut words = text.lines().next()?.split(' ');
    if words.next()? == "GET" { words.next().map(str::to_owned) } else { None }
}

async fn page(stream: &mut TcpStream, status: &str, text: &str) {
    let body = format!("<!doctype html><meta charset=utf-8><title>huntbook</title><p>{text}</p>");
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    // The code is there whether or not the page is seen.
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
}
