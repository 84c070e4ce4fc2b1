//! Workload identity federation: the proof that another issuer gives to a job of GitHub Actions. (Kubernetes puts it
//! into a file, which needs nothing of its own.)

use async_trait::async_trait;
use serde::Deserialize;

use crate::http::{Address, Http, HttpError, Limits, Repeat, Request, Retry};
use crate::model::{Secret, SecretSource, SecretUnread};

/// For whom proofs are, unless the federated credential of the app says otherwise.
pub const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// A job of GitHub Actions asks for its proof. It needs `permissions: {id-token: write}`.
#[derive(Debug)]
pub struct GithubJob {
    /// Where it asks (`ACTIONS_ID_TOKEN_REQUEST_URL`).
    pub url: Secret,
    /// With what (`ACTIONS_ID_TOKEN_REQUEST_TOKEN`).
    pub token: Secret,
    /// For whom the proof is.
    pub audience: String,
    /// The door to it.
    pub http: Http,
}

/// A job that got no proof.
#[derive(Debug, thiserror::Error)]
pub(super) enum GithubError {
    #[error("GitHub was not asked")]
    Asked(#[source] HttpError),
    #[error("GitHub gave no token for the job")]
    Answered(#[source] HttpError),
    #[error("what GitHub answered holds no token")]
    NoToken,
}

/// What GitHub answers.
#[derive(Deserialize)]
struct Body {
    value: Secret,
}

#[async_trait]
impl SecretSource for GithubJob {
    async fn fetch(&self) -> Result<Secret, SecretUnread> {
        let missing = |error: GithubError| SecretUnread::Missing(Box::new(error));
        let asked = |error| missing(GithubError::Asked(error));
        let address = Address::secret(&self.url).map_err(asked)?.query("audience", &self.audience);
        let request = Request::get(address).bearer(&self.token).map_err(asked)?;
        let answer = self.http.send(&request, Repeat::Safe, &Limits::default()).await;
        let answer = answer.map_err(|error| match error.retry() {
            Retry::Never => missing(GithubError::Answered(error)),
            _ => SecretUnread::Unreached(Box::new(GithubError::Answered(error))),
        })?;
        let body: Body =
            serde_json::from_slice(&answer.body).map_err(|_it_may_quote| missing(GithubError::NoToken))?;
        Ok(body.value)
    }
}
