//! `orrery drill`: breaks a platform of its own on purpose, and judges what came of it.

use std::path::PathBuf;
use std::process::ExitCode;

use chaos::{Bench, DrillError};
use clap::{Args, Subcommand};
use clock::SystemClock;
use tokio::signal::unix::{SignalKind, signal};

use crate::catalogue;

/// Where the engines for development are listed, seen from the checkout's root.
pub(super) const ENGINES: &str = "target/engines/engines.json";
/// What is still at work after a drill is left alone after this.
const ENDS_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);
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
    /// Plant each bug in turn and run the drill that must find it
    #[cfg(feature = "planted-bugs")]
    ScoreBugs(super::score_bugs::ScoreFlags),
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
        #[cfg(feature = "planted-bugs")]
        DrillAction::ScoreBugs(flags) => scored(flags),
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
    let bench = Bench {
        seed: flags.seed,
        brief: flags.brief,
        out: flags.out.clone(),
        ..bench(&flags.engines_from)?
    };
    let Some(verdict) = uninterrupted(chaos::run(drill, &bench))? else {
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

#[cfg(feature = "planted-bugs")]
fn scored(flags: &super::score_bugs::ScoreFlags) -> Result<ExitCode, DrillError> {
    let bench = bench(&flags.engines_from)?;
    let score = uninterrupted(super::score_bugs::score(flags, bench))?;
    Ok(score.unwrap_or(ExitCode::from(NOT_RUN)))
}

/// This program, judged by every service's objectives.
fn bench(engines_from: &std::path::Path) -> Result<Bench, DrillError> {
    let objectives = catalogue::services().map_err(|error| DrillError::Malformed {
        file: "slo.yaml".to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Bench {
        program: std::env::current_exe().map_err(system("this program's own path"))?,
        objectives: objectives
            .into_iter()
            .flat_map(|service| service.objectives)
            .collect(),
        clock: SystemClock::shared(),
        seed: 1,
        brief: false,
        listed_engines: Some(engines_from.to_owned()),
        out: None,
    })
}

/// Runs to the end, or to Ctrl-C: dropping a run kills whatever it has started.
fn uninterrupted<T>(run: impl Future<Output = Result<T, DrillError>>) -> Result<Option<T>, DrillError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(system("no runtime"))?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = run => outcome.map(Some),
            told = stopped() => told.map(|()| None),
        }
    });
    // Threads that burn processor time know no interruption.
    runtime.shutdown_timeout(ENDS_WITHIN);
    let outcome = outcome?;
    if outcome.is_none() {
        eprintln!("interrupted: what the drill had started is gone");
    }
    Ok(outcome)
}

/// Ctrl-C, or what a wrapper sends in its place.
async fn stopped() -> Result<(), DrillError> {
    let asked = |kind| signal(kind).map_err(system("signals cannot be waited for"));
    let (mut interrupt, mut terminate, mut hangup) = (
        asked(SignalKind::interrupt())?,
        asked(SignalKind::terminate())?,
        asked(SignalKind::hangup())?,
    );
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

fn system(what: &str) -> impl FnOnce(std::io::Error) -> DrillError {
    let what = what.to_owned();
    move |source| DrillError::System { what, source }
}
