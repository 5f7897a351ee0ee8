//! Carries experiments out on the platform of a drill.

mod stress;

use std::time::Duration;

use clock::SharedClock;
use fault_proxy::FaultProxy;
use serde::Serialize;
use tokio::time::sleep;

use crate::control::Control;
use crate::disk::SmallDisk;
use crate::platform::{Platform, Role};
use crate::process::Process;
use crate::{DrillError, Experiment, Fault};

/// A fault that happened, in seconds since the load began.
#[derive(Debug, Clone, Serialize)]
pub struct Struck {
    /// The experiment.
    pub experiment: String,
    /// Whom it struck.
    pub target: String,
    /// What it did, in words.
    pub what: String,
    /// When it began.
    pub from_s: f64,
    /// When it was over: what was killed may run again, what was cut passes. Recovery counts from here.
    pub to_s: f64,
}

/// A fault, and when it is due.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) what: DueFault,
    pub(crate) at: Duration,
}

/// What is done.
#[derive(Debug, Clone)]
pub(crate) enum DueFault {
    Experiment(Experiment),
    /// A switch of a role's own, and how long it stays thrown.
    Control(Control, Duration),
    /// The merchant's receiver turns hostile for so long.
    Hostile(Duration),
}

/// Carries them out one after the other, at their time or as soon as the one before is over.
pub(crate) async fn strike(
    platform: &mut Platform,
    due: &[Due],
    clock: &SharedClock,
    start: Duration,
    seed: u64,
) -> Result<Vec<Struck>, DrillError> {
    let since_start = || clock.monotonic().saturating_sub(start);
    let mut struck = Vec::new();
    for (turn, due) in (0..).zip(due) {
        let turn = seed.wrapping_add(turn);
        sleep(due.at.saturating_sub(since_start())).await;
        let from = since_start();
        let mut to = from;
        let over = |to: &mut Duration| *to = since_start();
        let (experiment, target, what) = match &due.what {
            DueFault::Experiment(experiment) => {
                if platform.engines.contains_key(experiment.target.as_str()) {
                    on_engine(platform, experiment, clock, || over(&mut to)).await?;
                } else {
                    on_role(platform, experiment, turn, clock, || over(&mut to)).await?;
                }
                (
                    experiment.name.clone(),
                    experiment.target.clone(),
                    experiment.fault.told(),
                )
            }
            DueFault::Control(control, lasting) => {
                thrown(platform, control, *lasting).await?;
                over(&mut to);
                ("control".to_owned(), control.role.clone(), control.what.clone())
            }
            DueFault::Hostile(lasting) => {
                let receiver = platform.receiver.as_ref().ok_or_else(|| nobody("receiver"))?;
                receiver.turn_hostile(true);
                sleep(*lasting).await;
                receiver.turn_hostile(false);
                over(&mut to);
                let what = "hangs, fails, answers without end and leads elsewhere";
                (
                    "receiver".to_owned(),
                    "the merchant's receiver".to_owned(),
                    what.to_owned(),
                )
            }
        };
        struck.push(Struck {
            experiment,
            target,
            what,
            from_s: from.as_secs_f64(),
            to_s: to.as_secs_f64(),
        });
    }
    Ok(struck)
}

/// Throws a switch on every copy of a role, and back.
async fn thrown(platform: &Platform, control: &Control, lasting: Duration) -> Result<(), DrillError> {
    let copies = platform
        .roles
        .get(&control.role)
        .ok_or_else(|| nobody(&control.role))?;
    for role in copies {
        control.on.throw(&control.role, role.api_port).await?;
    }
    sleep(lasting).await;
    if let Some(off) = &control.off {
        for role in copies {
            off.throw(&control.role, role.api_port).await?;
        }
    }
    Ok(())
}

/// Strikes an engine; `over` is called when the fault itself is over.
async fn on_engine(
    platform: &mut Platform,
    experiment: &Experiment,
    clock: &SharedClock,
    mut over: impl FnMut(),
) -> Result<(), DrillError> {
    let target = experiment.target.as_str();
    let lasting = experiment.duration;
    match &experiment.fault {
        Fault::Kill { grace, restart_after } => {
            let engine = platform.engines.get_mut(target).ok_or_else(|| nobody(target))?;
            end(engine.process().ok_or_else(|| not_ours(target))?, *grace).await?;
            sleep(*restart_after).await;
            over();
            engine.start().await
        }
        Fault::Freeze => {
            let engine = platform.engines.get_mut(target).ok_or_else(|| nobody(target))?;
            let process = engine.process().ok_or_else(|| not_ours(target))?;
            frozen(process, lasting, over).await
        }
        Fault::FillDisk { .. } => {
            let engine = platform.engines.get_mut(target).ok_or_else(|| nobody(target))?;
            full(engine.disk().ok_or_else(|| not_ours(target))?, lasting).await?;
            over();
            engine.revive().await
        }
        Fault::StepClock(_) => Err(DrillError::NotHere {
            file: format!("experiment {}", experiment.name),
            what: "TimeChaos on an engine".to_owned(),
            why: "engines are started by their own scripts; strike a role".to_owned(),
        }),
        _ => shared(platform, experiment, clock, over).await,
    }
}

/// Strikes one copy of a role, or all of them at once.
async fn on_role(
    platform: &mut Platform,
    experiment: &Experiment,
    turn: u64,
    clock: &SharedClock,
    mut over: impl FnMut(),
) -> Result<(), DrillError> {
    let target = experiment.target.as_str();
    if experiment.fault.needs_proxy() || is_stress(&experiment.fault) {
        return shared(platform, experiment, clock, over).await;
    }
    let copies = platform.roles.get_mut(target).ok_or_else(|| nobody(target))?;
    let chosen = usize::try_from(turn % copies.len().max(1) as u64).unwrap_or(0);
    let struck: Vec<&mut Role> = copies
        .iter_mut()
        .enumerate()
        .filter(|(place, _)| experiment.all || *place == chosen)
        .map(|(_, role)| role)
        .collect();
    let at_once = struck.into_iter().map(|role| one_role(role, experiment));
    let waiting = futures::future::try_join_all(at_once).await?;
    over();
    // What was killed is started when the fault is over; its coming up is part of the recovery.
    for role in waiting.into_iter().flatten() {
        role.process.start()?;
        role.until_ready().await?;
    }
    Ok(())
}

/// Strikes one role, and gives it back if it has to be started again.
async fn one_role<'a>(
    role: &'a mut Role,
    experiment: &Experiment,
) -> Result<Option<&'a mut Role>, DrillError> {
    match &experiment.fault {
        Fault::Kill { grace, restart_after } => {
            end(&mut role.process, *grace).await?;
            sleep(*restart_after).await;
            Ok(Some(role))
        }
        Fault::Freeze => {
            frozen(&mut role.process, experiment.duration, || ()).await?;
            Ok(None)
        }
        Fault::StepClock(offset) => {
            let Some(clock) = &role.clock else {
                return Err(nobody(role.process.name()));
            };
            let sign = if offset.back { '-' } else { '+' };
            let step = format!("{sign}{}.{:03}\n", offset.by.as_secs(), offset.by.subsec_millis());
            set(clock, &step)?;
            sleep(experiment.duration).await;
            set(clock, "+0\n")?;
            Ok(None)
        }
        Fault::FillDisk { .. } => {
            let Some(disk) = &role.disk else {
                return Err(nobody(role.process.name()));
            };
            full(disk, experiment.duration).await?;
            // One that ended of it is started again, as a supervisor would.
            Ok(role.process.has_ended().is_some().then_some(role))
        }
        other => unreachable!("{other:?} is not a matter of one process"),
    }
}

/// The program reads the file anew each time it asks for the time, so it is replaced whole.
fn set(clock: &std::path::Path, text: &str) -> Result<(), DrillError> {
    let fresh = clock.with_extension("fresh");
    std::fs::write(&fresh, text).map_err(DrillError::file(&fresh))?;
    std::fs::rename(&fresh, clock).map_err(DrillError::file(clock))
}

async fn end(process: &mut Process, grace: Duration) -> Result<(), DrillError> {
    if grace.is_zero() {
        process.kill().await
    } else {
        process.drain(grace).await
    }
}

async fn frozen(process: &mut Process, lasting: Duration, mut over: impl FnMut()) -> Result<(), DrillError> {
    process.signal("STOP").await?;
    sleep(lasting).await;
    over();
    process.signal("CONT").await
}

async fn full(disk: &SmallDisk, lasting: Duration) -> Result<(), DrillError> {
    disk.fill()?;
    sleep(lasting).await;
    disk.free()
}

fn is_stress(fault: &Fault) -> bool {
    matches!(fault, Fault::BurnCpu { .. } | Fault::FillMemory { .. })
}

/// What strikes the network before the target, or the machine it shares with everything else.
async fn shared(
    platform: &Platform,
    experiment: &Experiment,
    clock: &SharedClock,
    mut over: impl FnMut(),
) -> Result<(), DrillError> {
    let target = experiment.target.as_str();
    if is_stress(&experiment.fault) {
        stress::run(&experiment.fault, experiment.duration, clock).await;
        over();
        return Ok(());
    }
    let proxies = platform.proxies.get(target).ok_or_else(|| nobody(target))?;
    for proxy in proxies {
        match &experiment.fault {
            Fault::Slow(delay) => proxy.slow(*delay),
            Fault::Throttle(bytes_per_s) => proxy.throttle(*bytes_per_s),
            _ => proxy.cut(),
        }
    }
    sleep(experiment.duration).await;
    over();
    proxies.iter().for_each(FaultProxy::heal);
    Ok(())
}

fn nobody(target: &str) -> DrillError {
    DrillError::NotReady {
        what: target.to_owned(),
        reason: "there is none to strike in this drill".to_owned(),
    }
}

fn not_ours(target: &str) -> DrillError {
    DrillError::NotReady {
        what: target.to_owned(),
        reason: "it is not this drill's own, and others use it".to_owned(),
    }
}
