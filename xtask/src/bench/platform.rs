//! Processes of the release build, and what the kernel says they cost.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::now;
use crate::run::{Outcome, cargo, passes, root, target};

/// Long enough for a cold disk; a start that takes longer has failed.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// The binary to measure: the given one, or the release build, made now.
pub(super) fn release_binary(given: Option<PathBuf>) -> Result<PathBuf, String> {
    if let Some(given) = given {
        return given
            .canonicalize()
            .map_err(|e| format!("{}: {e}", given.display()));
    }
    passes(cargo().args(["build", "--release", "--quiet", "--package", "orrery"]))?;
    Ok(target().join("release/orrery"))
}

/// A fresh folder under `target/`.
pub(super) fn fresh_folder(name: &str) -> Result<PathBuf, String> {
    let folder = target().join("xtask").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}

/// A child that is killed when it is no longer needed.
pub(super) struct Process(Child);

impl Process {
    /// Starts it, pinned to one core when one is given; its output goes to `log`.
    pub(super) fn start(
        program: &Path,
        args: &[&str],
        core: Option<u32>,
        log: &Path,
    ) -> Result<Self, String> {
        let mut command = match core {
            Some(core) => {
                let mut pinned = Command::new("taskset");
                pinned.args(["-c", &core.to_string()]).arg(program);
                pinned
            }
            None => Command::new(program),
        };
        let log_file = std::fs::File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
        let also = log_file.try_clone().map_err(|e| e.to_string())?;
        command
            .args(args)
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(log_file)
            .stderr(also);
        command
            .spawn()
            .map(Process)
            .map_err(|e| format!("{} did not start: {e}", program.display()))
    }

    /// CPU time that all its threads have used so far.
    pub(super) fn cpu(&self) -> Result<Duration, String> {
        cpu_of(self.0.id())
    }

    /// Resident memory in MB (10^6 bytes).
    pub(super) fn resident_mb(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/status", self.0.id());
        let status = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix("VmRSS:"))
            .ok_or(format!("{path} has no VmRSS"))?;
        let kib: f64 = line
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .map_err(|e| format!("{path}: {e}"))?;
        Ok(kib * 1024.0 / 1e6)
    }
}

/// CPU time that all threads of a process have used so far.
pub(super) fn cpu_of(pid: u32) -> Result<Duration, String> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    // The name in brackets may hold spaces; utime and stime are the 12th and 13th fields after it, in ticks of 10 ms.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields
        .iter()
        .skip(11)
        .take(2)
        .filter_map(|f| f.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One request to a port of this machine; status and body.
pub(super) fn request(port: u16, head: &str, body: &str) -> Result<(u16, String), String> {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let mut stream =
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).map_err(|e| e.to_string())?;
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .map_err(|e| e.to_string())?;
    let text = format!(
        "{head}\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).map_err(|e| e.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|e| e.to_string())?;
    let status = answer
        .split_whitespace()
        .nth(1)
        .and_then(|s| s.parse().ok())
        .ok_or("not an HTTP answer")?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default();
    Ok((status, body))
}

/// Waits until every admin port says ready.
pub(super) fn wait_ready(admin_ports: &[u16]) -> Outcome {
    let started = now();
    for port in admin_ports {
        while request(*port, "GET /readyz HTTP/1.1", "").map(|(status, _)| status) != Ok(200) {
            if started.elapsed() > READY_WITHIN {
                return Err(format!("port {port} was not ready within {READY_WITHIN:?}"));
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
    Ok(())
}
