//! The simulated tenant: a server that speaks the tenant's HTTP.
