//! `orrery drill`: breaks a platform of its own on purpose, and judges what came of it.

use std::path::PathBuf;
use std::process::ExitCode;

use chaos::{Bench, DrillError};
use clap::{Args, Subcommand};
use clock::SystemClock;

use crate::catalogue;

/// Where the engines for development are listed, seen from the checkout's root.
const ENGINES: &str = "target/engines/engines.json";
/// It ran, and something was not as expected.
const FAILED: u8 = 1;
/// It could not be run.
const NOT_RUN: u8 = 2;

/// What can be done with drills.
#[derive(Debug, Subcommand)]
pub(crate) enum DrillAction {
    /// One line a drill
    List,
    /// A drill's file, and those of its experiments
    Show {
        /// Its name, or a path
        name: String,
    },
    /// Run a drill; exit code 0: passed, 1: failed, 2: could not be run
    Run(RunFlags),
}

/// Which drill, and how.
#[derive(Debug, Args)]
pub(crate) struct RunFlags {
    /// Its name, or a path
    name: String,
    /// Folder for verdict.json, chart.svg, history.jsonl and the processes' logs; without it nothing is kept
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Decides when requests come and what they ask for, and which copy is struck first
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// A short form, about ten seconds long
    #[arg(long)]
    brief: bool,
    /// Running engines for what the drill does not strike; it starts its own of what is not listed
    #[arg(long, value_name = "FILE", default_value = ENGINES)]
    engines_from: PathBuf,
}

/// Lists, shows or runs.
pub(crate) fn drill(action: &DrillAction) -> ExitCode {
    let done = match action {
        DrillAction::List => listed(),
        DrillAction::Show { name } => chaos::text(name).map(|text| {
            print!("{text}");
            ExitCode::SUCCESS
        }),
        DrillAction::Run(flags) => ran(flags),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(NOT_RUN)
    })
}

fn listed() -> Result<ExitCode, DrillError> {
    let drills = chaos::drills()?;
    let width = drills.iter().map(|drill| drill.name.len()).max().unwrap_or(0);
    for drill in drills {
        println!("{:<width$}  {}", drill.name, drill.title);
    }
    Ok(ExitCode::SUCCESS)
}

fn ran(flags: &RunFlags) -> Result<ExitCode, DrillError> {
    let drill = chaos::drill(&flags.name)?;
    let objectives = catalogue::services().map_err(|error| DrillError::Malformed {
        file: "slo.yaml".to_owned(),
        reason: error.to_string(),
    })?;
    let system = |what: &str| {
        let what = what.to_owned();
        move |source| DrillError::System { what, source }
    };
    let bench = Bench {
        program: std::env::current_exe().map_err(system("this program's own path"))?,
        objectives: objectives
            .into_iter()
            .flat_map(|service| service.objectives)
            .collect(),
        clock: SystemClock::shared(),
        seed: flags.seed,
        brief: flags.brief,
        listed_engines: Some(flags.engines_from.clone()),
        out: flags.out.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(system("no runtime"))?;
    let verdict = runtime.block_on(async {
        tokio::select! {
            verdict = chaos::run(drill, &bench) => verdict.map(Some),
            // Dropping the run kills whatever it has started.
            _ = tokio::signal::ctrl_c() => Ok(None),
        }
    })?;
    let Some(verdict) = verdict else {
        eprintln!("interrupted: what the drill had started is gone");
        return Ok(ExitCode::from(NOT_RUN));
    };
    println!("{verdict}");
    if let Some(folder) = &flags.out {
        for path in verdict.write_into(folder)? {
            eprintln!("wrote {}", path.display());
        }
    }
    Ok(if verdict.passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}
