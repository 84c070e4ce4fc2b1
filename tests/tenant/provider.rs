//! Tokens from somebody else's authority: an OpenID-certified provider at Entra's paths.

use std::sync::Arc;

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::http::Retry;
use huntbook::model::Secret;
use huntbook::tenant::{
    AppCertificate, Audience, Client, ClientOptions, Credential, EndpointOverrides, Tenant as _, TenantError,
};
use jiff::SignedDuration;

use crate::bench::{APP, SECRET, TENANT, door, everything};
use crate::certificate::{Made, rsa};
use crate::oidc;

/// The provider, and how it is reached.
struct Provider(oidc::Provider);

impl Provider {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts it with more arguments.
    async fn start_with(more: &[&str]) -> Self {
        let own = [TENANT, APP, SECRET];
        Self(oidc::Provider::start(&own.iter().chain(more).copied().collect::<Vec<_>>()).await)
    }

    fn client(&self, secret: &str) -> Client {
        let secret = Arc::new(Secret::new(secret.to_owned()));
        self.client_with(Credential::ClientSecret { client_id: APP.to_owned(), secret })
    }

    fn client_with(&self, credential: Credential) -> Client {
        let clock = Arc::new(SystemClock);
        let none = Secret::new(String::new());
        let options = ClientOptions {
            credential,
            endpoints: EndpointOverrides { login: Some(self.0.url.clone()), ..EndpointOverrides::default() },
            ..ClientOptions::with_secret("contoso", TENANT.parse().unwrap(), APP, none)
        };
        Client::open(options, door(clock.clone()), clock).unwrap()
    }
}

#[tokio::test]
async fn a_certified_provider_issues_us_tokens() {
    let mut provider = Provider::start().await;
    let tenant = provider.client(SECRET);
    let (graph, mde) = tokio::join!(tenant.token_facts(Audience::Graph), tenant.token_facts(Audience::Mde));
    let (graph, mde) = (graph.unwrap(), mde.unwrap());
    assert_eq!(graph.tenant_id.as_deref(), Some(TENANT));
    assert_eq!(graph.app_id.as_deref(), Some(APP));
    assert_eq!(graph.audience.as_deref(), Some("https://graph.microsoft.com"));
    assert_eq!(mde.audience.as_deref(), Some("https://api.securitycenter.microsoft.com"));
    assert_eq!(graph.roles, ["ThreatHunting.Read.All"]);
    let left = SystemClock.now().duration_until(graph.expires_at);
    assert!(left > SignedDuration::from_mins(58) && left <= SignedDuration::from_hours(1), "{left:?}");

    let mut issued = [provider.0.line().await, provider.0.line().await];
    issued.sort_unstable();
    assert_eq!(
        issued,
        ["https://api.securitycenter.microsoft.com/.default", "https://graph.microsoft.com/.default"]
    );
    // The kept token serves: the next one issued is for something else.
    assert_eq!(tenant.token_facts(Audience::Graph).await.unwrap(), graph);
    tenant.token_facts(Audience::Xdr).await.unwrap();
    assert_eq!(provider.0.line().await, "https://api.security.microsoft.com/.default");
}

#[tokio::test]
async fn a_certified_provider_takes_the_proof_of_a_certificate() {
    let made = rsa(SystemClock.now(), (-1, 100));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certificate.pem");
    std::fs::write(&path, &made.certificate).unwrap();
    let credential = |made: &Made| {
        let certificate = AppCertificate::new(Arc::new(Secret::new(made.both())), None, None);
        Credential::ClientCertificate { client_id: APP.to_owned(), certificate: Arc::new(certificate) }
    };
    // The second one knows only the older signature, as ADFS does.
    for algorithms in ["PS256", "RS256"] {
        let provider = Provider::start_with(&[path.to_str().unwrap(), algorithms]).await;
        let tenant = provider.client_with(credential(&made));
        for api in [Audience::Graph, Audience::Mde] {
            assert_eq!(tenant.token_facts(api).await.unwrap().app_id.as_deref(), Some(APP), "{algorithms}");
        }
        let stranger = provider.client_with(credential(&rsa(SystemClock.now(), (-1, 100))));
        let error = stranger.token_facts(Audience::Graph).await.unwrap_err();
        let TenantError::SignIn { refused, .. } = &error else { panic!("{error:?}") };
        assert_eq!(refused.error, "invalid_client");
    }
}

#[tokio::test]
async fn a_certified_provider_refuses_a_wrong_secret_and_the_error_does_not_tell_it() {
    let provider = Provider::start().await;
    let wrong = "wr0ng~secret/+";
    let tenant = provider.client(wrong);
    let error = tenant.token_facts(Audience::Graph).await.unwrap_err();
    let TenantError::SignIn { refused, .. } = &error else { panic!("{error:?}") };
    assert_eq!(refused.error, "invalid_client");
    assert_eq!(error.retry(), Retry::Never);
    let shown = format!("{} {tenant:?}", everything(&error));
    assert!(shown.contains("no token for Microsoft Graph of tenant `contoso`: invalid_client"), "{shown}");
    assert!(!shown.contains(wrong), "{shown}");
}
