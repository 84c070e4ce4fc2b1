//! People who sign in: with a code on another device, or in a browser that comes back with one (PKCE); and the refresh
//! tokens they leave, each of which serves once.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use aws_lc_rs::digest;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use url::{Host, Url};
use uuid::Uuid;

use super::SimApp;
use super::app::Api;
use super::call::{Call, shown};
use super::form::Form;
use super::reply::Reply;
use super::token::{Aadsts, Directory};

/// How long a code of either kind serves.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(15);
/// How long a refresh token serves that nobody uses.
const IDLE_MAX: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How often a client may ask whether somebody has signed in, in seconds. The service says five.
const INTERVAL: i64 = 1;

/// Who signs in to an application that keeps no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimPerson {
    /// The sign-in name.
    pub name: String,
    /// What the person's own roles allow, in the names of application roles.
    pub rights: Vec<String>,
}

/// What people have begun and left.
#[derive(Debug, Default)]
pub(super) struct People {
    codes: BTreeMap<String, Code>,
    devices: BTreeMap<String, Device>,
    refresh: BTreeMap<String, Refresh>,
}

#[derive(Debug)]
struct Code {
    client: String,
    back: String,
    challenge: String,
    ends: Timestamp,
}

#[derive(Debug)]
struct Device {
    client: String,
    user_code: String,
    scope: String,
    entered: bool,
    ends: Timestamp,
}

#[derive(Debug)]
struct Refresh {
    client: String,
    used: Timestamp,
    state: Served,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    NotYet,
    Once,
    Revoked,
}

/// A sign-in for which tokens are issued.
pub(super) struct SignedIn {
    pub(super) app: SimApp,
    pub(super) person: SimPerson,
    /// What is asked for, without what belongs to the sign-in itself.
    pub(super) scope: String,
    /// Whether a refresh token is asked for.
    pub(super) offline: bool,
}

/// The name under which people's tokens carry a role.
pub(super) fn scope_of(api: Api, role: &str) -> &str {
    match api {
        Api::Graph | Api::Vault => role,
        Api::Mde | Api::Xdr => role.strip_suffix(".All").unwrap_or(role),
    }
}

fn bad(error: &'static str, code: u32, text: &str) -> Aadsts {
    Aadsts::new((StatusCode::BAD_REQUEST, error, code), text.to_owned())
}

impl SignedIn {
    fn new((app, person): (SimApp, SimPerson), scope: &str) -> Self {
        let own = ["offline_access", "openid", "profile"];
        let (of_sign_in, rest): (Vec<&str>, Vec<&str>) =
            scope.split_whitespace().partition(|word| own.contains(word));
        Self { app, person, scope: rest.join(" "), offline: of_sign_in.contains(&"offline_access") }
    }
}

impl Directory {
    fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what people left: their refresh tokens serve no more.
    pub(super) fn revoke_sign_ins(&self) {
        self.people().refresh.values_mut().for_each(|one| one.state = Served::Revoked);
    }

    /// An application that people sign in to.
    fn public(&self, client: Option<&str>) -> Result<(SimApp, SimPerson), Aadsts> {
        let client = client.ok_or_else(|| Aadsts::lacks("client_id"))?;
        let app = self.app(client)?;
        let Some(person) = app.person.clone() else {
            let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
            return Err(Aadsts::new(
                (StatusCode::UNAUTHORIZED, "invalid_client", 7_000_218),
                text.to_owned(),
            ));
        };
        Ok((app, person))
    }

    /// `POST /{tenant}/oauth2/v2.0/devicecode`.
    pub(super) fn device_code(&self, tenant: &str, call: &Call) -> Reply {
        self.begin_device(tenant, call).unwrap_or_else(|refused| refused.into_reply(call))
    }

    fn begin_device(&self, tenant: &str, call: &Call) -> Result<Reply, Aadsts> {
        if !self.is_tenant(tenant) {
            return Err(Aadsts::no_tenant(tenant));
        }
        let form = Form::read(call);
        let (app, _) = self.public(form.client_id.as_deref())?;
        let scope = form.scope.ok_or_else(|| Aadsts::lacks("scope"))?;
        let code = Uuid::new_v4().simple().to_string();
        let user_code: String = Uuid::new_v4().simple().to_string().to_uppercase().chars().take(9).collect();
        let page = format!("{}/{}/devicelogin", call.base, self.tenant_id());
        let body = json!({
            "device_code": code, "user_code": user_code, "verification_uri": page, "interval": INTERVAL,
            "expires_in": CODE_LIFE.as_secs(),
            "message": format!("To sign in, use a web browser to open the page {page} and enter the code {user_code} to authenticate."),
        });
        let ends = call.now.checked_add(CODE_LIFE).unwrap_or(Timestamp::MAX);
        let device = Device { client: app.client_id, user_code, scope, entered: false, ends };
        self.people().devices.insert(code, device);
        Ok(Reply::json(StatusCode::OK, &body))
    }

    /// `GET /{tenant}/devicelogin?code=…`: a person types in the code, and signs in at once.
    pub(super) fn device_login(&self, call: &Call) -> Reply {
        let typed = call.option("code").unwrap_or_default();
        let mut people = self.people();
        let device =
            people.devices.values_mut().find(|device| device.user_code == typed && call.now < device.ends);
        match device {
            Some(device) => {
                device.entered = true;
                Reply::text(StatusCode::OK, "You have signed in. You may now close this window.")
            }
            None => {
                Reply::text(StatusCode::BAD_REQUEST, "That code didn't work. Check the code and try again.")
            }
        }
    }

    /// `GET /{tenant}/oauth2/v2.0/authorize`: a person signs in at once.
    pub(super) fn authorize(&self, tenant: &str, call: &Call) -> Reply {
        self.begin_code(tenant, call).unwrap_or_else(|refused| refused.into_reply(call))
    }

    fn begin_code(&self, tenant: &str, call: &Call) -> Result<Reply, Aadsts> {
        if !self.is_tenant(tenant) {
            return Err(Aadsts::no_tenant(tenant));
        }
        let (app, _) = self.public(call.option("client_id"))?;
        let lacking = |name: &'static str| call.option(name).ok_or_else(|| Aadsts::lacks(name));
        let back = lacking("redirect_uri")?;
        // For native applications any port of this machine is the same address.
        let is_here = |url: &Url| match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            _ => false,
        };
        let Some(mut url) = Url::parse(back).ok().filter(|url| url.scheme() == "http" && is_here(url)) else {
            let text = format!(
                "The redirect URI '{}' specified in the request does not match the redirect URIs configured for the application.",
                shown(back)
            );
            return Err(Aadsts::new((StatusCode::BAD_REQUEST, "invalid_request", 50_011), text));
        };
        if lacking("response_type")? != "code" || lacking("code_challenge_method")? != "S256" {
            return Err(bad(
                "unsupported_response_type",
                700_054,
                "The response_type is not enabled for the application.",
            ));
        }
        let challenge = lacking("code_challenge")?.to_owned();
        let code = Uuid::new_v4().simple().to_string();
        let ends = call.now.checked_add(CODE_LIFE).unwrap_or(Timestamp::MAX);
        let begun = Code { client: app.client_id, back: back.to_owned(), challenge, ends };
        self.people().codes.insert(code.clone(), begun);
        url.query_pairs_mut().append_pair("code", &code).append_pair("state", lacking("state")?);
        Ok(Reply::text(StatusCode::FOUND, "You have signed in.").with(LOCATION, url.as_str()))
    }

    /// The sign-in that a token request goes on with; `None` if it is not a person's.
    pub(super) fn signed_in(&self, form: &Form, call: &Call) -> Result<Option<SignedIn>, Aadsts> {
        let who = || self.public(form.client_id.as_deref());
        let scope = form.scope.as_deref().unwrap_or_default();
        match form.grant_type.as_deref() {
            Some("urn:ietf:params:oauth:grant-type:device_code") => {
                let who = who()?;
                let scope = self.entered(&who.0, form, call)?;
                Ok(Some(SignedIn::new(who, &scope)))
            }
            Some("authorization_code") => {
                let who = who()?;
                self.redeem(&who.0, form, call)?;
                Ok(Some(SignedIn::new(who, scope)))
            }
            Some("refresh_token") => {
                let who = who()?;
                self.refresh(&who.0, form, call)?;
                Ok(Some(SignedIn::new(who, scope)))
            }
            _ => Ok(None),
        }
    }

    fn entered(&self, app: &SimApp, form: &Form, call: &Call) -> Result<String, Aadsts> {
        let code = form.device_code.as_deref().ok_or_else(|| Aadsts::lacks("device_code"))?;
        let mut people = self.people();
        let device = people.devices.get(code).filter(|device| device.client == app.client_id);
        let device = device
            .ok_or_else(|| bad("bad_verification_code", 70_019, "The verification code is not valid."))?;
        if device.ends <= call.now {
            return Err(bad("expired_token", 70_020, "The provided device code has expired."));
        }
        if !device.entered {
            let text = "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
            return Err(bad("authorization_pending", 70_016, text));
        }
        let scope = device.scope.clone();
        people.devices.remove(code);
        Ok(scope)
    }

    fn redeem(&self, app: &SimApp, form: &Form, call: &Call) -> Result<(), Aadsts> {
        let code = form.code.as_deref().ok_or_else(|| Aadsts::lacks("code"))?;
        let begun = self.people().codes.remove(code);
        let begun = begun.filter(|begun| begun.client == app.client_id && call.now < begun.ends);
        let begun = begun.ok_or_else(|| {
            bad("invalid_grant", 70_008, "The provided authorization code or refresh token has expired due to inactivity or was redeemed already.")
        })?;
        if form.redirect_uri.as_deref() != Some(begun.back.as_str()) {
            return Err(bad(
                "invalid_grant",
                500_112,
                "The reply address does not match the one of the authorization request.",
            ));
        }
        let verifier = form.code_verifier.as_deref().unwrap_or_default();
        if URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes())) != begun.challenge {
            return Err(bad(
                "invalid_grant",
                501_481,
                "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
            ));
        }
        Ok(())
    }

    fn refresh(&self, app: &SimApp, form: &Form, call: &Call) -> Result<(), Aadsts> {
        let token = form.refresh_token.as_deref().ok_or_else(|| Aadsts::lacks("refresh_token"))?;
        let mut people = self.people();
        let kept = people.refresh.get_mut(token).filter(|kept| kept.client == app.client_id);
        let used_up = || {
            bad(
                "invalid_grant",
                70_008,
                "The provided authorization code or refresh token has expired due to inactivity or was redeemed already.",
            )
        };
        let kept = kept.ok_or_else(used_up)?;
        match kept.state {
            Served::Revoked => Err(bad(
                "invalid_grant",
                50_173,
                "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
            )),
            Served::Once => Err(used_up()),
            Served::NotYet if IDLE_MAX <= kept.used.duration_until(call.now) => {
                Err(bad("invalid_grant", 700_082, "The refresh token has expired due to inactivity."))
            }
            Served::NotYet => {
                kept.state = Served::Once;
                Ok(())
            }
        }
    }

    /// A refresh token for a sign-in.
    pub(super) fn leave(&self, app: &SimApp, now: Timestamp) -> String {
        let token = format!("1.A{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let kept = Refresh { client: app.client_id.clone(), used: now, state: Served::NotYet };
        self.people().refresh.insert(token.clone(), kept);
        token
    }
}
