//! `cargo xtask engines up|down|status`: PostgreSQL, Redis, NATS and a CQL server for tests and development, on loopback,
//! with ports and data of the checkout's own under `target/engines`.
//!
//! As containers where a Docker engine answers and its images can be had, else as native programs, which are installed when
//! they are missing. Prometheus and Alertmanager, which watch a platform, join them where they are asked for. An engine that `engines.json` lists by somebody else's hand and that answers is left alone.

mod compose;
mod install;
mod native;
mod nodes;
mod ports;
#[cfg(test)]
mod stack;
mod standby;
mod status;
mod watchers;

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use engines::{Answer, Kind, Listed, Program};

use crate::run::Outcome;
use nodes::Node;

/// One question to an engine may take this long.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(clap::Subcommand)]
pub(crate) enum Engines {
    /// Start what does not run yet and wait until each answers
    Up {
        /// CQL servers: 1, or 3 of one cluster on 127.0.0.1 to 127.0.0.3
        #[arg(long, value_parser = ["1", "3"])]
        cql_nodes: Option<String>,
        /// Native programs, even where a Docker engine answers
        #[arg(long)]
        native: bool,
        /// A synchronous standby of PostgreSQL too: every commit is on two disks before it is acknowledged
        #[arg(long)]
        pg_standby: bool,
        #[command(flatten)]
        watching: watchers::Watching,
    },
    /// Stop what `up` started
    Down {
        /// Remove the engines' data too
        #[arg(long)]
        wipe: bool,
    },
    /// Say for each how it runs, where, and whether it answers
    Status,
}

/// What `up` did.
#[derive(Debug, Default)]
pub(crate) struct Up {
    /// The engines that it started; the others ran already.
    pub(crate) started: Vec<Kind>,
    /// What went wrong, by engine.
    pub(crate) failed: Vec<(Kind, String)>,
}

/// What one engine is to `up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Ours, with this many nodes: left alone.
    Ours(usize),
    /// `engines.json` lists it, it answers, and we did not start it: left alone.
    Listed,
    /// Neither.
    Nothing,
}

pub(crate) fn engines(what: Engines) -> Outcome {
    match what {
        Engines::Up {
            cql_nodes,
            native,
            pg_standby,
            watching,
        } => {
            let cql_nodes = cql_nodes.and_then(|nodes| nodes.parse().ok());
            let up = up(cql_nodes, native)?;
            let watched = {
                let _lock = lock()?;
                standby::up(pg_standby).and_then(|()| watchers::up(&watching))
            };
            status::print()?;
            match up.failed.as_slice() {
                [] => watched,
                failed => Err(failures(failed)),
            }
        }
        Engines::Down { wipe } => {
            let _lock = lock()?;
            watchers::down(wipe)?;
            standby::down(wipe)?;
            down(&Kind::ALL, wipe)
        }
        Engines::Status => status::print(),
    }
}

/// All failures as one message.
pub(crate) fn failures(failed: &[(Kind, String)]) -> String {
    let lines: Vec<&str> = failed.iter().map(|(_, why)| why.as_str()).collect();
    lines.join("\n")
}

/// Starts what does not run yet and waits until each answers; lists what answers in `engines.json`.
pub(crate) fn up(cql_nodes: Option<usize>, native: bool) -> Result<Up, String> {
    let _lock = lock()?;
    // What killed tests left would only take memory from what we start.
    engines::sweep(&engines::state().join("own"));
    let listed = Listed::read(&list())?;
    let base = ports::base()?;
    let mut up = Up::default();
    let mut wanted = Vec::new();
    let (mut running, mut lost) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        match found(kind, &listed) {
            Found::Ours(nodes) if kind == Kind::Cql && cql_nodes.is_some_and(|wanted| wanted != nodes) => {
                println!("stopping the CQL server with {nodes} node(s): another number is asked for");
                down(&[kind], false)?;
                wanted.push(kind);
            }
            // A cluster may have lost a node.
            Found::Ours(nodes) => nodes::of(kind, base, nodes).into_iter().for_each(|node| {
                let runs = compose::runs(kind) || native::process(&node.name).is_some();
                if runs { &mut running } else { &mut lost }.push(node);
            }),
            Found::Listed => println!("{}: listed in engines.json and answers; left alone", kind.name()),
            Found::Nothing => wanted.push(kind),
        }
    }
    let cql_nodes = cql_nodes.unwrap_or(1);
    let containers = !wanted.is_empty()
        && match compose::choice(native, cql_nodes, !running.is_empty()) {
            compose::Choice::Containers => true,
            compose::Choice::Native(why) => {
                println!("native engines: {why}");
                false
            }
        };
    let mut waiting = Vec::new();
    if containers {
        match compose::up(base, &wanted) {
            Ok(()) => waiting.extend(wanted.iter().map(|kind| native::Waiting::container(*kind, base))),
            Err(why) => up.failed.extend(wanted.iter().map(|kind| (*kind, why.clone()))),
        }
    } else {
        for kind in wanted {
            match install::ensure(kind).and_then(|()| native::start(&nodes::of(kind, base, cql_nodes))) {
                Ok(started) => waiting.extend(started),
                Err(why) => up.failed.push((kind, why)),
            }
        }
    }
    up.started = waiting
        .iter()
        .filter_map(|one| kind_of(one.node.program))
        .collect();
    up.started.dedup();
    waiting.extend(native::start(&lost)?);
    // One that ran already may still be starting.
    waiting.extend(running.into_iter().map(native::Waiting::running));
    for (program, why) in native::until_answering(waiting) {
        if let Some(kind) = kind_of(program) {
            up.started.retain(|started| *started != kind);
            up.failed.push((kind, why));
        }
    }
    write_list(base, &up)?;
    Ok(up)
}

fn kind_of(program: Program) -> Option<Kind> {
    match program {
        Program::Engine(kind) => Some(kind),
        Program::Standby | Program::Watcher(_) => None,
    }
}

/// Stops what we started of these, and lists it no longer.
pub(crate) fn down(kinds: &[Kind], wipe: bool) -> Outcome {
    let mut listed = Listed::read(&list())?;
    let base = ports::base()?;
    for &kind in kinds {
        let ours = found(kind, &Listed::default());
        if let Found::Ours(nodes) = ours {
            let url = kind.url_at(&addresses(&nodes::of(kind, base, nodes)));
            if listed.url(kind) == Some(url.as_str()) {
                listed.remove(kind);
            }
            println!("stopping {}", kind.name());
        }
    }
    if list().is_file() {
        listed.write(&list())?;
    }
    compose::down(kinds, wipe)?;
    native::stop(kinds)?;
    if wipe {
        native::wipe(kinds);
    }
    engines::sweep(&engines::state().join("own"));
    Ok(())
}

/// Stops, after the tests, what was started for them.
pub(crate) fn stop(kinds: &[Kind]) -> Outcome {
    let _lock = lock()?;
    down(kinds, false)
}

fn found(kind: Kind, listed: &Listed) -> Found {
    let nodes = native::running(kind);
    if nodes > 0 {
        return Found::Ours(nodes);
    }
    if compose::runs(kind) {
        return Found::Ours(1);
    }
    let addresses = listed.addresses(kind);
    let answers = addresses
        .first()
        .is_some_and(|address| matches!(engines::ask(kind, *address, ASK_TIMEOUT), Ok(Answer::Ready(_))));
    if answers { Found::Listed } else { Found::Nothing }
}

/// Lists what of ours runs and did not fail, and keeps what somebody else listed.
fn write_list(base: u16, up: &Up) -> Outcome {
    let mut listed = Listed::read(&list())?;
    for kind in Kind::ALL {
        if up.failed.iter().any(|(failed, _)| *failed == kind) {
            listed.remove(kind);
        } else if let Found::Ours(nodes) = found(kind, &Listed::default()) {
            listed.set(kind, kind.url_at(&addresses(&nodes::of(kind, base, nodes))));
        }
    }
    listed.write(&list())?;
    write_settings(&listed)
}

/// Writes the settings of roles that run on what is listed. While an engine is missing, those from before stay.
fn write_settings(listed: &Listed) -> Outcome {
    let folder = engines::state();
    let Some(text) = engines::settings_file(listed, "orrery", 8080, &folder) else {
        return Ok(());
    };
    let file = folder.join("orrery.toml");
    std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))
}

fn addresses(nodes: &[Node]) -> Vec<std::net::SocketAddr> {
    nodes.iter().map(|node| node.address).collect()
}

fn list() -> PathBuf {
    engines::state().join("engines.json")
}

/// Two at once would start everything twice: the second waits.
fn lock() -> Result<File, String> {
    let folder = engines::state();
    let path = folder.join("lock");
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let file = File::create(&path).map_err(failed)?;
    if file.try_lock().is_err() {
        println!("waiting for another `cargo xtask engines`");
        file.lock().map_err(failed)?;
    }
    Ok(file)
}
