//! `GET /ui/shortener/{code}/live`: the parts of a link's page that change, as server-sent events.
//!
//! Each stream ends by itself before its request's deadline, and at once when the role drains; the browser comes back. There are at
//! most so many at a time, for each costs a look at the store now and then.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use identity::LINKS_READ;
use problem::Problem;
use resilience::Deadline;
use serde_json::json;
use server::{Drain, Path};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::SignedIn;
use super::charts::{Period, last_hour};
use super::link::{HOUR_ID, TOTALS_ID, known, range, totals};
use crate::config::LiveSettings;
use crate::http::App;
use crate::link::Code;

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
}

impl LiveParts {
    /// With as many places as the settings say.
    pub(crate) fn new(settings: &LiveSettings, drain: Drain) -> Self {
        Self {
            places: Arc::new(Semaphore::new(settings.streams_max)),
            every: Duration::from_millis(settings.every_ms.max(100)),
            drain,
        }
    }
}

/// One stream.
struct Watching {
    app: App,
    who: SignedIn,
    code: Code,
    _place: OwnedSemaphorePermit,
    ends_at: Instant,
    next_at: Instant,
    /// What was sent last, so that what has not changed is not sent again.
    sent: [String; 2],
    /// What is to be sent before the next look.
    waiting: Vec<Event>,
}

pub(super) async fn parts(
    State(app): State<App>,
    who: SignedIn,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    who.require(LINKS_READ)?;
    let code = known(&code)?;
    let place = Arc::clone(&app.live.places).try_acquire_owned();
    let place = place.map_err(|_full| {
        Problem::unavailable("too many pages are kept up to date already", FULL_RETRY_AFTER)
    })?;
    // Another tenant's link is none.
    app.links.find_link(&who.0.tenant, &code).await?;
    let now = Instant::now();
    let left = Deadline::current().map_or(LASTS, |deadline| deadline.remaining(&*app.links.clock));
    let watching = Watching {
        ends_at: now + left.saturating_sub(MARGIN),
        next_at: now,
        sent: Default::default(),
        waiting: vec![Event::default().retry(BACK_AFTER).comment("the parts of a page")],
        app,
        who,
        code,
        _place: place,
    };
    let events = stream::unfold(watching, |mut watching| async {
        let event = watching.next().await?;
        Some((Ok::<_, Infallible>(event), watching))
    });
    let alive = KeepAlive::new().interval(Duration::from_secs(5));
    Ok(Sse::new(events).keep_alive(alive).into_response())
}

impl Watching {
    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop() {
                return Some(event);
            }
            let drain = self.app.live.drain.clone();
            tokio::select! {
                () = drain.begun() => return None,
                () = tokio::time::sleep_until(self.next_at.min(self.ends_at)) => {}
            }
            if Instant::now() >= self.ends_at {
                return None;
            }
            self.next_at = Instant::now() + self.app.live.every;
            // A link that is gone, or a store that is away: the browser comes back and finds out.
            self.look().await.ok()?;
        }
    }

    /// Looks whether there is anything new. The report is asked for only when there was a click, or when a minute has passed.
    async fn look(&mut self) -> Result<(), Problem> {
        let links = &self.app.links;
        let tenant = &self.who.0.tenant;
        let counted = links.find_link(tenant, &self.code).await?;
        let now_ms = links.clock.unix_ms();
        let seen = format!("{} {}", counted.clicks.count, now_ms / 60_000);
        if self.sent[1] != seen {
            let range = range(Period::named(None), now_ms)?;
            let (_, report) = links.link_report(tenant, &self.code, range).await?;
            self.waiting.push(part(HOUR_ID, &last_hour(&report).0)?);
            self.sent[1] = seen;
        }
        let totals = totals(&counted).0;
        if self.sent[0] != totals {
            self.waiting.push(part(TOTALS_ID, &totals)?);
            self.sent[0] = totals;
        }
        Ok(())
    }
}

fn part(id: &str, markup: &str) -> Result<Event, Problem> {
    let event = Event::default()
        .event("part")
        .json_data(json!({"id": id, "markup": markup}));
    event.map_err(Problem::internal)
}
