//! What there is to ask for. GET tells, POST changes, and there is nothing else.

use axum::http::Method;

/// Longest id in a path.
const ID_MAX: usize = 64;

/// Every method and path that is answered; `{id}` stands for an id.
pub const ROUTES: &[(&str, &str)] = &[
    ("GET", "/"),
    ("GET", "/approvals"),
    ("GET", "/approvals/{id}"),
    ("GET", "/icon.svg"),
    ("GET", "/live"),
    ("GET", "/live.js"),
    ("GET", "/runs"),
    ("GET", "/runs/{id}"),
    ("GET", "/sessions"),
    ("GET", "/sign-in"),
    ("GET", "/sign-in/back"),
    ("GET", "/sign-in/provider"),
    ("GET", "/style.css"),
    ("POST", "/approvals/{id}"),
    ("POST", "/edits/{id}"),
    ("POST", "/resume"),
    ("POST", "/sessions"),
    ("POST", "/sign-in"),
    ("POST", "/sign-out"),
    ("POST", "/stop"),
];

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// A file that is the same for everybody: its kind and its text.
    Fixed(&'static str, &'static str),
    SignIn,
    ToProvider,
    FromProvider,
    TakeCode,
    SignOut,
    Overview,
    Runs,
    Run(String),
    Approvals,
    Approval(String),
    Speak(String),
    /// A word about an edit that raises risk.
    Confirm(String),
    Sessions,
    EndSessions,
    Stop,
    Resume,
    Live,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// There is no such page.
    Page,
    /// It is there, and this is the method for it.
    Method(&'static str),
}

/// Finds what a request is about.
pub(super) fn find(method: &Method, path: &str) -> Result<Route, Missing> {
    let (get, post) = routes(path);
    let allow = match (&get, &post) {
        (None, None) => return Err(Missing::Page),
        (Some(_), None) => "GET",
        (None, Some(_)) => "POST",
        (Some(_), Some(_)) => "GET, POST",
    };
    let found = if *method == Method::GET {
        get
    } else if *method == Method::POST {
        post
    } else {
        None
    };
    found.ok_or(Missing::Method(allow))
}

fn routes(path: &str) -> (Option<Route>, Option<Route>) {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let id = |text: &str| {
        let fits = text.len() <= ID_MAX && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (fits && !text.is_empty()).then(|| text.to_owned())
    };
    match parts.as_slice() {
        [""] => (Some(Route::Overview), None),
        ["style.css"] => (Some(Route::Fixed("text/css", include_str!("style.css"))), None),
        ["live.js"] => (Some(Route::Fixed("text/javascript", include_str!("live.js"))), None),
        ["icon.svg"] => (Some(Route::Fixed("image/svg+xml", include_str!("icon.svg"))), None),
        ["live"] => (Some(Route::Live), None),
        ["sign-in"] => (Some(Route::SignIn), Some(Route::TakeCode)),
        ["sign-in", "provider"] => (Some(Route::ToProvider), None),
        ["sign-in", "back"] => (Some(Route::FromProvider), None),
        ["sign-out"] => (None, Some(Route::SignOut)),
        ["stop"] => (None, Some(Route::Stop)),
        ["resume"] => (None, Some(Route::Resume)),
        ["runs"] => (Some(Route::Runs), None),
        ["runs", run] => (id(run).map(Route::Run), None),
        ["edits", edit] => (None, id(edit).map(Route::Confirm)),
        ["sessions"] => (Some(Route::Sessions), Some(Route::EndSessions)),
        ["approvals"] => (Some(Route::Approvals), None),
        ["approvals", asked] => (id(asked).map(Route::Approval), id(asked).map(Route::Speak)),
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_list_is_found_and_nothing_else() {
        let methods = [Method::GET, Method::POST, Method::PUT, Method::HEAD];
        let paths: std::collections::BTreeSet<&str> = ROUTES.iter().map(|(_, path)| *path).collect();
        for path in paths {
            for method in &methods {
                let listed = ROUTES.contains(&(method.as_str(), path));
                assert_eq!(find(method, &path.replace("{id}", "k4-x")).is_ok(), listed, "{method} {path}");
            }
        }
        for path in ["", "/x", "//", "/runs/", "/runs/a/b", "/runs/..", "/runs/%2e%2e", "/style.css/"] {
            assert_eq!(find(&Method::GET, path), Err(Missing::Page), "{path}");
        }
        assert_eq!(find(&Method::POST, "/runs"), Err(Missing::Method("GET")));
    }
}
