//! Running roles: start them, say when they are ready, drain them in order when asked to stop.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clock::{SharedClock, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::Outcome;
use crate::data_folder::DataFolder;
use crate::role_thread::RoleThread;
use crate::roles::{ROLES, RoleName};
use crate::settings::Settings;
use crate::{announce, ports, ready};

/// A start that takes longer has failed, and is told so instead of waited for.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Beyond its own drain deadline a role still flushes telemetry and closes its engines.
const AFTER_DRAIN: Duration = Duration::from_secs(5);
const ASK_EVERY: Duration = Duration::from_millis(10);
/// Two signals closer than this are one wish.
const SAME_WISH: Duration = Duration::from_millis(500);

/// Runs these roles until a signal ends them; an error when one of them could not go on.
pub(crate) fn run(settings: &Settings, roles: &[RoleName]) -> Outcome {
    let clock = SystemClock::shared();
    let host: IpAddr = settings
        .host
        .parse()
        .map_err(|_| format!("host `{}` is not an IP address", settings.host))?;
    // Told before anything is made or begun, not by one role of many that ends.
    for role in roles {
        role.check(settings)?;
    }
    let _locked = DataFolder::lock(Path::new(&settings.data), roles)?;
    let listeners = ports::bind(host, settings.port_base, roles)?;
    let (ended, ended_seen) = tokio::sync::mpsc::unbounded_channel();
    let (of_console, settings) = (Arc::new(beside_others(settings)), Arc::new(settings.clone()));
    let mut threads = Vec::new();
    for listeners in listeners {
        let watches = roles.len() > 1 && listeners.role == RoleName::Console;
        threads.push(RoleThread::start(
            listeners,
            if watches {
                of_console.clone()
            } else {
                settings.clone()
            },
            clock.clone(),
            ended.clone(),
        )?);
    }
    // One thread watches; all work is done by the roles' own runtimes.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(supervise(host, &settings, roles, threads, ended_seen, &clock))
}

/// The console drains last and alone: nobody is left who should look away first.
fn beside_others(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    settings.server.drain_notice_ms = 0;
    settings
}

async fn supervise(
    host: IpAddr,
    settings: &Settings,
    roles: &[RoleName],
    threads: Vec<RoleThread>,
    mut ended: UnboundedReceiver<RoleName>,
    clock: &SharedClock,
) -> Outcome {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let ready = announce_ready(host, settings, roles, clock);
    tokio::pin!(ready);
    let mut announced = false;
    loop {
        tokio::select! {
            late = &mut ready, if !announced => {
                announced = true;
                late?;
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            // A role that ends unasked takes the platform down with it: half a platform would lie about itself.
            _ = ended.recv() => break,
        }
    }
    tokio::spawn(exit_when_asked_again());
    drain(
        threads,
        Duration::from_millis(settings.server.drain_notice_ms + settings.server.drain_deadline_ms),
        clock,
    )
    .await
}

async fn announce_ready(
    host: IpAddr,
    settings: &Settings,
    roles: &[RoleName],
    clock: &SharedClock,
) -> Outcome {
    let base = settings.port_base;
    let admin: Vec<SocketAddr> = roles
        .iter()
        .filter_map(|role| announce::authority(host, role.admin_port(base)).parse().ok())
        .collect();
    if let Err(still) = ready::wait(&admin, READY_WITHIN, clock).await {
        let ports: Vec<String> = still
            .iter()
            .map(|address| format!("http://{address}/readyz"))
            .collect();
        eprintln!(
            "not ready after {} s: {} says why",
            READY_WITHIN.as_secs(),
            ports.join(", ")
        );
        return Ok(());
    }
    let took_ms = clock.monotonic().as_millis();
    if let [one] = roles {
        print!("{}", announce::role(host, base, *one, took_ms));
    } else {
        print!(
            "{}",
            announce::platform(host, base, roles, &settings.data, took_ms)
        );
    }
    Ok(())
}

/// The gateway first, so that what it has in flight still finds its upstreams; then all others at once, but for the console, which
/// still takes their last spans.
async fn drain(threads: Vec<RoleThread>, patience: Duration, clock: &SharedClock) -> Outcome {
    debug_assert!(ROLES[0] == RoleName::Gateway, "the gateway is the outermost role");
    let mut failed = Vec::new();
    let (outer, inner): (Vec<_>, Vec<_>) = threads
        .into_iter()
        .partition(|thread| thread.role == RoleName::Gateway);
    let (last, inner): (Vec<_>, Vec<_>) = inner
        .into_iter()
        .partition(|thread| thread.role == RoleName::Console);
    for wave in [outer, inner, last] {
        for thread in &wave {
            thread.drain.begin();
        }
        let until = clock.monotonic() + patience + AFTER_DRAIN;
        while wave.iter().any(|thread| !thread.is_finished()) && clock.monotonic() < until {
            tokio::time::sleep(ASK_EVERY).await;
        }
        for thread in wave {
            if !thread.is_finished() {
                failed.push(format!(
                    "the {} role did not end within its drain deadline",
                    thread.role
                ));
                continue;
            }
            failed.extend(thread.outcome().err());
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("; ").into())
    }
}

/// Asked again, a person means it: the conventional status of an interrupted program, at once. A wrapper that passes one
/// Ctrl-C on to a process that had it already is no second wish, and comes with the first.
async fn exit_when_asked_again() -> std::io::Result<()> {
    tokio::time::sleep(SAME_WISH).await;
    // New streams: they see only what comes from here on.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("stopped at once: what was in flight is cut off");
    std::process::exit(130);
}
