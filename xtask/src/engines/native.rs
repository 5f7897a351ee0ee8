//! Engines and watchers as programs of this machine: started detached by their `start.sh`, known by a file with their process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use engines::{Answer, Kind, Process, Program};

use super::ASK_TIMEOUT;
use super::nodes::{self, Node};
use crate::run::{Outcome, command};
use crate::test::now;

/// A JVM on a busy machine takes a while, three of them take longer.
const READY_WITHIN: Duration = Duration::from_mins(4);
/// One that ran already has had its time.
const RUNNING_ANSWERS_WITHIN: Duration = Duration::from_mins(1);
/// An engine that was asked to end is killed after this.
const ENDS_WITHIN_S: u32 = 15;
const POLL: Duration = Duration::from_millis(100);
/// Lines of a log shown when its engine does not start.
const TAIL_LINES: usize = 20;

/// An engine's node that is awaited.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) node: Node,
    /// What was typed for it, and the child, if we started it just now.
    started: Option<(String, Child)>,
    since: Instant,
}

impl Waiting {
    /// One that runs already.
    pub(super) fn running(node: Node) -> Self {
        Self {
            node,
            started: None,
            since: now(),
        }
    }

    /// One in a container.
    pub(super) fn container(kind: Kind, base: u16) -> Self {
        Self::running(nodes::of(kind, base, 1).remove(0))
    }

    /// Whether it answers; an error when it never will.
    fn look(&mut self) -> Result<Option<String>, String> {
        if let Some((_, child)) = &mut self.started
            && let Ok(Some(status)) = child.try_wait()
        {
            return Err(format!("ended early ({status})"));
        }
        let said = match self.node.program.ask(self.node.address, ASK_TIMEOUT) {
            Ok(Answer::Ready(version)) => return Ok(Some(version)),
            Ok(Answer::NotYet(said)) => said,
            Err(e) => e.to_string(),
        };
        let within = if self.started.is_some() {
            READY_WITHIN
        } else {
            RUNNING_ANSWERS_WITHIN
        };
        if self.since.elapsed() > within {
            return Err(format!("does not answer after {} s: {said}", within.as_secs()));
        }
        Ok(None)
    }

    fn failure(&self, why: &str) -> String {
        let mut text = format!("{} at {} {why}", self.node.name, self.node.address);
        if let Some((line, _)) = &self.started {
            text = format!("{text}\n  command: {line}");
        }
        let log = folder(&self.node.name).join("log");
        if let Ok(log_text) = fs::read(&log) {
            let tail = tail(&String::from_utf8_lossy(&log_text));
            text = format!("{text}\n  the end of {}:\n{tail}", log.display());
        }
        text
    }
}

/// Starts the nodes, without waiting.
pub(super) fn start(nodes: &[Node]) -> Result<Vec<Waiting>, String> {
    nodes.iter().map(start_one).collect()
}

fn start_one(node: &Node) -> Result<Waiting, String> {
    let folder = folder(&node.name);
    let failed = |what: &Path, e: std::io::Error| format!("{}: {}: {e}", node.name, what.display());
    fs::create_dir_all(&folder).map_err(|e| failed(&folder, e))?;
    let log = folder.join("log");
    let out = File::create(&log).map_err(|e| failed(&log, e))?;
    let err = out.try_clone().map_err(|e| failed(&log, e))?;
    // A session of its own: neither Ctrl-C nor the end of the terminal is meant for it.
    let mut command = command("setsid");
    command
        .arg("bash")
        .arg(node.program.script())
        .arg(&folder)
        .arg(node.address.port().to_string())
        .args(&node.arguments);
    let line = crate::run::line_of(&command);
    let child = command
        .env("ORRERY_ENGINES_TOOLS", engines::tools())
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .map_err(|e| format!("{}: `{line}` did not start: {e}", node.name))?;
    if let Some(process) = Process::of(child.id()) {
        let file = folder.join("process");
        fs::write(&file, format!("{process}\n")).map_err(|e| failed(&file, e))?;
    }
    Ok(Waiting {
        started: Some((line, child)),
        ..Waiting::running(node.clone())
    })
}

/// Waits until each answers; what does not is stopped, and returned with the reason.
pub(super) fn until_answering(mut waiting: Vec<Waiting>) -> Vec<(Program, String)> {
    let mut failed = Vec::new();
    while !waiting.is_empty() {
        let mut still = Vec::new();
        for mut one in waiting {
            match one.look() {
                Ok(Some(version)) => {
                    if one.started.is_some() {
                        let seconds = one.since.elapsed().as_secs_f32();
                        println!("{}: {version} answers after {seconds:.1} s", one.node.name);
                    }
                }
                Ok(None) => still.push(one),
                Err(why) => {
                    failed.push((one.node.program, one.failure(&why)));
                    if one.started.is_some()
                        && let Some(process) = process(&one.node.name)
                    {
                        process.kill();
                    }
                }
            }
        }
        waiting = still;
        if !waiting.is_empty() {
            pause();
        }
    }
    failed
}

/// How many nodes of an engine we started and still run.
pub(super) fn running(kind: Kind) -> usize {
    let all = nodes::of(kind, 0, 3);
    let single = nodes::of(kind, 0, 1);
    let runs = |nodes: &[Node]| nodes.iter().any(|node| process(&node.name).is_some());
    // A cluster that lost a node is still a cluster.
    if kind == Kind::Cql && runs(&all) {
        all.len()
    } else {
        usize::from(runs(&single))
    }
}

/// The process of a node, while it runs.
pub(super) fn process(name: &str) -> Option<Process> {
    let text = fs::read_to_string(folder(name).join("process")).ok()?;
    Process::parse(&text).filter(|process| process.runs())
}

/// Where a node's data stands.
pub(super) fn folder(name: &str) -> PathBuf {
    engines::state().join(name)
}

/// Asks all of them to end, and kills what does not.
pub(super) fn stop(kinds: &[Kind]) -> Outcome {
    stop_named(&names(kinds))
}

/// The same for these nodes.
pub(super) fn stop_named(nodes: &[(Program, String)]) -> Outcome {
    let running: Vec<(Program, Process)> = nodes
        .iter()
        .filter_map(|(program, name)| Some((*program, process(name)?)))
        .collect();
    for (program, process) in &running {
        match signal(*program) {
            "KILL" => process.kill(),
            signal => engines::signal_all(signal, &[*process]),
        }
    }
    for (program, process) in &running {
        if !process.wait_gone(ENDS_WITHIN_S) {
            process.kill();
        }
        if process.runs() {
            return Err(format!(
                "{} (process {}) does not end",
                program.name(),
                process.pid()
            ));
        }
    }
    for (_, name) in nodes {
        let _ = fs::remove_file(folder(name).join("process"));
    }
    Ok(())
}

/// Removes data and logs.
pub(super) fn wipe(kinds: &[Kind]) {
    for (_, name) in names(kinds) {
        engines::remove(&folder(&name));
    }
}

fn names(kinds: &[Kind]) -> Vec<(Program, String)> {
    let mut names: Vec<(Program, String)> = kinds
        .iter()
        .flat_map(|kind| [nodes::of(*kind, 0, 1), nodes::of(*kind, 0, 3)].concat())
        .map(|node| (node.program, node.name))
        .collect();
    // Only a CQL server has other nodes in a cluster.
    names.dedup();
    names
}

/// How each is asked to end.
fn signal(program: Program) -> &'static str {
    match program {
        // On SIGTERM it would wait until every client has gone by itself.
        Program::Engine(Kind::Postgres) | Program::Standby => "INT",
        Program::Engine(Kind::Redis | Kind::Nats) | Program::Watcher(_) => "TERM",
        // It takes seconds to say goodbye, and its commit log is synced anyway.
        Program::Engine(Kind::Cql) => "KILL",
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two looks at a condition that has a deadline"
)]
fn pause() {
    std::thread::sleep(POLL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_twenty_lines_of_a_log_are_shown() {
        let log: Vec<String> = (1..=50).map(|line| line.to_string()).collect();
        let shown = tail(&log.join("\n"));
        assert!(shown.starts_with("31\n") && shown.ends_with("\n50"), "{shown}");
        assert_eq!(tail("one line"), "one line");
    }

    #[test]
    fn one_node_and_three_of_a_cluster_are_stopped_alike() {
        let names: Vec<String> = names(&[Kind::Redis, Kind::Cql])
            .into_iter()
            .map(|(_, n)| n)
            .collect();
        let expected = ["redis", "cql", "cql-1-of-3", "cql-2-of-3", "cql-3-of-3"];
        assert_eq!(names, expected);
    }
}
