//! Several tenants behind one address: the customers of a partner, who all know one application.

use std::fmt::Write as _;

use anyhow::Context as _;

use super::args::Start;
use super::start::tenant;
use crate::clock::SharedClock;
use crate::sim::{Consent, Sim, SimApp, SimEndpoints, SimIdentity, SimOptions};

/// The environment variable in which the settings expect the secret.
const SECRET_IN: &str = "HUNTBOOK_SIM_SECRET";

/// Sets what the administrators of the n-th tenant made of the application, and gives the application.
pub(super) fn consent(apps: &mut [SimApp], (nth, arguments): (u16, &Start)) -> SimApp {
    let consented = arguments.tenants.saturating_sub(arguments.without_consent);
    for app in apps.iter_mut() {
        app.consent = if nth < consented { Consent::Given } else { Consent::Missing };
    }
    apps.first().cloned().unwrap_or_else(SimApp::sample)
}

/// Starts the tenants after the first.
pub(super) fn beside(
    sim: &Sim,
    (arguments, app): (&Start, &SimApp),
    clock: &SharedClock,
) -> anyhow::Result<Vec<(SimIdentity, Sim)>> {
    let one = |nth: u16| {
        let number = nth.saturating_add(1);
        let (mut options, _clock) = tenant(arguments, SharedClock::clone(clock))?;
        let tenant_id = format!("5b8e0d1c-93f4-4a26-8c57-{number:012}");
        options.identity = SimIdentity {
            tenant_id: tenant_id.parse().context("making a tenant's id")?,
            domain: format!("customer{number:02}.example"),
        };
        options.apps = vec![app.clone()];
        consent(&mut options.apps, (nth, arguments));
        options.hunts_per_minute = arguments.hunts_per_minute;
        let identity = options.identity.clone();
        Ok((identity, sim.beside(SimOptions { port: arguments.port, ..options })?))
    };
    (1..arguments.tenants).map(one).collect()
}

/// Settings that reach them: one application, written once.
pub(super) fn settings(tenants: &[SimIdentity], ends: &SimEndpoints) -> String {
    let SimEndpoints { login, graph, mde, xdr, hooks: _ } = ends;
    let mut text = format!(
        "# Settings for simulated tenants. The secret is expected in {SECRET_IN}.\n\
         apps:\n  simulated: {{clientSecret: {{clientId: {}, secret: {{env: {SECRET_IN}}}}}}}\ntenants:\n",
        SimApp::CLIENT_ID,
    );
    for one in tenants {
        let name = one.domain.strip_suffix(".example").unwrap_or(&one.domain);
        let _infallible = write!(
            text,
            "  {name}:\n    tenantId: {}\n    tags: [customer]\n    auth: {{partner: {{app: simulated}}}}\n    \
             endpoints: {{login: '{login}', graph: '{graph}', mde: '{mde}', xdr: '{xdr}'}}\n",
            one.tenant_id,
        );
    }
    text
}
