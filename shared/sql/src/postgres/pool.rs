//! Connections, lent one at a time.
//!
//! sqlx's own pool asks each connection that comes back for a sign of life, without a deadline: one that was cut off in the
//! middle by a network that answers nothing would hold its place for ever. Here a connection comes back only when it is
//! known to be at rest; any other is dropped, which closes its socket and makes the server roll back.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::SqlError;

/// A connection that rested for longer is asked whether it still lives before it is lent.
const REST_TRUSTED: Duration = Duration::from_secs(1);

/// How long a rested connection may take to say so.
const LIFE_SIGN_PATIENCE: Duration = Duration::from_millis(250);

/// Pause before another try to connect; drawn anew each time, since many wait for the same server.
const CONNECT_PAUSE_MS: std::ops::Range<u64> = 20..100;

pub(super) struct Pool {
    options: PgConnectOptions,
    size: u32,
    acquire_timeout: Duration,
    idle_max: Duration,
    seats: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    closed: AtomicBool,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

impl Pool {
    pub(super) fn new(
        options: PgConnectOptions,
        size: u32,
        acquire_timeout: Duration,
        idle_max: Duration,
    ) -> Arc<Self> {
        let size = size.max(1);
        Arc::new(Self {
            options,
            size,
            acquire_timeout,
            idle_max,
            seats: Arc::new(Semaphore::new(size as usize)),
            idle: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// Lends a connection: a rested one, or a new one where there is none. Not later than `deadline`, and not later than
    /// the pool's own patience.
    pub(super) async fn lend(self: &Arc<Self>, deadline: Instant) -> Result<Lent, SqlError> {
        self.lend_within(deadline.min(Instant::now() + self.acquire_timeout))
            .await
    }

    pub(super) async fn lend_within(self: &Arc<Self>, deadline: Instant) -> Result<Lent, SqlError> {
        let seat = timeout_at(deadline, Arc::clone(&self.seats).acquire_owned())
            .await
            .map_err(|_| SqlError::Overloaded)?
            .map_err(|_| SqlError::Closed)?;
        if self.closed.load(Ordering::Relaxed) {
            return Err(SqlError::Closed);
        }
        let connection = match self.rested(deadline).await {
            Some(connection) => connection,
            None => connect(&self.options, deadline).await?,
        };
        Ok(Lent {
            connection: Some(connection),
            pool: Arc::clone(self),
            _seat: seat,
        })
    }

    async fn rested(&self, deadline: Instant) -> Option<PgConnection> {
        loop {
            let Idle {
                mut connection,
                since,
            } = self.idle().pop()?;
            let rest = since.elapsed();
            if rest <= REST_TRUSTED {
                return Some(connection);
            }
            let patience = deadline.min(Instant::now() + LIFE_SIGN_PATIENCE);
            if rest <= self.idle_max && matches!(timeout_at(patience, connection.ping()).await, Ok(Ok(()))) {
                return Some(connection);
            }
        }
    }

    /// Drops the connections at rest: one was lost, so the others are likely to be.
    pub(super) fn forget_rested(&self) {
        self.idle().clear();
    }

    /// Lends no more, and closes the connections as they come back.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        if let Ok(_all) = self.seats.acquire_many(self.size).await {
            self.seats.close();
        }
        let idle = std::mem::take(&mut *self.idle());
        for Idle { connection, .. } in idle {
            let _ = timeout(LIFE_SIGN_PATIENCE, connection.close()).await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects, and tries again while the server is away, starting up or full.
pub(super) async fn connect(options: &PgConnectOptions, deadline: Instant) -> Result<PgConnection, SqlError> {
    let mut said = None;
    loop {
        let error = match timeout_at(deadline, options.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => SqlError::from(error),
            // What was said before the time was over says more than that it is over.
            Err(_) => return Err(said.unwrap_or(SqlError::Deadline)),
        };
        let pause = Duration::from_millis(rand::random_range(CONNECT_PAUSE_MS));
        let worth_a_wait = matches!(error, SqlError::Unreachable(_) | SqlError::Overloaded);
        if !worth_a_wait || Instant::now() + pause >= deadline {
            return Err(error);
        }
        said = Some(error);
        sleep(pause).await;
    }
}

/// A lent connection. It is closed when it is dropped; only [`Lent::give_back`] keeps it.
pub(super) struct Lent {
    /// Always there, until the end.
    connection: Option<PgConnection>,
    pool: Arc<Pool>,
    _seat: OwnedSemaphorePermit,
}

impl Lent {
    /// Whether no transaction is open and nothing is left to be sent.
    fn is_at_rest(&self) -> bool {
        !self.is_in_transaction() && !self.should_flush()
    }

    /// Back to the pool, for whoever is next.
    pub(super) fn give_back(mut self) {
        if self.is_at_rest()
            && !self.pool.closed.load(Ordering::Relaxed)
            && let Some(connection) = self.connection.take()
        {
            let since = Instant::now();
            self.pool.idle().push(Idle { connection, since });
        }
    }
}

const TAKEN: &str = "a lent connection is taken out only by the one that gives it back";

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect(TAKEN)
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect(TAKEN)
    }
}
