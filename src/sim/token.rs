//! The directory: issues tokens for the client-credentials grant, publishes the key they are signed
//! with, and checks the tokens that come back.
//!
//! The key pair is made once for each process and never leaves it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::app::{Api, SimApp};
use super::assertion::Judge;
use super::call::{Call, Caller, Refusal, shown};
use super::form::Form;
use super::person::{People, SignedIn};
use super::reply::Reply;
use super::{SimError, SimIdentity, platform};

/// Id of the signing key in token headers and in the published key set.
const KEY_ID: &str = "huntbook-sim-1";

/// How far a caller's clock and ours may differ, as the service allows.
pub(super) const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// What a signed proof of an app is sent as (RFC 7523).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    tid: String,
    appid: String,
    app_displayname: String,
    appidacr: String,
    idtyp: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scp: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upn: Option<String>,
    iat: i64,
    nbf: i64,
    exp: i64,
    uti: String,
    ver: String,
}

/// Signs tokens and knows its own signature.
struct Signer {
    sign: EncodingKey,
    check: DecodingKey,
    published: Jwk,
}

impl Signer {
    fn generate() -> Result<Self, SimError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|error| SimError::Key(Box::new(error)))?;
        let der = pair.as_der().map_err(|error| SimError::Key(Box::new(error)))?;
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        let key = |error| SimError::Key(Box::new(error));
        let sign = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(key)?;
        let mut published = Jwk::from_encoding_key(&sign, Algorithm::RS256).map_err(key)?;
        published.common.key_id = Some(KEY_ID.to_owned());
        let check = DecodingKey::from_jwk(&published).map_err(key)?;
        Ok(Self { sign, check, published })
    }

    /// The process's signer. Making a key takes a good part of a second, so all tenants share it.
    fn shared() -> Result<Arc<Self>, SimError> {
        static SIGNER: OnceLock<Arc<Signer>> = OnceLock::new();
        if let Some(signer) = SIGNER.get() {
            return Ok(Arc::clone(signer));
        }
        let made = Arc::new(Self::generate()?);
        Ok(Arc::clone(SIGNER.get_or_init(|| made)))
    }
}

/// Version of the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// `/oauth2/token`, as older clients and much documentation have it.
    First,
    /// `/oauth2/v2.0/token`.
    Second,
}

/// The directory of one tenant.
pub(super) struct Directory {
    identity: SimIdentity,
    pub(super) apps: RwLock<Vec<SimApp>>,
    token_life: SignedDuration,
    signer: Arc<Signer>,
    pub(super) people: Mutex<People>,
    /// What the platform keeps of identities' tokens: by app and audience, with when it was issued.
    pub(super) kept: Mutex<BTreeMap<(String, String), (String, Timestamp)>>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Directory {
    pub(super) fn open(
        identity: SimIdentity,
        apps: Vec<SimApp>,
        token_life: SignedDuration,
    ) -> Result<Self, SimError> {
        Ok(Self {
            identity,
            apps: RwLock::new(apps),
            token_life,
            signer: Signer::shared()?,
            people: Mutex::default(),
            kept: Mutex::default(),
        })
    }

    /// Makes these the applications registered.
    pub(super) fn set_apps(&self, apps: Vec<SimApp>) {
        *self.apps.write().unwrap_or_else(PoisonError::into_inner) = apps;
    }

    /// Whether a name in a path means this tenant.
    pub(super) fn is_tenant(&self, name: &str) -> bool {
        self.identity.tenant_id.as_str().eq_ignore_ascii_case(name)
            || self.identity.domain.eq_ignore_ascii_case(name)
    }

    /// `POST /{tenant}/oauth2/v2.0/token`, or without the version. Returns the answer and the client id
    /// that asked.
    pub(super) fn token(&self, tenant: &str, version: Version, call: &Call) -> (Reply, Option<String>) {
        let mut form = Form::read(call);
        if version == Version::First {
            // The first version names a resource where the second has a scope.
            form.scope = form.resource.take().map(|resource| format!("{resource}/.default")).or(form.scope);
        }
        let app = form.client_id.clone();
        (self.issue(tenant, &form, call).unwrap_or_else(|refused| refused.into_reply(call)), app)
    }

    fn issue(&self, tenant: &str, form: &Form, call: &Call) -> Result<Reply, Aadsts> {
        if !self.is_tenant(tenant) {
            return Err(Aadsts::no_tenant(tenant));
        }
        if let Some(person) = self.signed_in(form, call)? {
            return self.issue_to(&person, call);
        }
        let (app, proof) = self.authenticate(form, call)?;
        let (api, audience) = scope(form)?;
        if let Some(refused) = app.consent.refusal(&app, audience) {
            return Err(refused);
        }
        let token = self.grant(&app, (api, audience, proof), call)?;
        Ok(self.handed_out(&token, None))
    }

    /// A token for an application that has proved itself.
    pub(super) fn grant(
        &self,
        app: &SimApp,
        (api, audience, proof): (Api, &str, &str),
        call: &Call,
    ) -> Result<String, Aadsts> {
        let roles = api.roles_of(&app.roles).into_iter().map(str::to_owned).collect();
        self.sign(&Claims { roles, ..self.claims((app, audience), proof, call) })
    }

    /// A token for a person, and one to go on with.
    fn issue_to(&self, signed_in: &SignedIn, call: &Call) -> Result<Reply, Aadsts> {
        let app = &signed_in.app;
        let (api, audience) = scope(&Form { scope: Some(signed_in.scope.clone()), ..Form::default() })?;
        if let Some(refused) = app.consent.refusal(app, audience) {
            return Err(refused);
        }
        let claims = Claims {
            idtyp: "user".to_owned(),
            scp: Some(api.scopes_of(&app.roles)),
            upn: Some(signed_in.person.name.clone()),
            ..self.claims((app, audience), "0", call)
        };
        let refresh = signed_in.offline.then(|| self.leave(app, call.now));
        self.issued(&claims, refresh)
    }

    /// What every token says.
    fn claims(&self, (app, audience): (&SimApp, &str), proof: &str, call: &Call) -> Claims {
        let issued = call.now.as_second();
        Claims {
            aud: audience.to_owned(),
            iss: format!("https://sts.windows.net/{}/", self.identity.tenant_id),
            tid: self.identity.tenant_id.to_string(),
            appid: app.client_id.clone(),
            app_displayname: app.display_name.clone(),
            appidacr: proof.to_owned(),
            idtyp: "app".to_owned(),
            roles: Vec::new(),
            scp: None,
            upn: None,
            iat: issued,
            nbf: issued,
            exp: issued.saturating_add(self.token_life.as_secs()),
            uti: call.request_id().simple().to_string(),
            ver: "1.0".to_owned(),
        }
    }

    /// Signs a token and hands it out.
    fn issued(&self, claims: &Claims, refresh: Option<String>) -> Result<Reply, Aadsts> {
        Ok(self.handed_out(&self.sign(claims)?, refresh))
    }

    /// Signs what is said.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<String, Aadsts> {
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.signer.sign).map_err(|error| {
            tracing::error!(%error, "a token could not be signed");
            Aadsts::new(
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", 90033),
                "A transient error has occurred. Please try again.".to_owned(),
            )
        })
    }

    /// The answer with a token in it.
    fn handed_out(&self, token: &str, refresh: Option<String>) -> Reply {
        let seconds = self.token_life.as_secs();
        let mut body = json!({
            "token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token,
        });
        if let Some((object, token)) = body.as_object_mut().zip(refresh) {
            object.insert("refresh_token".to_owned(), token.into());
        }
        Reply::json(StatusCode::OK, &body).with(CACHE_CONTROL, "no-store")
    }

    /// How long tokens live.
    pub(super) const fn token_life(&self) -> SignedDuration {
        self.token_life
    }

    /// The application with this id, or the first one.
    pub(super) fn identity_of(&self, client_id: Option<&str>) -> Option<SimApp> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        let mut apps = apps.iter();
        match client_id {
            Some(id) => apps.find(|app| app.client_id.eq_ignore_ascii_case(id)).cloned(),
            None => apps.next().cloned(),
        }
    }

    pub(super) fn tenant_id(&self) -> &str {
        self.identity.tenant_id.as_str()
    }

    /// An application that the tenant knows.
    pub(super) fn app(&self, client: &str) -> Result<SimApp, Aadsts> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        let app = apps.iter().find(|app| app.client_id.eq_ignore_ascii_case(client)).cloned();
        app.ok_or_else(|| self.no_app(client))
    }

    /// The tenant knows no such application.
    pub(super) fn no_app(&self, client: &str) -> Aadsts {
        let text = format!(
            "Application with identifier '{}' was not found in the directory '{}'.",
            shown(client),
            self.identity.domain
        );
        Aadsts::new((StatusCode::BAD_REQUEST, "unauthorized_client", 700_016), text)
    }

    /// The application that asks, and how it has proved itself (`appidacr`).
    fn authenticate(&self, form: &Form, call: &Call) -> Result<(SimApp, &'static str), Aadsts> {
        match form.grant_type.as_deref() {
            Some("client_credentials") => {}
            Some(other) => {
                let text = format!("The app requested an unsupported grant type '{}'.", shown(other));
                let what = (StatusCode::BAD_REQUEST, "unsupported_grant_type", 70003);
                return Err(Aadsts::new(what, text));
            }
            None => return Err(Aadsts::lacks("grant_type")),
        }
        let Some(client) = &form.client_id else { return Err(Aadsts::lacks("client_id")) };
        let app = self.app(client)?;
        if let Some(assertion) = &form.client_assertion {
            if form.client_assertion_type.as_deref() != Some(ASSERTION_TYPE) {
                return Err(Aadsts::lacks("client_assertion_type"));
            }
            self.judge(call).check(&app, assertion)?;
            return Ok((app, "2"));
        }
        match &form.client_secret {
            Some(secret) if secret == app.secret.expose() => Ok((app, "1")),
            Some(_) => Err(Aadsts::new(
                (StatusCode::UNAUTHORIZED, "invalid_client", 7_000_215),
                format!("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.", app.client_id),
            )),
            None => Err(Aadsts::new(
                (StatusCode::UNAUTHORIZED, "invalid_client", 7_000_218),
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
                    .to_owned(),
            )),
        }
    }

    fn judge(&self, call: &Call) -> Judge<'_> {
        let of = |tenant: &str, path: &str| format!("{}/{tenant}/oauth2/{path}", call.base);
        let names = [self.identity.tenant_id.as_str(), self.identity.domain.as_str()];
        let endpoints = names.iter().flat_map(|name| [of(name, "v2.0/token"), of(name, "token")]).collect();
        Judge {
            endpoints,
            own_issuer: platform::issuer(&call.base),
            issuer: &self.signer.check,
            now: call.now,
        }
    }

    /// `GET /common/discovery/instance`: which names one authority has.
    pub(super) fn instance(&self, call: &Call) -> Reply {
        let (base, id) = (&call.base, &self.identity.tenant_id);
        let host = base.split_once("://").map_or(base.as_str(), |(_, host)| host);
        let names = json!({"preferred_network": host, "preferred_cache": host, "aliases": [host]});
        let body = json!({
            "tenant_discovery_endpoint": format!("{base}/{id}/v2.0/.well-known/openid-configuration"),
            "api-version": "1.1",
            "metadata": [names],
        });
        Reply::json(StatusCode::OK, &body)
    }

    /// `GET /{tenant}/v2.0/.well-known/openid-configuration`.
    pub(super) fn discovery(&self, tenant: &str, call: &Call) -> Reply {
        if !self.is_tenant(tenant) {
            let text = format!("Tenant '{}' not found.", shown(tenant));
            return Aadsts::new((StatusCode::BAD_REQUEST, "invalid_tenant", 90002), text).into_reply(call);
        }
        let (base, id) = (&call.base, &self.identity.tenant_id);
        let body = json!({
            "token_endpoint": format!("{base}/{id}/oauth2/v2.0/token"),
            "device_authorization_endpoint": format!("{base}/{id}/oauth2/v2.0/devicecode"),
            "authorization_endpoint": format!("{base}/{id}/oauth2/v2.0/authorize"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
            "jwks_uri": format!("{base}/{id}/discovery/v2.0/keys"),
            "issuer": format!("https://sts.windows.net/{id}/"),
            "grant_types_supported": ["client_credentials"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        Reply::json(StatusCode::OK, &body)
    }

    /// `GET /{tenant}/discovery/v2.0/keys`.
    pub(super) fn keys(&self) -> Reply {
        Reply::json(StatusCode::OK, &json!({"keys": [self.signer.published]}))
    }

    /// Checks the token of a call to an API: signature, audience, tenant, life.
    pub(super) fn admit(&self, api: Api, call: &Call) -> Result<Caller, Refusal> {
        let wrong = |text: &str| Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", text);
        let header = call.header("authorization").ok_or_else(|| wrong("Access token is empty."))?;
        let token = header
            .split_once(' ')
            .and_then(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()))
            .ok_or_else(|| wrong("Access token is empty."))?;
        let mut rules = Validation::new(Algorithm::RS256);
        // Life and audience are checked below: by the tenant's clock, and against several names.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        rules.validate_aud = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.signer.check, &rules)
            .map_err(|_foreign| wrong("Access token validation failure. Invalid signature."))?
            .claims;
        if !api.takes(&claims.aud) {
            return Err(wrong("Access token validation failure. Invalid audience."));
        }
        if claims.tid != self.identity.tenant_id.as_str() {
            return Err(wrong("Access token validation failure. Invalid tenant."));
        }
        if !alive(&claims, call.now) {
            return Err(wrong("Access token has expired or is not yet valid."));
        }
        let roles = match &claims.scp {
            // A person may what both the app and they themselves may.
            Some(scopes) => {
                let person = self.app(&claims.appid).ok().and_then(|app| app.person);
                person.map(|person| api.rights_of(&person.rights, scopes)).unwrap_or_default()
            }
            None => claims.roles,
        };
        Ok(Caller { app: claims.appid, name: claims.app_displayname, roles })
    }
}

/// Whether a token may be used now. Its end is exact; its beginning allows for clocks that differ.
fn alive(claims: &Claims, now: Timestamp) -> bool {
    now.as_second() < claims.exp && claims.nbf <= now.as_second().saturating_add(SKEW.as_secs())
}

/// The API a token is asked for.
fn scope(form: &Form) -> Result<(Api, &'static str), Aadsts> {
    if form.resource.is_some() {
        let text = "The 'resource' request parameter is not supported.".to_owned();
        return Err(Aadsts::new((StatusCode::BAD_REQUEST, "invalid_request", 901_002), text));
    }
    let Some(scope) = form.scope.as_deref() else { return Err(Aadsts::lacks("scope")) };
    let invalid = || {
        let text = format!(
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {} is not valid.",
            shown(scope)
        );
        Aadsts::new((StatusCode::BAD_REQUEST, "invalid_scope", 70011), text)
    };
    let resource = scope.strip_suffix("/.default").ok_or_else(invalid)?;
    if resource.contains(char::is_whitespace) || !resource.contains(['/', '-']) {
        return Err(invalid());
    }
    // Some pages write a second slash before `.default`.
    Api::find(resource.trim_end_matches('/')).ok_or_else(|| {
        let text = format!("The resource principal named {} was not found in the tenant.", shown(resource));
        Aadsts::new((StatusCode::BAD_REQUEST, "invalid_resource", 500_011), text)
    })
}

/// A refusal of the token endpoint.
#[derive(Debug)]
pub(super) struct Aadsts {
    status: StatusCode,
    error: &'static str,
    code: u32,
    text: String,
}

impl Aadsts {
    pub(super) fn new((status, error, code): (StatusCode, &'static str, u32), text: String) -> Self {
        Self { status, error, code, text }
    }

    /// There is no such tenant.
    pub(super) fn no_tenant(name: &str) -> Self {
        let text = format!(
            "Tenant '{}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.",
            shown(name)
        );
        Self::new((StatusCode::BAD_REQUEST, "invalid_request", 90002), text)
    }

    pub(super) fn lacks(name: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{name}'.");
        Self::new((StatusCode::BAD_REQUEST, "invalid_request", 900_144), text)
    }

    /// The flat envelope of the directory.
    pub(super) fn into_reply(self, call: &Call) -> Reply {
        let trace = call.request_id();
        let correlation = call.header("client-request-id").map_or_else(|| trace.to_string(), shown);
        let time = call.now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let description = format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}",
            self.code, self.text
        );
        let body = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [self.code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        let reply = Reply::json(self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED { reply.with(WWW_AUTHENTICATE, "Basic") } else { reply }
    }
}
