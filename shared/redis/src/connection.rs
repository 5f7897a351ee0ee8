//! The handle: every command goes through [`Redis::query`] or a script, measured, bounded and within its deadline.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use clock::SharedClock;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, ServerErrorKind};
use resilience::Breaker;
use telemetry::{Operations, Telemetry};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::link::Links;
use crate::{Key, RedisError, RedisSettings, RedisUrl};

/// What is known of a command whose answer did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing, so nothing is unknown.
    Read,
    /// It may have been done.
    Write,
}

/// A Redis. Cheap to clone; all clones share one connection, which comes back by itself after it was lost.
#[derive(Debug, Clone)]
pub struct Redis {
    pub(crate) inner: Arc<Inner>,
    quick: bool,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) url: RedisUrl,
    pub(crate) settings: RedisSettings,
    pub(crate) links: Links,
    operations: Operations,
    clock: SharedClock,
    in_flight: Semaphore,
    breaker: Mutex<Breaker>,
}

impl Redis {
    /// Connects; a server that is away or refuses us is an error, within `connect_timeout_ms`.
    pub async fn connect(
        url: &str,
        settings: RedisSettings,
        telemetry: Telemetry,
        clock: SharedClock,
    ) -> Result<Self, RedisError> {
        let within = settings.connect_timeout();
        let redis = Self::connecting(url, settings, &telemetry, clock)?;
        let connected = timeout_at(Instant::now() + within, redis.inner.links.soon()).await;
        connected.map_err(|_| {
            RedisError::Unavailable(format!("{} did not answer in time", redis.inner.url.address()))
        })??;
        Ok(redis)
    }

    /// For who can do without: returns at once, connects in the background and goes on trying. Until then every command says
    /// that there is no connection.
    pub fn connecting(
        url: &str,
        settings: RedisSettings,
        telemetry: &Telemetry,
        clock: SharedClock,
    ) -> Result<Self, RedisError> {
        let url = RedisUrl::parse(url)?;
        let inner = Inner {
            links: Links::begin(&url, settings.clone(), telemetry)?,
            operations: Operations::of(telemetry, clock.clone(), "redis", url.prefix()),
            in_flight: Semaphore::new(settings.in_flight_max.max(1) as usize),
            breaker: Mutex::new(Breaker::new(settings.breaker.clone())),
            url,
            settings,
            clock,
        };
        Ok(Self {
            inner: Arc::new(inner),
            quick: false,
        })
    }

    /// The same Redis for a request's path: a command has `quick_deadline_ms`, waits for no connection, and is
    /// [skipped](RedisError::Skipped) while the last ones in a row were too slow. All quick handles share one breaker.
    #[must_use]
    pub fn quick(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            quick: true,
        }
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &RedisSettings {
        &self.inner.settings
    }

    /// The key `prefix:{tag}:rest`. Keys with one tag may be used by one script, in a cluster too.
    pub fn key(&self, tag: &str, rest: &str) -> Key {
        Key::new(self.inner.url.prefix(), tag, rest)
    }

    pub(crate) fn channel(&self, name: &str) -> String {
        format!("{}:{name}", self.inner.url.prefix())
    }

    /// Runs one command that has no method of its own here; its keys must come from [`Redis::key`]. Commands that block have no
    /// place on a shared connection.
    pub async fn query<T: FromRedisValue>(
        &self,
        name: &'static str,
        effect: Effect,
        command: &Cmd,
    ) -> Result<T, RedisError> {
        self.measured(name, effect, async |mut connection| {
            command.query_async(&mut connection).await
        })
        .await
    }

    /// Runs a script by its hash; a server that does not know it gets its text.
    pub(crate) async fn evaluate<T: FromRedisValue>(
        &self,
        name: &'static str,
        effect: Effect,
        known: &Cmd,
        whole: impl Fn() -> Cmd,
    ) -> Result<T, RedisError> {
        self.measured(name, effect, async |mut connection| {
            match known.query_async(&mut connection).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    whole().query_async(&mut connection).await
                }
                outcome => outcome,
            }
        })
        .await
    }

    /// Whether Redis takes writes now: sets a key of its own, within `probe_timeout_ms`. A replica, a full or a stalled one fails.
    pub async fn probe(&self) -> Result<(), RedisError> {
        let key = self.key("probe", "beat");
        let mut command = redis::cmd("SET");
        command.arg(key.as_str()).arg(1).arg("PX").arg(60_000);
        let deadline = Instant::now() + self.inner.settings.probe_timeout();
        let send = async |mut connection: MultiplexedConnection| command.query_async(&mut connection).await;
        let mut operation = self.inner.operations.begin("probe");
        // Whether the beat was written is nobody's concern: all that matters is that no answer came.
        let outcome = self.inner.bounded(deadline, Effect::Read, true, send).await;
        note(&mut operation, outcome)
    }

    /// Drops the connection; every later command is refused.
    pub async fn close(&self) {
        self.inner.in_flight.close();
        self.inner.links.close();
        tokio::task::yield_now().await;
    }

    async fn measured<T, F, Fut>(&self, name: &'static str, effect: Effect, send: F) -> Result<T, RedisError>
    where
        F: FnOnce(MultiplexedConnection) -> Fut,
        Fut: Future<Output = redis::RedisResult<T>>,
    {
        let inner = &self.inner;
        let mut operation = inner.operations.begin(name);
        if !self.quick {
            let deadline = Instant::now() + inner.settings.command_deadline();
            return note(&mut operation, inner.bounded(deadline, effect, true, send).await);
        }
        if !inner.breaker().admits(inner.clock.monotonic()) {
            return note(&mut operation, Err(RedisError::Skipped));
        }
        let deadline = Instant::now() + inner.settings.quick_deadline();
        let outcome = inner.bounded(deadline, effect, false, send).await;
        inner.learn(&outcome);
        note(&mut operation, outcome)
    }
}

fn note<T>(operation: &mut telemetry::Operation, outcome: Result<T, RedisError>) -> Result<T, RedisError> {
    match &outcome {
        Ok(_) => operation.ok(),
        Err(error) => operation.failed(error.code()),
    }
    outcome
}

impl Inner {
    /// Sends on the shared connection, within the deadline and the bound of what may be in flight.
    async fn bounded<T, F, Fut>(
        &self,
        deadline: Instant,
        effect: Effect,
        wait: bool,
        send: F,
    ) -> Result<T, RedisError>
    where
        F: FnOnce(MultiplexedConnection) -> Fut,
        Fut: Future<Output = redis::RedisResult<T>>,
    {
        let permit = timeout_at(deadline, self.in_flight.acquire()).await;
        let _permit = permit
            .map_err(|_| RedisError::Overloaded)?
            .map_err(|_| RedisError::Closed)?;
        let connection = if wait {
            let connected = timeout_at(deadline, self.links.soon()).await;
            connected.map_err(|_| RedisError::Unavailable("not connected in time".to_owned()))??
        } else {
            self.links.now()?
        };
        match timeout_at(deadline, send(connection)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(RedisError::sorted(&error, effect)),
            Err(_) => {
                self.links.suspect();
                Err(RedisError::late(effect))
            }
        }
    }

    /// Only slowness opens the breaker: without a connection a command fails at once anyway, and must not be kept back once there is
    /// one again.
    fn learn<T>(&self, outcome: &Result<T, RedisError>) {
        let now = self.clock.monotonic();
        match outcome {
            Err(RedisError::Deadline | RedisError::Unknown(_) | RedisError::Overloaded) => {
                if self.breaker().failed(now) {
                    tracing::warn!(
                        address = self.url.address(),
                        "redis is too slow for requests; it is left alone for a while"
                    );
                }
            }
            Err(RedisError::Unavailable(_) | RedisError::Closed) => {}
            _ => self.breaker().succeeded(),
        }
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
