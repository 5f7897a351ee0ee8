//! The parts of a page that change, as server-sent events.
//!
//! Each stream ends by itself before its request's deadline, and at once when the role drains; the browser comes back. There are at
//! most so many at a time. A part is drawn anew only when the console says that something changed, and sent only if it looks
//! different.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use clock::SharedClock;
use futures::stream;
use problem::Problem;
use resilience::Deadline;
use serde_json::json;
use server::Drain;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::Part;
use crate::config::LiveSettings;
use crate::http::App;

/// What is left of the deadline when a stream ends: its last bytes have a way to go.
const MARGIN: Duration = Duration::from_millis(500);
/// How long a stream is without a deadline; there always is one.
const LASTS: Duration = Duration::from_secs(10);
/// How soon a browser comes back after an end.
const BACK_AFTER: Duration = Duration::from_millis(250);
/// When to come back when all places are taken.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(10);

/// What all streams share.
pub(crate) struct LiveParts {
    places: Arc<Semaphore>,
    every: Duration,
    drain: Drain,
    clock: SharedClock,
}

impl LiveParts {
    /// With as many places as the settings say.
    pub(crate) fn new(settings: &LiveSettings, drain: Drain, clock: SharedClock) -> Self {
        Self {
            places: Arc::new(Semaphore::new(settings.streams_max)),
            every: Duration::from_millis(settings.every_ms.max(100)),
            drain,
            clock,
        }
    }
}

/// One stream.
struct Watching<D> {
    app: App,
    draw: D,
    changes: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
    ends_at: Instant,
    next_at: Instant,
    /// What was sent last, so that what has not changed is not sent again.
    sent: HashMap<&'static str, String>,
    /// What is to be sent before the next look.
    waiting: Vec<Event>,
}

/// Sends what `draw` gives, now and whenever it has changed, until the request's deadline.
pub(super) fn stream_of(
    app: &App,
    draw: impl Fn(&App) -> Vec<Part> + Send + 'static,
) -> Result<Response, Problem> {
    let place = Arc::clone(&app.live.places).try_acquire_owned();
    let place = place.map_err(|_full| {
        Problem::unavailable("too many pages are kept up to date already", FULL_RETRY_AFTER)
    })?;
    let now = Instant::now();
    let left = Deadline::current().map_or(LASTS, |deadline| deadline.remaining(&*app.live.clock));
    let mut changes = app.console.changes();
    // What the page shows may be older than now.
    changes.mark_changed();
    let watching = Watching {
        ends_at: now + left.saturating_sub(MARGIN),
        next_at: now,
        sent: HashMap::new(),
        waiting: vec![Event::default().retry(BACK_AFTER).comment("the parts of a page")],
        app: app.clone(),
        draw,
        changes,
        _place: place,
    };
    let events = stream::unfold(watching, |mut watching| async {
        let event = watching.next().await?;
        Some((Ok::<_, Infallible>(event), watching))
    });
    let alive = KeepAlive::new().interval(Duration::from_secs(5));
    Ok(Sse::new(events).keep_alive(alive).into_response())
}

impl<D: Fn(&App) -> Vec<Part>> Watching<D> {
    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop() {
                return Some(event);
            }
            let drain = self.app.live.drain.clone();
            let (next_at, changes) = (self.next_at, &mut self.changes);
            let news = async {
                tokio::time::sleep_until(next_at).await;
                changes.changed().await
            };
            tokio::select! {
                () = drain.begun() => return None,
                () = tokio::time::sleep_until(self.ends_at) => return None,
                // The console is gone: so is what is to be seen.
                came = news => came.ok()?,
            }
            self.next_at = Instant::now() + self.app.live.every;
            self.look();
        }
    }

    /// Draws the parts and keeps those that look different.
    fn look(&mut self) {
        for part in (self.draw)(&self.app) {
            let markup = part.markup.0;
            if self.sent.get(part.id) == Some(&markup) {
                continue;
            }
            let event = Event::default()
                .event("part")
                .json_data(json!({"id": part.id, "markup": markup}));
            // Text is always JSON.
            self.waiting.extend(event.ok());
            self.sent.insert(part.id, markup);
        }
    }
}
