//! What the administrators of a tenant made of an application that asks for a token, and the page on which they
//! consent to it.

use std::sync::PoisonError;

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use url::Url;

use super::SimApp;
use super::call::{Call, shown};
use super::reply::Reply;
use super::token::{Aadsts, Directory};

/// What the administrators of a tenant made of an application. One that they never saw is not in the list of the
/// tenant's applications at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consent {
    /// They consented to its roles.
    #[default]
    Given,
    /// They know it, and have not consented (AADSTS65001).
    Missing,
    /// They switched it off (AADSTS7000112).
    Disabled,
    /// They consented; the API it asks for is not set up in the tenant (AADSTS500011).
    NoApi,
    /// They consented; the tenant has not subscribed to the API it asks for (AADSTS650052).
    NotSubscribed,
}

impl Consent {
    /// Why no token is issued, if none is.
    pub(super) fn refusal(self, app: &SimApp, resource: &str) -> Option<Aadsts> {
        let (id, name) = (&app.client_id, shown(&app.display_name));
        let (error, code, text) = match self {
            Self::Given => return None,
            Self::Missing => (
                "invalid_grant",
                65_001,
                format!(
                    "The user or administrator has not consented to use the application with ID '{id}' named '{name}'. Send an interactive authorization request for this user and resource."
                ),
            ),
            Self::Disabled => {
                ("unauthorized_client", 7_000_112, format!("Application '{id}'({name}) is disabled."))
            }
            Self::NoApi => (
                "invalid_resource",
                500_011,
                format!("The resource principal named {} was not found in the tenant.", shown(resource)),
            ),
            Self::NotSubscribed => (
                "invalid_client",
                650_052,
                format!(
                    "The app is trying to access a service '{}' that the organization lacks a service principal for.",
                    shown(resource)
                ),
            ),
        };
        Some(Aadsts::new((StatusCode::BAD_REQUEST, error, code), text))
    }
}

impl Directory {
    /// `GET /{tenant}/adminconsent`, also with a version: an administrator opens it and consents, at once.
    pub(super) fn admin_consent(&self, tenant: &str, call: &Call) -> Reply {
        let any = ["common", "organizations"].iter().any(|word| tenant.eq_ignore_ascii_case(word));
        if !any && !self.is_tenant(tenant) {
            return Aadsts::no_tenant(tenant).into_reply(call);
        }
        let wanted = call.option("client_id").unwrap_or_default();
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        let Some(app) = apps.iter_mut().find(|app| app.client_id.eq_ignore_ascii_case(wanted)) else {
            return self.no_app(wanted).into_reply(call);
        };
        app.consent = Consent::Given;
        drop(apps);
        let said = "The administrators have consented. This page can be closed.";
        let Some(mut back) = call.option("redirect_uri").and_then(|address| Url::parse(address).ok()) else {
            return Reply::text(StatusCode::OK, said);
        };
        let mut query = back.query_pairs_mut();
        query.append_pair("admin_consent", "True").append_pair("tenant", self.tenant_id());
        if let Some(state) = call.option("state") {
            query.append_pair("state", state);
        }
        drop(query);
        Reply::text(StatusCode::FOUND, said).with(LOCATION, back.as_str())
    }
}
