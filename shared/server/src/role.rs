//! A role's two listeners, from the first request to the last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clock::SharedClock;
use telemetry::Telemetry;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Admin, AdminService};
use crate::connection::Listening;
use crate::edge::{Edge, EdgeService};
use crate::phase::{Phase, Phases};
use crate::{Direct, Drain, LargeBodies, Readiness, ServeError, ServerSettings};

/// How long a cut connection may take to notice.
const CUT_WITHIN: Duration = Duration::from_secs(1);

/// What some of a role's paths have to themselves.
#[derive(Debug, Default)]
pub struct Serving {
    /// Those that take larger bodies than `body_bytes_max`.
    pub large: LargeBodies,
    /// What is answered before routing.
    pub direct: Option<Direct>,
    /// Those whose requests get no span, spelled as in a request line: what brings spans must not make some.
    pub unrecorded: &'static [&'static str],
}

/// What the binary hands to each service.
#[derive(Debug)]
pub struct Role {
    /// The role's name, also its `service.name`.
    pub name: &'static str,
    /// The clock of the process.
    pub clock: SharedClock,
    /// The role's traces, metrics and logs.
    pub telemetry: Telemetry,
    /// Limits and waits.
    pub settings: ServerSettings,
    /// Where the API is served. Bound by the binary, so that a taken port is known before anything starts.
    pub api: std::net::TcpListener,
    /// Where operators and probes ask.
    pub admin: std::net::TcpListener,
    /// When to stop.
    pub drain: Drain,
}

impl Role {
    /// The API's address.
    pub fn api_addr(&self) -> std::io::Result<SocketAddr> {
        self.api.local_addr()
    }

    /// The admin port's address.
    pub fn admin_addr(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until the drain has begun and is done.
    ///
    /// The order of a drain: `/readyz` says 503 while requests are still served, each on a connection that ends with its answer; after `drain_notice_ms` the listener closes
    /// and idle connections with it; requests and [`owned`](crate::owned) writes in flight get `drain_deadline_ms`, then
    /// connections are cut. The admin port answers until the end.
    pub async fn serve(self, router: Router, readiness: Readiness) -> Result<(), ServeError> {
        self.serve_with(router, readiness, Serving::default()).await
    }

    /// [`serve`](Self::serve), with what some of its paths have to themselves.
    pub async fn serve_with(
        self,
        router: Router,
        readiness: Readiness,
        serving: Serving,
    ) -> Result<(), ServeError> {
        // Taken apart, so that nothing here keeps a listener open that is to be closed.
        let Self {
            name,
            clock,
            telemetry,
            settings,
            api,
            admin,
            drain,
        } = self;
        check(&settings)?;
        let api = adopt(name, "api", api)?;
        let admin_listener = adopt(name, "admin", admin)?;
        let closing = Closing {
            name,
            drain: drain.clone(),
            notice: settings.drain_notice(),
            deadline: settings.drain_deadline(),
            phases: Arc::default(),
            writes: TaskTracker::new(),
        };
        let listening = Listening::new(&settings, Arc::clone(&closing.phases));
        let admin_phases = Arc::<Phases>::default();
        let admin_listening = Listening::new(&settings, Arc::clone(&admin_phases));
        let writes = closing.writes.clone();
        let phases = Arc::clone(&closing.phases);
        let edge = Edge::new(
            router,
            clock,
            telemetry.clone(),
            settings,
            serving,
            writes,
            phases,
        );
        let edge = Arc::new(edge);
        let admin = Arc::new(Admin {
            telemetry,
            readiness,
            drain,
        });
        let admin_router = admin::router(Arc::clone(&admin));
        let serve_admin = admin_listening.accept(admin_listener, |activity| AdminService {
            router: admin_router.clone(),
            activity,
        });
        let serve_api = async {
            let service = |activity| EdgeService {
                edge: Arc::clone(&edge),
                activity,
            };
            tokio::join!(listening.accept(api, service), closing.in_order(&listening));
        };
        tokio::select! {
            () = serve_api => {}
            () = serve_admin => {}
            () = admin.readiness.watch() => {}
        }
        admin_phases.move_to(Phase::Cut);
        Ok(())
    }
}

/// The end of a role, step by step.
struct Closing {
    name: &'static str,
    drain: Drain,
    notice: Duration,
    deadline: Duration,
    phases: Arc<Phases>,
    writes: TaskTracker,
}

impl Closing {
    async fn in_order(&self, listening: &Listening) {
        self.drain.begun().await;
        tracing::info!(role = self.name, "draining: not ready any more");
        #[cfg(feature = "planted-bugs")]
        if planted_bugs::is_planted(planted_bugs::Bug::NoDrainNotice) {
            self.phases.move_to(Phase::Cut);
            return;
        }
        self.phases.move_to(Phase::Leaving);
        tokio::time::sleep(self.notice).await;
        self.phases.move_to(Phase::Closing);
        tracing::info!(role = self.name, "draining: the listener is closed");
        let connections = &listening.connections;
        connections.close();
        self.writes.close();
        let all_done = async {
            connections.wait().await;
            // Only now can no request begin another write.
            self.writes.wait().await;
        };
        if tokio::time::timeout(self.deadline, all_done).await.is_err() {
            tracing::warn!(
                role = self.name,
                connections = connections.len(),
                writes = self.writes.len(),
                "the drain deadline has passed: cutting what is left"
            );
            self.phases.move_to(Phase::Cut);
            // Cut connections end at their next poll; the bound is against one that blocks its thread.
            let _ = tokio::time::timeout(CUT_WITHIN, connections.wait()).await;
        }
        tracing::info!(role = self.name, "drained");
    }
}

fn adopt(
    role: &'static str,
    listener: &'static str,
    socket: std::net::TcpListener,
) -> Result<TcpListener, ServeError> {
    let adopted = socket
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(socket));
    adopted.map_err(|cause| ServeError::Listener {
        role,
        listener,
        cause,
    })
}

fn check(settings: &ServerSettings) -> Result<(), ServeError> {
    let refuse = |setting, rule| Err(ServeError::Setting { setting, rule });
    match settings {
        settings if settings.header_bytes_max < 1_024 => refuse("header_bytes_max", "at least 1024"),
        settings if settings.headers_max == 0 => refuse("headers_max", "at least 1"),
        settings if settings.connections_max == 0 => refuse("connections_max", "at least 1"),
        settings if settings.concurrency_max == 0 => refuse("concurrency_max", "at least 1"),
        _ => Ok(()),
    }
}
