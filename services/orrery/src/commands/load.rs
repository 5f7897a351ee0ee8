//! `orrery load`: a load from a file, offered to a platform on this machine.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clock::{SharedClock, SystemClock};
use issuer::TokenRequest;
use load::Recorder;
use load::profile::{HistoryRecorder, Profile, Report, Second, Target, TokenSource, names, run};
use tokio::sync::watch;

use super::{Workbench, on_workbench, token};
use crate::Outcome;
use crate::settings::Settings;

/// Where a checkout keeps its profiles: one that stands there wins over the one that ships.
const FOLDER: &str = "loadtests/profiles";

/// What to offer, to whom, and where the report goes.
#[derive(Debug, Args)]
pub(crate) struct LoadFlags {
    /// The profile's name or the path of its file, or `list` for all that ship
    profile: String,
    /// Where the load goes: this machine only [default: the gateway of these settings]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Another highest rate, in arrivals a second; stages keep their shape
    #[arg(long, value_name = "R")]
    rate: Option<f64>,
    /// Another duration, in seconds; stages keep their shape
    #[arg(long, value_name = "S")]
    duration: Option<f64>,
    /// Decides when requests come and what they ask for
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Folder for NAME.json and NAME.svg; without it neither is written
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// File for what clients did and saw, one JSON line an operation
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Tenant that the local issuer's token is for
    #[arg(long, default_value = "load")]
    tenant: String,
    /// Send this token instead of one from the local issuer; by its variable other users of the machine do not see it
    #[arg(long, value_name = "TOKEN", env = "ORRERY_LOAD_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// Offers the load; its outcome is the report's.
pub(crate) fn load(settings: &Settings, flags: &LoadFlags) -> Outcome {
    if flags.profile == "list" {
        return list();
    }
    let profile = changed(found(&flags.profile)?, flags)?;
    if let Some(folder) = &flags.out {
        // Before the load: what it measured must not be lost for a folder that cannot be.
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let clock = SystemClock::shared();
    let recorder = flags
        .history
        .as_deref()
        .map(|path| history(path, &clock))
        .transpose()?;
    let local = format!("http://127.0.0.1:{}", settings.port_base);
    let target = Target {
        url: flags.url.clone().unwrap_or(local),
        token: Some(token_source(settings, flags)?),
        given: std::collections::BTreeMap::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let interrupts = tokio::spawn(until_interrupted(stop));
        let line = Line::new();
        eprintln!("{}: {}", profile.name, profile.description);
        let report = run(&profile, &target, &clock, recorder, stopped, |second| {
            line.show(second);
        })
        .await;
        interrupts.abort();
        line.end();
        report
    })?;
    print(&report, flags.json);
    if let Some(folder) = &flags.out {
        let written = report.write_into(folder);
        for path in written.map_err(|error| format!("{}: {error}", folder.display()))? {
            eprintln!("wrote {}", path.display());
        }
    }
    if report.stopped {
        Err("it was stopped before its end: the report is of a part, and no verdict".into())
    } else if report.passed() {
        Ok(())
    } else {
        Err(format!("`{}` did not pass: see its report", report.profile).into())
    }
}

fn list() -> Outcome {
    for name in names() {
        println!("{name:<22} {}", Profile::shipped(name)?.description);
    }
    Ok(())
}

/// A file where a path was given or the checkout has one, else what ships.
fn found(name: &str) -> Result<Profile, Box<dyn std::error::Error>> {
    let given = Path::new(name);
    let is_path = given.components().count() > 1 || given.extension().is_some();
    let path = if is_path {
        given.to_owned()
    } else {
        Path::new(FOLDER).join(format!("{name}.yaml"))
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Profile::parse(&text).map_err(|error| format!("{}: {error}", path.display()).into()),
        Err(error) if !is_path && error.kind() == std::io::ErrorKind::NotFound => Ok(Profile::shipped(name)?),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
    }
}

fn changed(mut profile: Profile, flags: &LoadFlags) -> Result<Profile, Box<dyn std::error::Error>> {
    if let Some(rate) = flags.rate {
        profile = profile.with_rate(rate)?;
    }
    if let Some(seconds) = flags.duration {
        let duration =
            Duration::try_from_secs_f64(seconds).map_err(|error| format!("--duration {seconds}: {error}"))?;
        profile = profile.with_duration(duration)?;
    }
    Ok(match flags.seed {
        Some(seed) => profile.with_seed(seed),
        None => profile,
    })
}

fn history(path: &Path, clock: &SharedClock) -> Result<Arc<HistoryRecorder>, String> {
    let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Arc::new(Recorder::new(
        clock.clone(),
        Box::new(BufWriter::new(file)),
    )))
}

/// The given token, or fresh ones from the local issuer, as `orrery token` makes them.
fn token_source(settings: &Settings, flags: &LoadFlags) -> Result<TokenSource, Box<dyn std::error::Error>> {
    if let Some(token) = flags.token.clone() {
        return Ok(Arc::new(move || Ok(token.clone())));
    }
    token::issuer_is_there(settings)?;
    let (issuer, tenant) = (settings.issuer.clone(), flags.tenant.clone());
    Ok(Arc::new(move || {
        let request = TokenRequest {
            tenant: &tenant,
            user: "load",
            scopes: &[],
            lifetime_s: None,
        };
        on_workbench(async |bench: &Workbench| {
            issuer::mint(&issuer, &request, &bench.telemetry, &bench.clock).await
        })
        .map_err(|error| error.to_string())
    }))
}

/// The first Ctrl-C ends the load with a report, the second ends the program.
async fn until_interrupted(stop: watch::Sender<bool>) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stop.send_replace(true);
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(130);
    }
}

fn print(report: &Report, json: bool) {
    if json {
        print!("{}", report.json());
    } else {
        println!("{report}");
    }
}

/// How far the load is: one line that changes on a terminal, else a line a second.
struct Line {
    on_terminal: bool,
}

impl Line {
    fn new() -> Self {
        Self {
            on_terminal: std::io::stderr().is_terminal(),
        }
    }

    fn show(&self, second: &Second) {
        let text = format!(
            "{:>5} s  {:>7} offered  {:>7} answered  p50 {:>8.2} ms  p99 {:>8.2} ms  {:>5} failed  {:>5} dropped  {:>5} in flight",
            second.at_s + 1,
            second.offered,
            second.answered,
            second.p50_ms,
            second.p99_ms,
            second.failed,
            second.dropped,
            second.in_flight,
        );
        let mut out = std::io::stderr().lock();
        // Who closed the terminal wants no progress.
        let _ = if self.on_terminal {
            write!(out, "\r\x1b[2K{text}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{text}")
        };
    }

    fn end(&self) {
        if self.on_terminal {
            eprintln!();
        }
    }
}
