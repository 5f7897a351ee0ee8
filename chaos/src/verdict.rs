//! What a drill concluded, with the evidence.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use load::profile::Report;
use serde::Serialize;

use crate::drill::Drill;
use crate::inject::Struck;
use crate::invariants::Finding;
use crate::watch::{SeenAlert, word};
use crate::{DrillError, chart};

/// One thing that a drill expected, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// What was expected.
    pub expected: String,
    /// Whether it was so.
    pub held: bool,
    /// What was seen.
    pub seen: String,
}

/// What clients were told from the first fault until the recovery.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Meanwhile {
    /// Requests that were due.
    pub due: u64,
    /// Those of them that failed in the end.
    pub failed: u64,
    /// Answers by status, and by the code of why there was none.
    pub answers: BTreeMap<String, u64>,
}

/// The verdict.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The drill.
    pub drill: String,
    /// What happened, in a few words.
    pub title: String,
    /// What was believed.
    pub hypothesis: String,
    /// Whether it ran in its short form.
    pub brief: bool,
    /// What decided the chances.
    pub seed: u64,
    /// By what SLO windows were divided.
    pub scale: u32,
    /// Whether everything was as expected.
    pub passed: bool,
    /// What was done.
    pub faults: Vec<Struck>,
    /// Every alert that fired.
    pub alerts: Vec<SeenAlert>,
    /// What clients were told meanwhile.
    pub meanwhile: Meanwhile,
    /// From the end of the last fault to the first second from which on all was good; `None`: it never was.
    pub recovered_after_s: Option<f64>,
    /// Alert, answers and recovery, as expected or not.
    pub judged: Vec<Judged>,
    /// The invariants.
    pub invariants: Vec<Finding>,
    /// The load, second by second.
    pub load: Report,
}

/// What a run has gathered.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) faults: Vec<Struck>,
    pub(crate) alerts: Vec<SeenAlert>,
    pub(crate) report: Report,
    pub(crate) invariants: Vec<Finding>,
    pub(crate) seed: u64,
    pub(crate) brief: bool,
}

impl Verdict {
    pub(crate) fn of(drill: &Drill, gathered: Gathered) -> Self {
        let recovered = recovered(&gathered.faults, &gathered.report);
        let meanwhile = meanwhile(&gathered.faults, recovered, &gathered.report);
        let judged = vec![
            alert(drill, &gathered),
            answers(drill, &meanwhile, &gathered.report.expected),
            recovery(drill, recovered),
        ];
        let passed = judged.iter().all(|judged| judged.held)
            && !gathered.invariants.is_empty()
            && gathered.invariants.iter().all(|finding| finding.held);
        Self {
            drill: drill.name.clone(),
            title: drill.title.clone(),
            hypothesis: drill.hypothesis.trim().to_owned(),
            brief: gathered.brief,
            seed: gathered.seed,
            scale: drill.scale,
            passed,
            faults: gathered.faults,
            alerts: gathered.alerts,
            meanwhile,
            recovered_after_s: recovered,
            judged,
            invariants: gathered.invariants,
            load: gathered.report,
        }
    }

    /// Writes `verdict.json` and `chart.svg`, and says where they are.
    pub fn write_into(&self, folder: &Path) -> Result<Vec<PathBuf>, DrillError> {
        let mut json = serde_json::to_string_pretty(self)
            .map_err(|error| DrillError::file(folder)(std::io::Error::other(error)))?;
        json.push('\n');
        let files = [("verdict.json", json), ("chart.svg", chart::draw(self))];
        let written = files.map(|(name, text)| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(DrillError::file(&path))?;
            Ok(path)
        });
        written.into_iter().collect()
    }
}

/// Good from the second after the last one of which something failed. A second counts by what was due in it.
fn recovered(faults: &[Struck], report: &Report) -> Option<f64> {
    let over_s = faults.iter().map(|fault| fault.to_s).fold(0.0, f64::max);
    let last_bad = report
        .seconds
        .iter()
        .rev()
        .find(|second| second.failed_of_due > 0);
    let good_from = last_bad.map_or(0, |second| second.at_s + 1);
    // Somebody must have asked since, else nothing is known.
    let asked = report
        .seconds
        .iter()
        .any(|second| second.at_s >= good_from && second.offered > 0);
    #[expect(clippy::cast_precision_loss, reason = "a drill is shorter than 2^52 seconds")]
    let good_from = good_from as f64;
    asked.then_some((good_from - over_s).max(0.0))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of a drill, never negative"
)]
fn meanwhile(faults: &[Struck], recovered: Option<f64>, report: &Report) -> Meanwhile {
    let from = faults
        .iter()
        .map(|fault| fault.from_s)
        .fold(f64::INFINITY, f64::min);
    let over = faults.iter().map(|fault| fault.to_s).fold(0.0, f64::max);
    let until = recovered.map_or(u64::MAX, |after| (over + after).ceil() as u64);
    let from = from.max(0.0).floor() as u64;
    let mut told = Meanwhile::default();
    for second in report
        .seconds
        .iter()
        .filter(|second| (from..=until).contains(&second.at_s))
    {
        told.due += second.offered;
        told.failed += second.failed_of_due;
        for (status, count) in &second.statuses {
            *told.answers.entry(status.clone()).or_default() += count;
        }
    }
    told
}

fn alert(drill: &Drill, gathered: &Gathered) -> Judged {
    let Some(expected) = &drill.expect.alert else {
        let pages: Vec<&SeenAlert> = gathered
            .alerts
            .iter()
            .filter(|alert| alert.severity == word(slo::Severity::Page))
            .filter(|alert| drill.expect.quiet.contains(&alert.objective))
            .collect();
        let names: Vec<&str> = pages.iter().map(|alert| alert.name.as_str()).collect();
        return Judged {
            expected: format!("nobody is paged for {}", drill.expect.quiet.join(", ")),
            held: pages.is_empty(),
            seen: if pages.is_empty() {
                "no page".to_owned()
            } else {
                names.join(", ")
            },
        };
    };
    let severity = expected.severity.word();
    let fired = gathered
        .alerts
        .iter()
        .find(|alert| alert.objective == expected.objective && alert.severity == severity);
    let first_s = gathered
        .faults
        .iter()
        .map(|fault| fault.from_s)
        .fold(f64::INFINITY, f64::min);
    let (held, seen) = match fired {
        None => (false, "it did not fire".to_owned()),
        Some(alert) if alert.from_s < first_s => (
            false,
            format!("it fired at {:.2} s, before the fault", alert.from_s),
        ),
        Some(alert) => {
            let after_s = alert.from_s - first_s;
            let told = format!(
                "{} {after_s:.2} s after the fault, burn rate up to {:.0}",
                alert.name, alert.burn_max
            );
            match alert.cleared_s {
                Some(cleared) => (true, format!("{told}, cleared at {cleared:.2} s")),
                None => (false, format!("{told}; it did not clear")),
            }
        }
    };
    Judged {
        expected: format!("a {severity} for {}, which clears", expected.objective),
        held,
        seen,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a drill")]
/// Good is what the load itself expects: success, redirection, and refusals that it names.
fn answers(drill: &Drill, meanwhile: &Meanwhile, as_expected: &[String]) -> Judged {
    let expected = &drill.expect.degraded;
    let share = if meanwhile.due == 0 {
        0.0
    } else {
        meanwhile.failed as f64 / meanwhile.due as f64
    };
    let good =
        |status: &String| status.starts_with('2') || status.starts_with('3') || as_expected.contains(status);
    let unexpected: Vec<String> = meanwhile
        .answers
        .iter()
        .filter(|(status, _)| !good(status) && !expected.answers.contains(status))
        .map(|(status, count)| format!("{count} x {status}"))
        .collect();
    let told: Vec<String> = meanwhile
        .answers
        .iter()
        .map(|(status, count)| format!("{count} x {status}"))
        .collect();
    let mut seen = format!(
        "{} of {} failed ({}): {}",
        meanwhile.failed,
        meanwhile.due,
        percent(share),
        told.join(", ")
    );
    if !unexpected.is_empty() {
        seen = format!("{seen}; not expected: {}", unexpected.join(", "));
    }
    let also = if expected.answers.is_empty() {
        "only good answers".to_owned()
    } else {
        format!("besides good answers {}", expected.answers.join(", "))
    };
    Judged {
        expected: format!("{also}; at most {} fail", percent(expected.failed_share_max)),
        held: meanwhile.due > 0 && unexpected.is_empty() && share <= expected.failed_share_max,
        seen,
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn recovery(drill: &Drill, recovered: Option<f64>) -> Judged {
    let within = drill.expect.recovered_within.0;
    Judged {
        expected: format!("all answers good again within {within:?} of the fault's end"),
        held: recovered.is_some_and(|after| after <= within.as_secs_f64()),
        seen: recovered.map_or_else(|| "never".to_owned(), |after| format!("after {after:.2} s")),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.brief { ", brief" } else { "" };
        writeln!(out, "{}: {} (seed {}{form})", self.drill, self.title, self.seed)?;
        writeln!(out, "  {}", self.hypothesis.replace('\n', "\n  "))?;
        for fault in &self.faults {
            writeln!(
                out,
                "  {:>6.2} s to {:>6.2} s  {}: {}",
                fault.from_s, fault.to_s, fault.target, fault.what
            )?;
        }
        writeln!(out, "  SLO windows divided by {}", self.scale)?;
        let mark = |held: bool| if held { "ok    " } else { "FAILED" };
        for judged in &self.judged {
            writeln!(out, "{} {}", mark(judged.held), judged.expected)?;
            writeln!(out, "         {}", judged.seen)?;
        }
        for finding in &self.invariants {
            writeln!(
                out,
                "{} {} ({} {})",
                mark(finding.held),
                finding.invariant,
                finding.checked,
                finding.of
            )?;
            writeln!(
                out,
                "         {}",
                finding.found.trim_end().replace('\n', "\n         ")
            )?;
        }
        write!(
            out,
            "{}: {}",
            self.drill,
            if self.passed { "PASSED" } else { "FAILED" }
        )
    }
}

#[cfg(test)]
mod tests;
