//! A role's two listeners, from the first request to the last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use clock::SharedClock;
use http::Request;
use hyper_util::service::TowerToHyperService;
use telemetry::Telemetry;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::admin::{self, Admin};
use crate::connection::Listening;
use crate::edge::{Edge, EdgeService};
use crate::phase::{Phase, Phases};
use crate::{Drain, Readiness, ServeError, ServerSettings};

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
    /// The order of a drain: `/readyz` says 503 while requests are still served; after `drain_notice_ms` the listener closes
    /// and idle connections with it; requests and [`owned`](crate::owned) writes in flight get `drain_deadline_ms`, then
    /// connections are cut. The admin port answers until the end.
    pub async fn serve(self, router: Router, readiness: Readiness) -> Result<(), ServeError> {
        self.check_settings()?;
        let api = self.listener("api", &self.api)?;
        let admin_listener = self.listener("admin", &self.admin)?;
        let phases = Arc::<Phases>::default();
        let writes = TaskTracker::new();
        let listening = Listening::new(&self.settings, Arc::clone(&phases));
        let edge = Arc::new(Edge::new(
            router,
            self.clock.clone(),
            self.telemetry.clone(),
            self.settings.clone(),
            writes.clone(),
        ));
        let admin = Arc::new(Admin {
            telemetry: self.telemetry.clone(),
            readiness,
            drain: self.drain.clone(),
        });
        let admin_phases = Arc::<Phases>::default();
        let admin_listening = Listening::new(&self.settings, Arc::clone(&admin_phases));
        let admin_router = admin::router(Arc::clone(&admin));
        let serve_admin = admin_listening.accept(admin_listener, |_| {
            let router = admin_router
                .clone()
                .map_request(|request: Request<hyper::body::Incoming>| request.map(Body::new));
            TowerToHyperService::new(router)
        });
        let serve_api = async {
            let service = |activity| EdgeService {
                edge: Arc::clone(&edge),
                activity,
            };
            tokio::join!(
                listening.accept(api, service),
                self.close_in_order(&phases, &listening, &writes)
            );
        };
        tokio::select! {
            () = serve_api => {}
            () = serve_admin => {}
            () = admin.readiness.watch() => {}
        }
        admin_phases.move_to(Phase::Cut);
        Ok(())
    }

    async fn close_in_order(&self, phases: &Phases, listening: &Listening, writes: &TaskTracker) {
        self.drain.begun().await;
        tracing::info!(role = self.name, "draining: not ready any more");
        tokio::time::sleep(self.settings.drain_notice()).await;
        phases.move_to(Phase::Closing);
        tracing::info!(role = self.name, "draining: the listener is closed");
        let connections = &listening.connections;
        connections.close();
        writes.close();
        let all_done = async {
            connections.wait().await;
            // Only now can no request begin another write.
            writes.wait().await;
        };
        if tokio::time::timeout(self.settings.drain_deadline(), all_done)
            .await
            .is_err()
        {
            tracing::warn!(
                role = self.name,
                connections = connections.len(),
                writes = writes.len(),
                "the drain deadline has passed: cutting what is left"
            );
            phases.move_to(Phase::Cut);
            // Cut connections end at their next poll; the bound is against one that blocks its thread.
            let _ = tokio::time::timeout(Duration::from_secs(1), connections.wait()).await;
        }
        tracing::info!(role = self.name, "drained");
    }

    fn listener(
        &self,
        listener: &'static str,
        socket: &std::net::TcpListener,
    ) -> Result<TcpListener, ServeError> {
        let adopt = || {
            let socket = socket.try_clone()?;
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket)
        };
        adopt().map_err(|cause| ServeError::Listener {
            role: self.name,
            listener,
            cause,
        })
    }

    fn check_settings(&self) -> Result<(), ServeError> {
        let refuse = |setting, rule| Err(ServeError::Setting { setting, rule });
        match &self.settings {
            settings if settings.header_bytes_max < 8 * 1024 => refuse("header_bytes_max", "at least 8192"),
            settings if settings.headers_max == 0 => refuse("headers_max", "at least 1"),
            settings if settings.connections_max == 0 => refuse("connections_max", "at least 1"),
            settings if settings.concurrency_max == 0 => refuse("concurrency_max", "at least 1"),
            _ => Ok(()),
        }
    }
}
