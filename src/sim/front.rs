//! Several tenants behind one address, as the services have it: which one a request is for, its token says, or the
//! path of a request for one.

use std::sync::{Arc, PoisonError, RwLock};

use axum::http::request::Parts;
use serde::Deserialize;

use super::serve::Service;
use crate::model::TenantId;

/// The tenants behind one address.
#[derive(Debug)]
pub(super) struct Front {
    /// The one that is asked when a request does not say which it is for.
    first: Arc<Service>,
    more: RwLock<Vec<Arc<Service>>>,
}

/// What a token says of its tenant. Whether it is true, the tenant looks at itself.
#[derive(Deserialize)]
struct Bound {
    tid: String,
}

impl Front {
    pub(super) fn new(first: Arc<Service>) -> Arc<Self> {
        Arc::new(Self { first, more: RwLock::default() })
    }

    /// Adds a tenant.
    pub(super) fn add(&self, service: Arc<Service>) {
        self.more.write().unwrap_or_else(PoisonError::into_inner).push(service);
    }

    /// Takes a tenant out.
    pub(super) fn remove(&self, service: &Arc<Service>) {
        let mut more = self.more.write().unwrap_or_else(PoisonError::into_inner);
        more.retain(|other| !Arc::ptr_eq(other, service));
    }

    /// The tenant that a request is for.
    pub(super) fn tenant(&self, parts: &Parts) -> Arc<Service> {
        let more = self.more.read().unwrap_or_else(PoisonError::into_inner);
        let find = |wanted: &str| more.iter().find(|service| service.directory.is_tenant(wanted));
        let place = match parts.uri.path().trim_start_matches('/').split('/').next().unwrap_or_default() {
            // What a test looks at and turns is that of the tenant it names.
            "_sim" => {
                let query = parts.uri.query().unwrap_or_default().as_bytes();
                let named = url::form_urlencoded::parse(query).find(|(key, _)| key == "tenant");
                named.map(|(_, tenant)| tenant.into_owned())
            }
            tenant if find(tenant).is_some() => Some(tenant.to_owned()),
            _ => bearer(parts),
        };
        Arc::clone(place.and_then(|wanted| find(&wanted)).unwrap_or(&self.first))
    }
}

/// The tenant of the token that a request brings.
fn bearer(parts: &Parts) -> Option<String> {
    let (_scheme, token) = parts.headers.get("authorization")?.to_str().ok()?.split_once(' ')?;
    let bound: Bound = jsonwebtoken::dangerous::insecure_decode_claims(token.trim()).ok()?;
    bound.tid.parse::<TenantId>().ok().map(|tenant| tenant.to_string())
}
