//! A small service of a lab: a router on a loopback socket.

use std::future::Future;
use std::time::Duration;

use axum::Router;
use load::{Arrival, HttpClient, HttpSettings, Plan, Summary};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::{Bench, LabError};

/// A router on a loopback socket, with a thread of its own as a process would have. Dropped, it is killed.
#[derive(Debug)]
pub struct Service {
    /// Taken when it is killed.
    runtime: Option<Runtime>,
    url: String,
}

impl Service {
    /// Builds a router in the service's own runtime, so that whatever it spawns dies with it, and serves it.
    pub async fn start<Building>(bench: &Bench, building: Building) -> Result<Self, LabError>
    where
        Building: Future<Output = Result<Router, LabError>> + Send + 'static,
    {
        let telemetry = bench.telemetry.clone();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("lab-service")
            .on_thread_start(move || telemetry.adopt_thread())
            .enable_all()
            .build()
            .map_err(LabError::while_("starting a thread"))?;
        let started = runtime.spawn(async move {
            let router = building.await?;
            let listener = TcpListener::bind("127.0.0.1:0")
                .await
                .map_err(LabError::while_("listening on loopback"))?;
            let address = listener
                .local_addr()
                .map_err(LabError::while_("listening on loopback"))?;
            // Ends with the runtime, and not before.
            tokio::spawn(async move { axum::serve(listener, router).await });
            Ok(format!("http://{address}"))
        });
        let mut service = Self {
            runtime: Some(runtime),
            url: String::new(),
        };
        service.url = started
            .await
            .map_err(LabError::while_("starting the lab's service"))??;
        Ok(service)
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client of it.
    pub fn client(&self, deadline: Duration) -> Result<HttpClient, LabError> {
        let settings = HttpSettings {
            deadline,
            idle_connections_max: 2_048,
            ..HttpSettings::default()
        };
        HttpClient::new(&self.url, settings).map_err(LabError::while_("making a client"))
    }

    /// Offers GET requests of the paths that `path` names, each at its time. What is answered 5xx, or not at all within
    /// `deadline`, has failed.
    pub async fn offer(
        &self,
        bench: &Bench,
        plan: Plan,
        deadline: Duration,
        path: impl Fn(Arrival) -> String,
    ) -> Result<Summary, LabError> {
        let client = self.client(deadline)?;
        let get = |arrival| {
            let (client, path) = (client.clone(), path(arrival));
            async move {
                let answer = client.get(&path).await;
                answer.is_ok_and(|answer| !answer.status.is_server_error())
            }
        };
        Ok(load::run(plan, &bench.clock, get).await)
    }

    /// Ends it as a crash does: every task stops where it waits, and what was only in memory is gone.
    pub fn kill(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}
