//! A real `orrery up` in its own process: started, killed, drained and restarted by a test.
//!
//! ```no_run
//! # async fn demo(binary: &std::path::Path) {
//! use testkit::platform::{Options, Platform};
//! let mut platform = Platform::start(binary, Options::default()).await;
//! let token = platform.token("acme", "ann", &["links:read", "links:write"]).await;
//! platform.kill().await;    // SIGKILL: nothing is flushed
//! platform.restart().await; // same data folder, same ports
//! # let _ = token;
//! # }
//! ```

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

pub use fault_proxy::PortBlock;

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(10);
/// One admin request may take this long before it counts as not ready.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Lines of the log shown when something fails.
const TAIL_LINES: usize = 60;

/// What a test may choose about the platform it starts. The default suits most tests.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder; a fresh temporary one when `None`.
    pub data: Option<PathBuf>,
    /// The first port; a free block is reserved when `None`.
    pub port_base: Option<u16>,
    /// Environment added to the process, after every inherited `ORRERY_*` variable was taken away.
    pub env: Vec<(String, String)>,
    /// Arguments put after the command and its `--data DIR --port-base N`.
    pub args: Vec<String>,
    /// What the binary is told to do: `up`, or `serve` and a role.
    pub command: Vec<String>,
    /// The indexes of the roles that must be ready: 0 gateway, 1 issuer, 2 shortener, 5 payment, 6 processor, 7 console.
    pub roles: Vec<u16>,
    /// How long the platform may take to become ready, and to exit when terminated.
    pub deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: None,
            port_base: None,
            env: Vec::new(),
            args: Vec::new(),
            command: vec!["up".to_owned()],
            roles: vec![0, 1, 2, 5, 6, 7],
            deadline: Duration::from_secs(30),
        }
    }
}

impl Options {
    /// Adds one environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One role in this process instead of all: `serve` and its name; `index` is its place among the roles.
    #[must_use]
    pub fn serve(mut self, role: &str, index: u16) -> Self {
        self.command = vec!["serve".to_owned(), role.to_owned()];
        self.roles = vec![index];
        self
    }

    /// Without the console, and so without spans unless an endpoint is named.
    #[must_use]
    pub fn without_console(mut self) -> Self {
        self.args
            .extend(["--set".to_owned(), "console.enabled=false".to_owned()]);
        self.roles.retain(|role| *role != 7);
        self
    }

    /// Adds one argument of the command.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.args.push(argument.to_owned());
        self
    }
}

/// One running (or killed) `orrery up`. Dropping it kills the process and removes a temporary data folder.
#[derive(Debug)]
pub struct Platform {
    binary: PathBuf,
    options: Options,
    data: PathBuf,
    log: PathBuf,
    base: u16,
    child: Option<Child>,
    // Held for their Drop: the folder and the reservation live as long as the platform.
    _folder: TempDir,
    _ports: Option<PortBlock>,
}

impl Platform {
    /// Starts `binary up` and returns once every chosen role answers `/readyz` with 200.
    ///
    /// # Panics
    /// With the tail of the process's output when it exits early or is not ready by the deadline.
    pub async fn start(binary: impl AsRef<Path>, options: Options) -> Self {
        let mut platform = Self::prepare(binary, options);
        platform.restart().await;
        platform
    }

    /// Starts `binary up` without waiting: for tests of starts that must fail. See [`Platform::exited`].
    pub fn spawn(binary: impl AsRef<Path>, options: Options) -> Self {
        let mut platform = Self::prepare(binary, options);
        platform.launch();
        platform
    }

    fn prepare(binary: impl AsRef<Path>, options: Options) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("orrery-test-")
            .tempdir()
            .expect("a temporary folder");
        let ports = if options.port_base.is_none() {
            Some(PortBlock::reserve())
        } else {
            None
        };
        let base = options
            .port_base
            .or(ports.as_ref().map(PortBlock::base))
            .expect("one of both is there");
        Self {
            binary: binary.as_ref().to_owned(),
            data: options.data.clone().unwrap_or_else(|| folder.path().join("data")),
            log: folder.path().join("output.log"),
            base,
            child: None,
            options,
            _folder: folder,
            _ports: ports,
        }
    }

    /// The gateway's address, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.base)
    }

    /// The API address of role `index` (1 issuer, 2 shortener), without a slash at its end.
    pub fn api_url(&self, index: u16) -> String {
        format!("http://127.0.0.1:{}", self.base + 10 + 2 * index)
    }

    /// The admin address of role `index` (0 gateway, 1 issuer, 2 shortener), without a slash at its end.
    pub fn admin_url(&self, index: u16) -> String {
        format!("http://127.0.0.1:{}", self.admin_port(index))
    }

    fn admin_port(&self, index: u16) -> u16 {
        self.base + 11 + 2 * index
    }

    /// The first port.
    pub fn port_base(&self) -> u16 {
        self.base
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Everything the process has written to stdout and stderr so far, over all its lives.
    pub fn output(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// A token of the local issuer for `user` of `tenant`.
    ///
    /// # Panics
    /// When `orrery token` fails, with what it wrote.
    pub async fn token(&self, tenant: &str, user: &str, scopes: &[&str]) -> String {
        let mut arguments = vec!["token", "--tenant", tenant, "--user", user];
        for scope in scopes {
            arguments.extend(["--scope", scope]);
        }
        let mut command = self.command(&arguments);
        command
            .arg("--data")
            .arg(&self.data)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = timeout(self.options.deadline, command.output())
            .await
            .expect("`orrery token` ended before the deadline")
            .expect("`orrery token` started");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "`orrery token` failed: {}\nstdout: {stdout}\nstderr: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        stdout
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// Kills the process with SIGKILL and waits until it is gone. Nothing is flushed. No-op when not running.
    ///
    /// # Panics
    /// When the process cannot be killed.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("SIGKILL reached the process");
            self.child = Some(child);
            self.exited().await;
        }
    }

    /// Asks the process to drain (SIGTERM) and gives its exit status.
    ///
    /// # Panics
    /// When it is not running or does not exit by the deadline.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM").await;
        self.exited().await
    }

    /// Sends a signal by name (`TERM`, `INT`, `STOP`, `CONT`, ...) and does not wait for its effect.
    ///
    /// # Panics
    /// When the process does not run.
    pub async fn signal(&self, name: &str) {
        let pid = self.pid().expect("the platform is running");
        // The shell's own `kill`: a signal cannot be sent from safe Rust's std, and no package need be installed.
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &pid.to_string()])
            .status()
            .await;
        assert!(
            status.is_ok_and(|status| status.success()),
            "signal {name} could not be sent to {pid}"
        );
    }

    /// Waits for the process to exit by itself and gives its status.
    ///
    /// # Panics
    /// When it is not running or does not exit by the deadline.
    pub async fn exited(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the platform is running");
        let gone = async {
            loop {
                match child.try_wait().expect("the process can be waited for") {
                    Some(status) => return status,
                    None => sleep(POLL).await,
                }
            }
        };
        if let Ok(status) = timeout(self.options.deadline, gone).await {
            return status;
        }
        self.child = Some(child);
        panic!(
            "orrery did not exit within {:?}\n{}",
            self.options.deadline,
            self.tail()
        )
    }

    /// Starts the process again on the same data and ports, and waits until it is ready.
    ///
    /// # Panics
    /// As [`Platform::start`], and when it still runs.
    pub async fn restart(&mut self) {
        self.launch();
        if timeout(self.options.deadline, self.until_ready()).await.is_err() {
            let reason = self.unready().await;
            panic!(
                "orrery is not ready after {:?}: {reason}\n{}",
                self.options.deadline,
                self.tail()
            );
        }
    }

    /// Whether every chosen role answers `/readyz` with 200 now.
    pub async fn is_ready(&self) -> bool {
        for role in &self.options.roles {
            if !matches!(get(self.admin_port(*role), "/readyz").await, Ok((200, _))) {
                return false;
            }
        }
        true
    }

    /// `binary` with `arguments`, and the environment the platform itself was given. For the other subcommands.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        // A developer's own settings must not decide a test.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ORRERY_"))
        {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .envs(self.options.env.iter().map(|(name, value)| (name, value)));
        command
    }

    fn launch(&mut self) {
        assert!(self.child.is_none(), "the platform already runs");
        let out = append(&self.log).expect("the output file can be opened");
        let err = out.try_clone().expect("the output file can be shared");
        let words: Vec<&str> = self.options.command.iter().map(String::as_str).collect();
        let mut command = self.command(&words);
        command
            .arg("--data")
            .arg(&self.data)
            .args(["--port-base", &self.base.to_string()]);
        command
            .args(&self.options.args)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        let child = command
            .into_std()
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        self.child = Some(child);
    }

    async fn until_ready(&mut self) {
        while !self.is_ready().await {
            let status = self
                .child
                .as_mut()
                .and_then(|child| child.try_wait().ok().flatten());
            if let Some(status) = status {
                self.child = None;
                panic!("orrery exited with {status} before it was ready\n{}", self.tail());
            }
            sleep(POLL).await;
        }
    }

    async fn unready(&self) -> String {
        let mut reasons = String::new();
        for role in &self.options.roles {
            let port = self.admin_port(*role);
            match get(port, "/readyz").await {
                Ok((200, _)) => {}
                Ok((status, body)) => _ = write!(reasons, "role {role} (port {port}): {status} {body}; "),
                Err(error) => _ = write!(reasons, "role {role} (port {port}): {error}; "),
            }
        }
        reasons
    }

    /// The last lines of the output, under a heading.
    pub fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let shown = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        format!(
            "--- the last {} lines of orrery's output ---\n{}",
            shown.len(),
            shown.join("\n")
        )
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
        if let Some(mut child) = self.child.take() {
            _ = child.kill();
            // Waited for, so that the data folder and the ports are free when this returns.
            _ = child.wait();
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// A bare HTTP/1.1 GET of a small answer on a loopback port: its status and body.
async fn get(port: u16, path: &str) -> io::Result<(u16, String)> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(64 * 1024).read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
        let body = answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default();
        status
            .map(|status| (status, body))
            .ok_or_else(|| io::Error::other("no HTTP answer"))
    };
    timeout(PROBE_TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "before it was ready")]
    async fn a_process_that_exits_instead_of_serving_fails_the_test_at_once() {
        Platform::start("false", Options::default()).await;
    }

    #[tokio::test]
    async fn a_start_that_must_fail_can_be_looked_at() {
        let mut platform = Platform::spawn("false", Options::default());
        assert!(!platform.exited().await.success());
        assert!(!platform.is_ready().await);
    }
}
