//! Pages that are up to date: one look at the journal for all who watch, and a word to each when it has changed.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use futures_util::stream;
use jiff::SignedDuration;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Web;
use super::answer::Refusal;
use super::session::Asks;
use crate::diag::Chain;

/// Most pages that are watched at a time; half the connections, so that the others get through.
pub(super) const WATCHING_MAX: usize = 64;
/// How often the journal is looked at: what a person did, they see at once anyway.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// How often a watched page hears that somebody is there, and whether its session still stands.
const WORD_EVERY: SignedDuration = SignedDuration::from_secs(15);

/// One page that is watched.
struct Watch {
    web: Web,
    session: String,
    beats: watch::Receiver<i64>,
    _place: OwnedSemaphorePermit,
}

impl Web {
    /// Looks whether the journal was written to, for as long as somebody serves.
    pub(super) async fn feel(&self) {
        let facts = &self.0.facts;
        let mut pulse = None;
        loop {
            if pulse.is_none() {
                pulse = facts.store.pulse().await.ok();
            }
            if let Some(known) = pulse.as_mut() {
                match known.beat().await {
                    Ok(beat) => {
                        self.0.beat.send_if_modified(|last| std::mem::replace(last, beat) != beat);
                    }
                    Err(error) => {
                        tracing::warn!(error = %Chain(&error), "the page cannot see whether the journal changes");
                        pulse = None;
                    }
                }
            }
            facts.clock.sleep(LOOK_EVERY).await;
        }
    }
}

/// Tells a page of every change, by server-sent events.
pub(super) fn watch(web: &Web, session: &str) -> Result<Response, Refusal> {
    let Ok(place) = web.0.watching.clone().try_acquire_owned() else {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Too many pages are watched."));
    };
    let mut beats = web.0.beat.subscribe();
    // The first word says what is now: a page that was made before looks again.
    beats.mark_changed();
    let watch = Watch { web: web.clone(), session: session.to_owned(), beats, _place: place };
    let words = stream::unfold(watch, async |mut watch| {
        let word = watch.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(word)), watch))
    });
    let mut response = Response::new(Body::from_stream(words));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

impl Watch {
    /// The next word; `None` when the session is over.
    async fn next(&mut self) -> Option<String> {
        let clock = &self.web.0.facts.clock;
        let word = tokio::select! {
            changed = self.beats.changed() => {
                changed.ok()?;
                format!("data: {}\n\n", *self.beats.borrow_and_update())
            }
            () = clock.sleep(WORD_EVERY) => ": here\n\n".to_owned(),
        };
        self.web.0.sessions.find(&self.session, Asks::Script, clock.now())?;
        Some(word)
    }
}
