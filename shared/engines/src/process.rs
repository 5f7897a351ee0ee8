//! Processes of engines: PostgreSQL is a family of them, and ids are given to somebody else in time.

use std::fs;
use std::process::{Command, Stdio};

/// A process, known by its id and by when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pid: u32,
    /// Clock ticks since the machine's start.
    started: u64,
}

impl Process {
    /// The process that has this id now; `None` when there is none, or only what is left of one.
    pub fn of(pid: u32) -> Option<Self> {
        let (state, _, started) = stat(pid)?;
        (state != 'Z' && state != 'X').then_some(Self { pid, started })
    }

    /// This process.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Reads what [`Display`](std::fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (pid, started) = text.trim().split_once('@')?;
        Some(Self {
            pid: pid.parse().ok()?,
            started: started.parse().ok()?,
        })
    }

    /// Its id.
    pub fn pid(self) -> u32 {
        self.pid
    }

    /// Whether it still runs; another process under its id does not count.
    pub fn runs(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// It and everything below it, parents first, as it is now; empty when it does not run.
    pub fn family(self) -> Vec<Self> {
        if !self.runs() {
            return Vec::new();
        }
        let all: Vec<(Self, u32)> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Some((Self::of(pid)?, stat(pid)?.1)))
            .collect();
        let mut family = vec![self];
        let mut next = 0;
        while let Some(&Self { pid, .. }) = family.get(next) {
            family.extend(all.iter().filter(|(_, parent)| *parent == pid).map(|(p, _)| *p));
            next += 1;
        }
        family
    }

    /// Kills it and everything below it with SIGKILL and waits until all of it is gone, 20 s at most.
    pub fn kill(self) {
        let family = self.family();
        signal_all("KILL", &family);
        for member in family {
            member.wait_gone(20);
        }
    }

    /// Waits until it is gone; false when it still runs after `seconds_max`.
    pub fn wait_gone(self, seconds_max: u32) -> bool {
        if self.runs() {
            // The wait is the shell's: this must work without a runtime, in a Drop. A zombie answers `kill -0`.
            let wait = "i=0; while [ $i -lt $1 ] && grep -qs '^State:.[^ZX]' /proc/$0/status; do sleep 0.02; i=$((i+1)); done";
            let turns = (seconds_max * 50).to_string();
            let _ = Command::new("sh")
                .args(["-c", wait, &self.pid.to_string(), &turns])
                .status();
        }
        !self.runs()
    }

    /// Waits until each of its threads has stopped after a SIGSTOP: one that was running on another processor answers a last time.
    pub fn wait_stopped(self, seconds_max: u32) {
        let wait = "i=0; while [ $i -lt $1 ] && grep -sL '^State:.[TZ]' /proc/$0/task/*/status | grep -q . ; do sleep 0.02; i=$((i+1)); done";
        let turns = (seconds_max * 50).to_string();
        let _ = Command::new("sh")
            .args(["-c", wait, &self.pid.to_string(), &turns])
            .status();
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.pid, self.started)
    }
}

/// Sends a signal ("KILL", "TERM", "STOP", "CONT") to each; one that is gone already is no matter.
pub fn signal_all(signal: &str, processes: &[Process]) {
    let pids: Vec<String> = processes
        .iter()
        .filter(|process| process.runs())
        .map(|process| process.pid.to_string())
        .collect();
    if pids.is_empty() {
        return;
    }
    // The shell's own `kill`: a signal cannot be sent from safe Rust's std, and no package need be installed.
    let _ = Command::new("sh")
        .args(["-c", "s=$0; for p; do kill -s \"$s\" \"$p\"; done", signal])
        .args(&pids)
        .stderr(Stdio::null())
        .status();
}

/// State, parent and start of a process.
fn stat(pid: u32) -> Option<(char, u32, u64)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in the second field may itself hold spaces and brackets: what counts stands after its last bracket.
fn parse_stat(text: &str) -> Option<(char, u32, u64)> {
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    Some((
        fields.first()?.chars().next()?,
        fields.get(1)?.parse().ok()?,
        fields.get(19)?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(script: &str) -> (std::process::Child, Process) {
        let child = Command::new("sh").args(["-c", script]).spawn().expect("sh");
        let process = Process::of(child.id()).expect("it runs");
        (child, process)
    }

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_confuse_the_fields() {
        let line = "42 (a) b (c) S 7 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 1234 0 0";
        assert_eq!(parse_stat(line), Some(('S', 7, 1234)));
        assert_eq!(parse_stat("42 (a) S 7"), None);
    }

    #[test]
    fn a_process_is_known_by_its_start_too() {
        let own = Process::own().expect("this test runs");
        assert!(own.runs());
        assert_eq!(Process::parse(&own.to_string()), Some(own));
        let reused = Process {
            started: own.started + 1,
            ..own
        };
        assert!(!reused.runs(), "somebody else has the id now");
        assert!(reused.family().is_empty());
        assert_eq!(Process::parse("no process"), None);
    }

    #[test]
    fn a_kill_takes_the_children_along_and_a_zombie_does_not_run() {
        let (mut child, process) = sleeper("sleep 600 & wait");
        let mut family = process.family();
        for _ in 0..1000 {
            if family.len() > 1 {
                break;
            }
            family = process.family();
        }
        assert!(family.len() > 1, "sh has a child: {family:?}");
        process.kill();
        assert!(!family.iter().any(|member| member.runs()));
        child.wait().expect("reaped");
    }

    #[test]
    fn a_frozen_process_runs_and_goes_on() {
        let (mut child, process) = sleeper("exec sleep 600");
        signal_all("STOP", &[process]);
        assert!(process.runs());
        assert!(!process.wait_gone(0));
        signal_all("CONT", &[process]);
        process.kill();
        assert!(process.wait_gone(0));
        child.wait().expect("reaped");
    }
}
