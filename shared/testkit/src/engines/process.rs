//! Signals to an engine and all of its children: PostgreSQL is a family of processes.

use std::fs;
use std::process::Command;

/// The process and everything below it, parents first, as Linux shows it now.
pub(super) fn family(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let mut family = vec![root];
    let mut next = 0;
    while let Some(&pid) = family.get(next) {
        family.extend(parents.iter().filter(|(_, p)| *p == pid).map(|(child, _)| *child));
        next += 1;
    }
    family
}

/// Sends `signal` ("KILL", "STOP", "CONT") to each; one that is gone already is no matter.
pub(super) fn signal(signal: &str, pids: &[u32]) {
    if pids.is_empty() {
        return;
    }
    // The shell's own `kill`: a signal cannot be sent from safe Rust's std, and no package need be installed.
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    let _ = Command::new("sh")
        .args(["-c", "s=$0; for p; do kill -s \"$s\" \"$p\"; done", signal])
        .args(&pids)
        .stderr(std::process::Stdio::null())
        .status();
}

/// Waits until none of them runs, 20 s at most: a killed PostgreSQL starts again only when its last child is gone.
pub(super) fn wait_gone(pids: &[u32]) {
    for pid in pids.iter().filter(|pid| runs(**pid)) {
        // The wait is the shell's: this must work without a runtime, in a Drop.
        let wait = "i=0; while [ $i -lt 1000 ] && kill -0 $0 2>/dev/null; do sleep 0.02; i=$((i+1)); done";
        let _ = Command::new("sh").args(["-c", wait, &pid.to_string()]).status();
    }
}

/// Whether it runs; a zombie does not.
pub(super) fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|fields| !fields.starts_with(['Z', 'X']))
}

/// The words of its command line, or nothing.
pub(super) fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.split(' ').nth(1)?.parse().ok()
}

/// What stands in `/proc/PID/stat` after the name, which may itself hold spaces and brackets: state, parent, ...
fn stat(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ").map(|(_, fields)| fields.to_owned())
}
