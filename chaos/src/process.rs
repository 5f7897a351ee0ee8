//! A process that a drill starts, strikes and starts again.

mod family;

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::DrillError;

/// How often a condition is looked at again.
pub(crate) const POLL: Duration = Duration::from_millis(20);
/// A killed process is gone within this.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// Lines of its log that are shown when it does not start.
const TAIL_LINES: usize = 12;

/// What to start, and where its output goes.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) log: PathBuf,
}

/// One process, over all its lives. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    recipe: Recipe,
    child: Option<Child>,
    /// Its log goes on over its lives; what an earlier drill left there goes at the first.
    has_lived: bool,
}

impl Process {
    pub(crate) fn of(recipe: Recipe) -> Self {
        Self {
            recipe,
            child: None,
            has_lived: false,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.recipe.name
    }

    /// Starts it without waiting for it to be ready.
    pub(crate) fn start(&mut self) -> Result<(), DrillError> {
        let out = log_file(&self.recipe.log, self.has_lived)?;
        self.has_lived = true;
        let err = out.try_clone().map_err(DrillError::file(&self.recipe.log))?;
        let mut command = Command::new(&self.recipe.program);
        inherited().for_each(|name| _ = command.env_remove(name));
        command
            .args(&self.recipe.arguments)
            .envs(self.recipe.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            // A Ctrl-C at the runner is the runner's; and what it starts in turn is struck together with it.
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(DrillError::system(format!(
            "{} cannot be started",
            self.recipe.program.display()
        )))?;
        self.child = Some(child);
        Ok(())
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child
            .as_mut()
            .and_then(|child| child.try_wait().ok().flatten())
    }

    /// Sends a signal ("TERM", "STOP", "CONT") to it and what it started.
    pub(crate) async fn signal(&self, name: &str) -> Result<(), DrillError> {
        let Some(pid) = self.child.as_ref().and_then(Child::id) else {
            return Ok(());
        };
        // Its group, and those below it that have left it. The shell's own `kill`: a signal cannot be sent from safe Rust's std.
        let below = family::family(pid).into_iter().skip(1);
        let sent = Command::new("sh")
            .args([
                "-c",
                "kill -s \"$0\" -- \"-$1\" && shift && { [ $# = 0 ] || kill -s \"$0\" -- \"$@\" 2>/dev/null || true; }",
                name,
                &pid.to_string(),
            ])
            .args(below.map(|pid| pid.to_string()))
            .status()
            .await;
        match sent {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(DrillError::NotReady {
                what: self.recipe.name.clone(),
                reason: format!("signal {name} did not reach it: {}", self.log_tail()),
            }),
            Err(source) => Err(DrillError::system("a signal cannot be sent")(source)),
        }
    }

    /// SIGKILL, and waits until it is gone. No-op when it does not run.
    pub(crate) async fn kill(&mut self) -> Result<(), DrillError> {
        if self.child.is_some() {
            self.signal("KILL").await?;
            self.gone(GONE_WITHIN).await?;
        }
        Ok(())
    }

    /// SIGKILL without waiting, for a Drop.
    pub(crate) fn kill_now(&mut self) {
        let Some(pid) = self.child.as_ref().and_then(Child::id) else {
            return;
        };
        let pids = family::family(pid).into_iter().map(|pid| pid.to_string());
        // Whoever is gone already is no matter.
        let _ = std::process::Command::new("sh")
            .args(["-c", "kill -s KILL -- \"$@\" 2>/dev/null", "sh"])
            .args(pids)
            .status();
    }

    /// SIGTERM; SIGKILL if it still runs after `grace`.
    pub(crate) async fn drain(&mut self, grace: Duration) -> Result<(), DrillError> {
        self.signal("TERM").await?;
        if self.gone(grace).await.is_err() {
            self.kill().await?;
        }
        Ok(())
    }

    async fn gone(&mut self, within: Duration) -> Result<(), DrillError> {
        let Some(child) = self.child.as_mut() else {
            return Ok(());
        };
        match timeout(within, child.wait()).await {
            Ok(_) => {
                self.child = None;
                Ok(())
            }
            Err(_) => Err(DrillError::NotReady {
                what: self.recipe.name.clone(),
                reason: format!("it still runs after {within:?}"),
            }),
        }
    }

    /// Waits until `is_ready` says so; an error when it ends before, or the time is over.
    pub(crate) async fn until_ready(
        &mut self,
        within: Duration,
        is_ready: impl AsyncFn() -> bool,
    ) -> Result<(), DrillError> {
        let waited = timeout(within, async {
            while !is_ready().await {
                if let Some(status) = self.has_ended() {
                    return Err(format!("it ended with {status}"));
                }
                sleep(POLL).await;
            }
            Ok(())
        });
        let reason = match waited.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reason)) => reason,
            Err(_) => format!("not within {within:?}"),
        };
        Err(DrillError::NotReady {
            what: self.recipe.name.clone(),
            reason: format!("{reason}; the end of its log:\n{}", self.log_tail()),
        })
    }

    /// The end of what it has printed.
    pub(crate) fn log_tail(&self) -> String {
        let text = std::fs::read(&self.recipe.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

/// A developer's own settings, which must not decide a drill.
pub(crate) fn inherited() -> impl Iterator<Item = std::ffi::OsString> {
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| name.to_string_lossy().starts_with("ORRERY_"))
}

fn log_file(path: &Path, goes_on: bool) -> Result<File, DrillError> {
    if !goes_on {
        File::create(path).map_err(DrillError::file(path))?;
    }
    // Appended to also in the first life: two streams write to it.
    let file = OpenOptions::new().append(true).open(path);
    file.map_err(DrillError::file(path))
}
