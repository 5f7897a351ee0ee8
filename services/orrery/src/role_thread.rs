//! One role: its own runtime, log dispatcher, span exporter and metric registry, so that what is watched is true.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use clock::SharedClock;
use server::{Drain, Role};
use telemetry::Telemetry;
use tokio::sync::mpsc::UnboundedSender;

use crate::ports::Listeners;
use crate::roles::RoleName;
use crate::settings::Settings;

/// What is left of a role's tasks after its drain is given this long; they are owned by nobody any more.
const RUNTIME_END: Duration = Duration::from_secs(1);
/// The collector may be gone; the exit does not wait for it longer than this.
const TELEMETRY_END: Duration = Duration::from_secs(3);

/// A role that runs.
pub(crate) struct RoleThread {
    pub(crate) role: RoleName,
    pub(crate) drain: Drain,
    thread: JoinHandle<Result<(), String>>,
}

impl RoleThread {
    /// Starts it; `ended` is told when it has ended, wanted or not.
    pub(crate) fn start(
        listeners: Listeners,
        settings: Arc<Settings>,
        clock: SharedClock,
        ended: UnboundedSender<RoleName>,
    ) -> std::io::Result<Self> {
        let role = listeners.role;
        let drain = Drain::new();
        let asked = drain.clone();
        let thread = std::thread::Builder::new()
            .name(role.name().to_owned())
            .spawn(move || {
                let _tell = TellEnded { role, ended };
                run(listeners, &settings, &clock, asked)
            })?;
        Ok(Self { role, drain, thread })
    }

    /// Whether its thread has nothing left to do.
    pub(crate) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// What it ended with.
    pub(crate) fn outcome(self) -> Result<(), String> {
        let role = self.role;
        let ended = self.thread.join().unwrap_or_else(|_| Err("panicked".to_owned()));
        ended.map_err(|why| format!("the {role} role ended: {why}"))
    }
}

/// Tells in its drop, so that a panic is told too.
struct TellEnded {
    role: RoleName,
    ended: UnboundedSender<RoleName>,
}

impl Drop for TellEnded {
    fn drop(&mut self) {
        // The supervisor may have stopped listening: then nobody needs to know.
        let _ = self.ended.send(self.role);
    }
}

fn run(listeners: Listeners, settings: &Settings, clock: &SharedClock, drain: Drain) -> Result<(), String> {
    let name = listeners.role.name();
    let instance = format!("{name}-{}", std::process::id());
    let telemetry = Telemetry::new(name, instance, &settings.telemetry, clock.clone())
        .map_err(|error| error.to_string())?;
    let runtime =
        runtime(name, settings.runtime.worker_threads, &telemetry).map_err(|error| error.to_string())?;
    telemetry.adopt_thread();
    let outcome = runtime.block_on(async {
        let role = Role {
            name,
            clock: clock.clone(),
            telemetry: telemetry.clone(),
            settings: settings.server.clone(),
            api: listeners.api,
            admin: listeners.admin,
            drain,
        };
        listeners.role.serve(role, settings).await
    });
    runtime.shutdown_timeout(RUNTIME_END);
    // Spans that cannot be delivered any more are counted by nobody; saying so is all that is left. The console has sent its
    // own to itself, and does not listen any more.
    if let Err(error) = telemetry.shutdown(TELEMETRY_END)
        && listeners.role != RoleName::Console
    {
        eprintln!("{name}: telemetry was not flushed: {error}");
    }
    outcome
}

fn runtime(
    name: &'static str,
    worker_threads: usize,
    telemetry: &Telemetry,
) -> std::io::Result<tokio::runtime::Runtime> {
    let telemetry = telemetry.clone();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(worker_threads.max(1))
        .thread_name(name)
        .enable_all()
        .on_thread_start(move || telemetry.adopt_thread())
        .build()
}
