//! The peer: nginx, one worker, `return 302`.

use std::path::Path;
use std::time::Duration;

use super::load::SERVER_CORE;
use super::now;
use super::platform::{Process, request};
use crate::run::which;

pub(super) fn start(port: u16, folder: &Path) -> Result<Process, String> {
    let prefix = folder.display();
    let config = format!(
        "worker_processes 1; daemon off; master_process off; pid {prefix}/nginx.pid; error_log {prefix}/nginx.err;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; keepalive_requests 1000000000;\n\
         server {{ listen 127.0.0.1:{port}; location / {{ return 302 https://example.com/some/page; }} }} }}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config).map_err(|e| format!("{}: {e}", file.display()))?;
    let file = file.to_str().ok_or("the target folder's name is not text")?;
    let program = which("nginx").ok_or("nginx is not on PATH")?;
    let process = Process::start(
        &program,
        &["-c", file],
        Some(SERVER_CORE),
        &folder.join("nginx.log"),
    )?;
    let started = now();
    while request(port, "GET / HTTP/1.1", "").is_err() {
        if started.elapsed() > Duration::from_secs(5) {
            return Err(format!(
                "nginx did not answer; see {}",
                folder.join("nginx.log").display()
            ));
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(process)
}
