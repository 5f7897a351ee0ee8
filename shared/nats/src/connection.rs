//! The connection, and how every request goes over it: measured, within a deadline, its outcome told apart.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::client::{RequestError, RequestErrorKind};
use async_nats::connection::State;
use async_nats::jetstream::context::{ContextBuilder, RequestErrorKind as ApiErrorKind};
use async_nats::jetstream::response::Response;
use async_nats::{Client, ConnectOptions, Event, jetstream};
use clock::SharedClock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use telemetry::{Operations, Telemetry};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;

use crate::error::Effect;
use crate::names::token;
use crate::url::{Login, NatsUrl};
use crate::{NatsError, NatsSettings};

/// The first one with batched direct reads.
const OLDEST_SERVER: (i64, i64, i64) = (2, 11, 0);

/// A handle to a NATS server or cluster; cheap to clone.
///
/// While the connection is down every request fails at once with [`NatsError::Unavailable`]: nothing is kept for later, so
/// nothing arrives late. It comes back by itself for as long as it takes.
#[derive(Clone)]
pub struct Nats {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    context: jetstream::Context,
    prefix: String,
    settings: NatsSettings,
    operations: Operations,
    clock: SharedClock,
    closed: AtomicBool,
    connects: watch::Receiver<u64>,
    in_flight: Semaphore,
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("prefix", &self.inner.prefix)
            .finish_non_exhaustive()
    }
}

impl Nats {
    /// Connects to the NATS behind `url` and sees that JetStream answers; both within the deadline.
    pub async fn connect(
        url: &str,
        settings: NatsSettings,
        telemetry: Telemetry,
        clock: SharedClock,
    ) -> Result<Self, NatsError> {
        let url = NatsUrl::parse(url)?;
        let (connected, connects) = watch::channel(0_u64);
        let options = options(&url, &settings, connected);
        let client = timeout(settings.connect_timeout(), options.connect(&url.servers[..]))
            .await
            .map_err(|_| NatsError::Unavailable("no answer within the deadline".to_owned()))?
            .map_err(|error| NatsError::Unavailable(error.to_string()))?;
        let context = ContextBuilder::new()
            .timeout(settings.request_timeout())
            .ack_timeout(settings.request_timeout())
            // Ours come first; these also count answers that nobody waits for any more.
            .max_ack_inflight(settings.in_flight_max.max(1) as usize * 4)
            .backpressure_on_inflight(true)
            .build(client.clone());
        let nats = Self {
            inner: Arc::new(Inner {
                client,
                context,
                operations: Operations::of(&telemetry, clock.clone(), "nats", &url.prefix),
                prefix: url.prefix,
                in_flight: Semaphore::new(settings.in_flight_max.max(1) as usize),
                settings,
                clock,
                closed: AtomicBool::new(false),
                connects,
            }),
        };
        let (major, minor, patch) = OLDEST_SERVER;
        if !nats.inner.client.is_server_compatible(major, minor, patch) {
            let version = nats.inner.client.server_info().version;
            return Err(NatsError::Unexpected(format!(
                "nats-server {version}; {major}.{minor} or newer is needed"
            )));
        }
        // A server without JetStream is no use to anybody here.
        nats.api::<_, serde_json::Value>("account", Effect::Repeatable, "INFO", &serde_json::json!({}))
            .await?;
        Ok(nats)
    }

    /// What every stream, bucket and subject of ours begins with.
    pub fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    /// The name of one of our streams or buckets.
    pub fn stream_name(&self, name: &str) -> String {
        format!("{}_{}", self.inner.prefix, token(name))
    }

    /// One of our subjects, from its tokens.
    pub fn subject(&self, tokens: &[&str]) -> String {
        let mut subject = self.inner.prefix.clone();
        for part in tokens {
            subject.push('.');
            subject.push_str(&token(part));
        }
        subject
    }

    /// The client itself, for what this crate does not offer: core subscriptions, watches. Its deadlines are the caller's.
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// JetStream itself, with our deadline for requests.
    pub fn jetstream(&self) -> &jetstream::Context {
        &self.inner.context
    }

    /// The settings it was connected with.
    pub fn settings(&self) -> &NatsSettings {
        &self.inner.settings
    }

    /// Changes with each connection made: what may have been missed before it is to be looked for.
    pub fn connects(&self) -> watch::Receiver<u64> {
        self.inner.connects.clone()
    }

    /// Ends the connection once what was sent is on its way. Every later request is refused.
    pub async fn close(&self) {
        if self.inner.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        // What cannot be sent within the deadline had an unknown outcome already.
        let _ = timeout(self.inner.settings.request_timeout(), self.inner.client.drain()).await;
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.inner.clock
    }

    /// Runs a request under `name`: measured, refused while there is no connection, given up after the deadline.
    pub(crate) async fn run<T>(
        &self,
        name: &'static str,
        effect: Effect,
        deadline: Duration,
        request: impl Future<Output = Result<T, NatsError>>,
    ) -> Result<T, NatsError> {
        let mut operation = self.inner.operations.begin(name);
        let outcome = match self.check_connected() {
            Ok(()) => timeout(deadline, request)
                .await
                .unwrap_or_else(|_| Err(NatsError::late(effect))),
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(_) => operation.ok(),
            // The loser of a race, and one who looks for what is not there, was served.
            Err(NatsError::Conflict | NatsError::NotFound) => {}
            Err(error) => operation.failed(error.code()),
        }
        outcome
    }

    /// Refuses what could only wait.
    pub(crate) fn check_connected(&self) -> Result<(), NatsError> {
        if self.inner.closed.load(Ordering::Relaxed) {
            return Err(NatsError::Closed);
        }
        if self.inner.client.connection_state() != State::Connected {
            return Err(NatsError::Unavailable("not connected".to_owned()));
        }
        Ok(())
    }

    /// Places for that many appends.
    pub(crate) async fn places(&self, count: usize) -> Result<SemaphorePermit<'_>, NatsError> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let places = self
            .inner
            .in_flight
            .acquire_many(count.min(self.inner.settings.in_flight_max.max(1)));
        places.await.map_err(|_| NatsError::Closed)
    }

    /// Asks JetStream's API.
    pub(crate) async fn api<Q, A>(
        &self,
        name: &'static str,
        effect: Effect,
        subject: &str,
        question: &Q,
    ) -> Result<A, NatsError>
    where
        Q: ?Sized + Serialize,
        A: DeserializeOwned,
    {
        let request = async {
            let asked = self
                .inner
                .context
                .request::<_, _, Response<A>>(subject.to_owned(), question)
                .await;
            match asked {
                Ok(Response::Ok(answer)) => Ok(answer),
                Ok(Response::Err { error }) => Err(NatsError::answered(&error)),
                Err(error) => Err(match error.kind() {
                    ApiErrorKind::NoResponders => {
                        NatsError::Unavailable("JetStream does not answer".to_owned())
                    }
                    ApiErrorKind::TimedOut => NatsError::late(effect),
                    ApiErrorKind::InvalidSubject => NatsError::Unexpected(error.to_string()),
                    ApiErrorKind::Other => NatsError::lost(effect, &error),
                }),
            }
        };
        self.run(name, effect, self.inner.settings.request_timeout(), request)
            .await
    }
}

/// The client's words about a plain request.
pub(crate) fn request_error(error: &RequestError, effect: Effect) -> NatsError {
    match error.kind() {
        RequestErrorKind::TimedOut => NatsError::late(effect),
        RequestErrorKind::NoResponders => NatsError::NotFound,
        RequestErrorKind::MaxPayloadExceeded => NatsError::TooLarge,
        RequestErrorKind::InvalidSubject => NatsError::Unexpected(error.to_string()),
        RequestErrorKind::Other => NatsError::lost(effect, error),
    }
}

fn options(url: &NatsUrl, settings: &NatsSettings, connected: watch::Sender<u64>) -> ConnectOptions {
    let pauses = settings.clone();
    let prefix = url.prefix.clone();
    let connected = Arc::new(connected);
    let options = ConnectOptions::new()
        .name(&url.prefix)
        .connection_timeout(settings.connect_timeout())
        .request_timeout(Some(settings.request_timeout()))
        .ping_interval(settings.ping_interval())
        // What a server says of others need not be reachable from here; the URL names those that are.
        .ignore_discovered_servers()
        .max_reconnects(None)
        .reconnect_delay_callback(move |attempt| pauses.reconnect_pause(attempt))
        .event_callback(move |event| {
            let (prefix, connected) = (prefix.clone(), Arc::clone(&connected));
            async move {
                match event {
                    Event::Connected => {
                        connected.send_modify(|times| *times = times.wrapping_add(1));
                        tracing::info!(prefix, "connected to nats");
                    }
                    Event::Disconnected => tracing::warn!(prefix, "the connection to nats is lost"),
                    other => tracing::warn!(prefix, event = %other, "nats"),
                }
            }
        });
    match &url.login {
        None => options,
        Some(Login::Token(token)) => options.token(token.clone()),
        Some(Login::Password { user, password }) => options.user_and_password(user.clone(), password.clone()),
    }
}
