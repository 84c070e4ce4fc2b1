//! People from elsewhere: an OpenID provider says who they are (authorization code with PKCE) and what their roles in
//! the application let them do here.
//!
//! Nothing is kept between the two halves of a sign-in: `state`, `nonce` and the verifier follow from one secret in a
//! cookie of the browser that began it. A code is good once, at the provider.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use super::secret::{keep, make};
use super::session::{LIFE, Person, Rights};
use crate::clock::SharedClock;
use crate::console::{Account, NAME_MAX};
use crate::http::{Address, Http, HttpError, Limits, Repeat, Request};
use crate::model::{Secret, SecretUnread, SharedSource};
use crate::text::clean;

/// Where the provider sends people back to.
pub(super) const BACK: &str = "/sign-in/back";
/// Most bytes of the provider's answers; keys are some kilobytes.
const BYTES_MAX: u64 = 1 << 20;
/// How long what the provider says of itself holds.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Pause between looks for a key that is not there: anybody can name one.
const KEYS_AFTER: SignedDuration = SignedDuration::from_mins(1);
/// How far the provider's clock may be from ours.
const SKEW: SignedDuration = SignedDuration::from_mins(1);
/// Longest id of a person. Source: OpenID Connect Core 1.0, section 2, `sub`.
const ID_MAX: usize = 255;
/// What identity tokens may be signed with: no shared secrets, and nothing unsigned.
const ALGORITHMS: &[Algorithm] = &[Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];

/// The provider, and what its roles mean here.
#[derive(Debug, Clone)]
pub struct ProviderOptions {
    /// Who issues the tokens, as they say it.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// How we prove ourselves beside the PKCE, if we have to.
    pub client_secret: Option<SharedSource>,
    /// The role of those who may look.
    pub look: String,
    /// The role of those who may also speak, stop and resume.
    pub act: String,
    /// The way to it.
    pub http: Http,
}

/// Why a person of the provider is not let in. Contains no code and no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    #[error("the OpenID provider cannot be used")]
    Http(#[from] HttpError),
    #[error("what the OpenID provider answered is not what was asked for: {0}")]
    Answer(&'static str),
    #[error("the secret of the page's application cannot be had")]
    Secret(#[from] SecretUnread),
    #[error("the OpenID provider let nobody in: {0}")]
    Refused(String),
    #[error("the answer belongs to no sign-in that this browser began")]
    Strange,
    #[error("the identity token is not good: {0}")]
    Token(&'static str),
    #[error("`{who}` has neither the role `{look}` nor `{act}`")]
    NoRole { who: String, look: String, act: String },
}

/// What the provider is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// Who they are, as they showed it today.
    Standing,
    /// That they show it now.
    Anew,
}

/// A sign-in that has begun: where the browser goes, and the secret of its cookie.
pub(super) struct Begun {
    pub(super) page: String,
    pub(super) secret: String,
}

/// What the browser brings back.
#[derive(Debug, Default)]
pub(super) struct Back {
    code: Option<Secret>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// The provider as it says it is. Source: OpenID Connect Discovery 1.0, section 3.
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

#[derive(Debug, Clone)]
struct Known {
    metadata: Metadata,
    keys: JwkSet,
    at: Timestamp,
}

#[derive(Deserialize)]
struct Issued {
    id_token: Secret,
}

/// What is read of an identity token.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    /// The person's object id: the same in every application of a directory of Entra ID.
    oid: Option<String>,
    exp: i64,
    iat: i64,
    /// Whom it is for; exactly one is trusted.
    aud: Value,
    /// To whom it was given, if that is said.
    azp: Option<String>,
    /// When the person showed who they are. Entra ID says it only where the application asks for the optional claim.
    auth_time: Option<i64>,
    nonce: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    preferred_username: Option<String>,
    name: Option<String>,
}

#[derive(Debug)]
pub(super) struct Provider {
    options: ProviderOptions,
    issuer: Address,
    back: String,
    clock: SharedClock,
    known: Mutex<Option<Known>>,
}

impl Back {
    /// Reads the query of the address that the provider sent the browser to.
    pub(super) fn read(query: &str) -> Self {
        let mut back = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "code" => back.code = Some(Secret::new(value)),
                "state" => back.state = Some(value),
                "error" => back.error = Some(value),
                "error_description" => back.error_description = Some(value),
                _ => {}
            }
        }
        back
    }
}

impl Provider {
    /// What people know it by.
    pub(super) fn host(&self) -> &str {
        self.issuer.host().unwrap_or_default()
    }

    /// `origin` is where people find the page. Asks nobody.
    pub(super) fn new(options: ProviderOptions, origin: &str, clock: SharedClock) -> Result<Self, HttpError> {
        let issuer = Address::parse(&options.issuer)?;
        Ok(Self { options, issuer, back: format!("{origin}{BACK}"), clock, known: Mutex::default() })
    }

    /// Begins a sign-in.
    pub(super) async fn begin(&self, proof: Proof) -> Result<Begun, ProviderError> {
        let known = self.known(None).await?;
        let secret = make().ok_or(ProviderError::Answer("this machine gives no random numbers"))?;
        let challenge = hash(&derived(&secret, "verifier"));
        let page = Address::parse(&known.metadata.authorization_endpoint)?
            .query("client_id", &self.options.client_id)
            .query("response_type", "code")
            .query("response_mode", "query")
            .query("redirect_uri", &self.back)
            .query("scope", "openid profile")
            .query("state", &derived(&secret, "state"))
            .query("nonce", &derived(&secret, "nonce"))
            .query("code_challenge", &challenge)
            .query("code_challenge_method", "S256");
        // Who asks how old a sign-in may be is told how old it is.
        let page = match proof {
            Proof::Standing => page.query("max_age", &LIFE.as_secs().to_string()),
            Proof::Anew => page.query("max_age", "0").query("prompt", "login"),
        };
        Ok(Begun { page: page.expose().to_owned(), secret })
    }

    /// Ends it: who has come back, and what they may.
    pub(super) async fn finish(&self, back: Back, secret: &str) -> Result<Person, ProviderError> {
        let state = back.state.unwrap_or_default();
        if secret.is_empty() || keep(&state) != keep(&derived(secret, "state")) {
            return Err(ProviderError::Strange);
        }
        let Some(code) = back.code else {
            let why =
                format!("{} {}", back.error.unwrap_or_default(), back.error_description.unwrap_or_default());
            return Err(ProviderError::Refused(clean(why.trim(), 300)));
        };
        let known = self.known(None).await?;
        let token = self.redeem(&known, &code, secret).await?;
        let claims = self.claims(&token).await?;
        if claims.nonce.as_deref() != Some(derived(secret, "nonce").as_str()) {
            return Err(ProviderError::Token("it was issued for another sign-in"));
        }
        self.person(claims)
    }

    /// Turns the code into an identity token.
    async fn redeem(&self, known: &Known, code: &Secret, secret: &str) -> Result<Secret, ProviderError> {
        let ours = match &self.options.client_secret {
            Some(source) => Some(source.fetch().await?),
            None => None,
        };
        let verifier = derived(secret, "verifier");
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("client_id", self.options.client_id.as_str()),
            ("code", code.expose()),
            ("redirect_uri", self.back.as_str()),
            ("code_verifier", verifier.as_str()),
        ];
        form.extend(ours.as_ref().map(|ours| ("client_secret", ours.expose())));
        let request = Request::post(Address::parse(&known.metadata.token_endpoint)?).form(&form);
        let answer = self.options.http.send(&request, Repeat::Unsafe, &limits()).await?;
        let issued: Issued = read(&answer.body)?;
        Ok(issued.id_token)
    }

    /// What a token says, if it is one of the provider for us and of now.
    async fn claims(&self, token: &Secret) -> Result<Claims, ProviderError> {
        let bad = ProviderError::Token;
        let header =
            jsonwebtoken::decode_header(token.expose()).map_err(|_it_may_quote| bad("it is none"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(bad("it is signed in a way that is not accepted"));
        }
        let kid = header.kid.unwrap_or_default();
        let known = self.known(Some(&kid)).await?;
        let key = known.keys.find(&kid).ok_or(bad("nobody knows its key"))?;
        let key = DecodingKey::from_jwk(key).map_err(|_it_says_nothing| bad("its key cannot be used"))?;
        let mut rules = Validation::new(header.alg);
        rules.set_issuer(&[&known.metadata.issuer]);
        rules.set_audience(&[&self.options.client_id]);
        rules.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        // Time is asked of one place only.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let read = jsonwebtoken::decode::<Claims>(token.expose(), &key, &rules);
        let claims = read.map_err(|_it_may_quote| bad("its signature, issuer or audience is wrong"))?.claims;
        let ours = Some(self.options.client_id.as_str());
        let given_to_us = claims.azp.is_none() || claims.azp.as_deref() == ours;
        // Of others it also names, nobody knows what they do with it.
        let for_us_alone = match &claims.aud {
            Value::Array(all) => all.iter().all(|one| one.as_str() == ours),
            one => one.as_str() == ours,
        };
        if !given_to_us || !for_us_alone {
            return Err(bad("it is for others, too"));
        }
        let now = self.clock.now();
        if at(claims.exp).saturating_add(SKEW).is_ok_and(|ends| ends < now) {
            return Err(bad("it has ended"));
        }
        let is_future = |second: i64| at(second).saturating_sub(SKEW).is_ok_and(|said| now < said);
        if is_future(claims.iat) || claims.auth_time.is_some_and(is_future) {
            return Err(bad("it is of the future: is the clock right?"));
        }
        Ok(claims)
    }

    fn person(&self, claims: Claims) -> Result<Person, ProviderError> {
        let id = claims.oid.unwrap_or(claims.sub);
        // Cut or made visible it could be another person's.
        if id.is_empty() || ID_MAX < id.len() || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ProviderError::Token(
                "whose it is cannot be told: its id is empty, too long or no plain text",
            ));
        }
        let called = claims.preferred_username.or(claims.name).unwrap_or_else(|| id.clone());
        let account = Account::elsewhere(&id, clean(&called, NAME_MAX));
        let ProviderOptions { look, act, .. } = &self.options;
        let has = |wanted: &String| claims.roles.iter().any(|role| role == wanted);
        let rights = match (has(act), has(look)) {
            (true, _) => Rights::Act,
            (false, true) => Rights::Look,
            (false, false) => {
                let who = account.shown();
                return Err(ProviderError::NoRole { who, look: look.clone(), act: act.clone() });
            }
        };
        Ok(Person { account, rights, proven: claims.auth_time.map(at) })
    }

    /// The provider's endpoints and keys; asked anew once a day, and if a key is missing.
    async fn known(&self, kid: Option<&str>) -> Result<Known, ProviderError> {
        let mut slot = self.known.lock().await;
        let now = self.clock.now();
        if let Some(known) = &*slot {
            let age = known.at.duration_until(now).abs();
            let lacks = kid.is_some_and(|kid| known.keys.find(kid).is_none());
            if age < KEYS_AFTER || (age < KNOWN_FOR && !lacks) {
                return Ok(known.clone());
            }
        }
        let metadata: Metadata = self.get(&self.issuer.at(".well-known/openid-configuration", &[])?).await?;
        if metadata.issuer != self.options.issuer {
            return Err(ProviderError::Answer("it calls itself by another name than the settings"));
        }
        let keys: JwkSet = self.get(&Address::parse(&metadata.jwks_uri)?).await?;
        Ok(slot.insert(Known { metadata, keys, at: now }).clone())
    }

    async fn get<T: DeserializeOwned>(&self, address: &Address) -> Result<T, ProviderError> {
        let request = Request::get(address.clone());
        let answer = self.options.http.send(&request, Repeat::Safe, &limits()).await?;
        read(&answer.body)
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MIN)
}

fn limits() -> Limits {
    Limits { bytes_max: BYTES_MAX, ..Limits::default() }
}

/// What cannot be read is not shown: it may hold a token.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ProviderError> {
    serde_json::from_slice(body).map_err(|_it_may_quote| ProviderError::Answer("it cannot be read"))
}

/// One of the texts that follow from the secret of a sign-in. None tells the secret, nor another one.
fn derived(secret: &str, what: &str) -> String {
    hash(&format!("{what} {secret}"))
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}
