//! The one connection that commands share, and the task that keeps it alive.
//!
//! The driver has a reconnecting connection of its own, but replaces a connection only when the system says that it broke. A
//! server that vanished without a word (a half-open connection) would then be asked in vain for a quarter of an hour. Here, an answer
//! that did not come in time makes the task ask for a sign of life, and without one the connection is replaced.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, PushInfo, PushKind};
use telemetry::{Counts, Operations, Telemetry};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::{RedisError, RedisSettings, RedisUrl};

/// How the connection stands.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    /// The first attempt since the start, or since the connection was lost, is under way.
    Connecting,
    /// Commands may be sent.
    Up(MultiplexedConnection),
    /// The last attempt failed; another one follows after a pause.
    Down(RedisError),
    /// The handle was closed.
    Closed,
}

/// Commands' view of the connection. The task ends with it.
#[derive(Debug)]
pub(crate) struct Links {
    state: watch::Receiver<Link>,
    sender: Arc<watch::Sender<Link>>,
    /// Told when an answer did not come in time.
    suspicion: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Links {
    /// Begins to connect, and goes on for as long as this lives.
    pub(crate) fn begin(
        url: &RedisUrl,
        settings: RedisSettings,
        telemetry: &Telemetry,
    ) -> Result<Self, RedisError> {
        let client = client(url, ProtocolVersion::RESP3)?;
        let (sender, state) = watch::channel(Link::Connecting);
        let sender = Arc::new(sender);
        let suspicion = Arc::new(Notify::new());
        let keeper = Keeper {
            client,
            settings,
            address: url.address(),
            database: url.prefix().to_owned(),
            connections: started(connections(telemetry), url.prefix()),
            state: Arc::clone(&sender),
            suspicion: Arc::clone(&suspicion),
        };
        Ok(Self {
            state,
            sender,
            suspicion,
            task: tokio::spawn(keeper.run()),
        })
    }

    /// The connection as it is now, without waiting.
    pub(crate) fn now(&self) -> Result<MultiplexedConnection, RedisError> {
        match &*self.state.borrow() {
            Link::Up(connection) => Ok(connection.clone()),
            Link::Down(error) => Err(error.clone()),
            Link::Closed => Err(RedisError::Closed),
            Link::Connecting => Err(RedisError::Unavailable("not connected yet".to_owned())),
        }
    }

    /// The connection, waiting for an attempt that is under way but not for one after a pause. Must be given a deadline.
    pub(crate) async fn soon(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|link| !matches!(link, Link::Connecting)).await;
        drop(settled.map_err(|_| RedisError::Closed)?);
        self.now()
    }

    /// An answer on the current connection did not come in time.
    pub(crate) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// Drops the connection; whoever waits for one is told.
    pub(crate) fn close(&self) {
        self.task.abort();
        self.sender.send_replace(Link::Closed);
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeper {
    client: Client,
    settings: RedisSettings,
    address: String,
    database: String,
    connections: Counts,
    state: Arc<watch::Sender<Link>>,
    suspicion: Arc<Notify>,
}

impl Keeper {
    async fn run(self) {
        let mut attempt = 0_u32;
        loop {
            let (ended, end) = watch::channel(());
            match self.connect(ended).await {
                Ok(connection) => {
                    tracing::info!(address = self.address, "connected to redis");
                    self.connections.inc(&[&self.database, "made"]);
                    attempt = 0;
                    self.state.send_replace(Link::Up(connection.clone()));
                    self.until_lost(connection, end).await;
                    tracing::warn!(address = self.address, "lost the connection to redis");
                    self.connections.inc(&[&self.database, "lost"]);
                    self.state.send_replace(Link::Connecting);
                }
                Err(error) => {
                    attempt = attempt.saturating_add(1);
                    self.connections.inc(&[&self.database, "failed"]);
                    if attempt == 1 {
                        tracing::warn!(address = self.address, %error, "cannot connect to redis; trying on");
                    }
                    self.state.send_replace(Link::Down(error));
                    sleep(self.settings.reconnect_pause(attempt)).await;
                }
            }
        }
    }

    async fn connect(&self, ended: watch::Sender<()>) -> Result<MultiplexedConnection, RedisError> {
        // Deadlines are ours: a command's own, not the connection's.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    ended.send_replace(());
                }
                Ok::<(), ()>(())
            });
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        match timeout(self.settings.connect_timeout(), connecting).await {
            Ok(connection) => connection.map_err(|error| RedisError::connecting(&error)),
            Err(_) => Err(RedisError::Unavailable(format!(
                "{} did not answer in time",
                self.address
            ))),
        }
    }

    /// Returns when the connection has ended, or when it gives no sign of life though it is asked for one.
    async fn until_lost(&self, mut connection: MultiplexedConnection, mut end: watch::Receiver<()>) {
        loop {
            tokio::select! {
                // The sender is dropped with the connection's driver: that is an end too.
                _ = end.changed() => return,
                () = self.suspicion.notified() => {
                    if !lives(&mut connection, self.settings.probe_timeout()).await {
                        return;
                    }
                }
            }
        }
    }
}

async fn lives(connection: &mut MultiplexedConnection, within: Duration) -> bool {
    let ping = redis::cmd("PING");
    let answer = timeout(within, ping.query_async::<redis::Value>(connection)).await;
    // A server that is loading its data answers with an error, and is alive.
    match answer {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => !error.is_io_error(),
        Err(_) => false,
    }
}

pub(crate) fn client(url: &RedisUrl, protocol: ProtocolVersion) -> Result<Client, RedisError> {
    let info = url.info(protocol)?;
    Client::open(info).map_err(|error| RedisError::connecting(&error))
}

fn started(connections: Counts, database: &str) -> Counts {
    connections.starting(&[&[database, "made"], &[database, "lost"], &[database, "failed"]])
}

/// Registers every metric of this crate without using it: for the catalogue of what a role can emit.
pub fn describe_metrics(telemetry: &Telemetry) {
    Operations::register(telemetry);
    connections(telemetry);
}

/// `redis_connections_total{database, event}`: `made`, `lost`, `failed`.
fn connections(telemetry: &Telemetry) -> Counts {
    Counts::register(
        telemetry,
        "redis_connections",
        "Connections to Redis that were made, lost, or could not be made",
        &["database", "event"],
    )
}
