//! `orrery lab`: experiments that show what a pattern does by leaving it out.

use std::path::{Path, PathBuf};

use clap::Args;
use clock::SystemClock;
use lab::{Bench, Lab};
use telemetry::{Telemetry, TelemetrySettings};

use crate::Outcome;

/// Where the engines for development are listed, seen from the checkout's root.
const ENGINES: &str = "target/engines/engines.json";

/// What to run, and where its files go.
#[derive(Debug, Args)]
pub(crate) struct LabFlags {
    /// The lab's name, or `list` for all of them
    name: String,
    /// Decides when requests come and what they ask for: the same in every arm
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Folder for NAME.svg and NAME.json; without it nothing is written
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Redis for labs that want one [default: the one of `cargo xtask engines up`, else a stand-in that is named]
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// PostgreSQL for labs that need one [default: the one of `cargo xtask engines up`]
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// A short form, a few seconds long
    #[arg(long)]
    brief: bool,
}

/// Lists the labs, or runs one and prints its table and sentence.
pub(crate) fn lab(flags: &LabFlags) -> Outcome {
    let labs = crate::roles::labs();
    if flags.name == "list" {
        print!("{}", listed(&labs));
        return Ok(());
    }
    let Some(lab) = labs.iter().find(|lab| lab.name() == flags.name) else {
        return Err(format!("there is no lab `{}`; there are:\n{}", flags.name, listed(&labs)).into());
    };
    let clock = SystemClock::shared();
    let settings = TelemetrySettings {
        log_level: "error".to_owned(),
        ..TelemetrySettings::default()
    };
    let telemetry = Telemetry::new("orrery", std::process::id().to_string(), &settings, clock.clone())?;
    telemetry.adopt_thread();
    let mut bench = Bench::new(flags.seed, clock, telemetry)?;
    bench.brief = flags.brief;
    bench.redis = flags
        .redis
        .clone()
        .or_else(|| listed_engine(Path::new(ENGINES), "redis"));
    bench.postgres = flags
        .postgres
        .clone()
        .or_else(|| listed_engine(Path::new(ENGINES), "postgres"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // The service under load has threads of its own; this one offers the load.
    let report = runtime.block_on(::lab::run(lab.as_ref(), &bench, ::lab::DEADLINE))?;
    println!("{report}");
    if let Some(folder) = &flags.out {
        for path in report.write_into(folder)? {
            eprintln!("wrote {}", path.display());
        }
    }
    Ok(())
}

/// One line a lab.
fn listed(labs: &[Box<dyn Lab>]) -> String {
    let width = labs.iter().map(|lab| lab.name().len()).max().unwrap_or(0);
    let lines = labs
        .iter()
        .map(|lab| format!("{:<width$}  {}\n", lab.name(), lab.about()));
    lines.collect()
}

/// The engine that is listed for development, if one is.
fn listed_engine(file: &Path, kind: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let listed: serde_json::Value = serde_json::from_str(&text).ok()?;
    listed[kind].as_str().map(str::to_owned)
}
