//! `orrery drill score-bugs`: plants each bug in turn and runs the drill that must find it. Only in builds that have the bugs.

use std::path::PathBuf;
use std::process::ExitCode;

use chaos::{Bench, DrillError, Verdict};
use clap::Args;
use planted_bugs::{BUGS, Bug};

/// Which bugs, and how.
#[derive(Debug, Args)]
pub(crate) struct ScoreFlags {
    /// Only this bug
    #[arg(long, value_name = "NAME", value_parser = bug)]
    bug: Option<Bug>,
    /// The short form of each drill
    #[arg(long)]
    brief: bool,
    /// Do not run each drill without its bug first: a drill that is red anyway finds nothing
    #[arg(long)]
    no_control: bool,
    /// Decides when requests come and what they ask for
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// As `orrery drill run` has it
    #[arg(long, value_name = "FILE", default_value = super::drill::ENGINES)]
    pub(super) engines_from: PathBuf,
}

fn bug(name: &str) -> Result<Bug, String> {
    Bug::parse(name).ok_or_else(|| {
        let names: Vec<&str> = BUGS.into_iter().map(Bug::name).collect();
        format!("there are: {}", names.join(", "))
    })
}

/// Prints a line a bug; success when each was found, and each drill is green without it.
pub(super) async fn score(flags: &ScoreFlags, bench: Bench) -> Result<ExitCode, DrillError> {
    let bench = Bench {
        seed: flags.seed,
        brief: flags.brief,
        out: None,
        ..bench
    };
    let bugs: Vec<Bug> = BUGS
        .into_iter()
        .filter(|bug| flags.bug.is_none_or(|only| only == *bug))
        .collect();
    let mut found = 0;
    for bug in &bugs {
        if !flags.no_control {
            let clean = chaos::run(chaos::drill(bug.found_by())?, &bench).await?;
            if !clean.passed {
                println!(
                    "{:<20} not judged: {} is red without it",
                    bug.name(),
                    bug.found_by()
                );
                println!("{clean}");
                continue;
            }
        }
        let verdict = chaos::run(with(*bug)?, &bench).await?;
        let why = what_failed(&verdict);
        // What judged nothing has found nothing.
        let broken = |finding: &&chaos::Finding| {
            finding.invariant == bug.breaks() && !finding.held && finding.violations > 0
        };
        if let Some(finding) = verdict.invariants.iter().find(broken) {
            found += 1;
            println!(
                "{:<20} found by {}, {} times: {}",
                bug.name(),
                bug.found_by(),
                finding.violations,
                why.join("; ")
            );
        } else {
            println!(
                "{:<20} MISSED by {}: {} holds; {}",
                bug.name(),
                bug.found_by(),
                bug.breaks(),
                why.join("; ")
            );
        }
    }
    println!("{found} of {} planted bugs found", bugs.len());
    Ok(ExitCode::from(u8::from(found < bugs.len())))
}

/// The drill, on processes that have the bug.
fn with(bug: Bug) -> Result<chaos::Drill, DrillError> {
    let mut drill = chaos::drill(bug.found_by())?;
    let environment = &mut drill.platform.environment;
    environment.insert(planted_bugs::VARIABLE.to_owned(), bug.name().to_owned());
    Ok(drill)
}

/// What made it red, in the drill's own words.
fn what_failed(verdict: &Verdict) -> Vec<String> {
    let judged = verdict.judged.iter().filter(|judged| !judged.held);
    let invariants = verdict.invariants.iter().filter(|finding| !finding.held);
    judged
        .map(|judged| format!("expected {}, saw {}", judged.expected, judged.seen))
        .chain(invariants.map(|finding| {
            let first = finding.found.lines().next().unwrap_or_default();
            format!("{}: {first}", finding.invariant)
        }))
        .collect()
}
