//! What came of a run: by operation and by second; as a table, JSON and a picture.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::picture;
use crate::latencies::Latencies;

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The profile's name.
    pub profile: String,
    /// What decided the chances.
    pub seed: u64,
    /// Where the load went.
    pub url: String,
    /// When the first arrivals were due, on the clock's monotonic axis: the one of the recorded history.
    pub started_us: u64,
    /// From then to the end of the last operation.
    pub elapsed_s: f64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// Why the recorded history is not whole, if it is not.
    pub history_error: Option<String>,
    /// The share of arrivals that may fail or be dropped.
    pub errors_max_share: f64,
    /// What is no success and as expected all the same: refusals that the profile names, and requests that it gives up.
    pub expected: Vec<String>,
    /// How late arrivals were started, through no fault of the target: `latency` is as fine as this.
    pub lateness: Quantiles,
    /// All operations together.
    pub total: OperationReport,
    /// Each operation.
    pub operations: Vec<OperationReport>,
    /// Each second, from 0.
    pub seconds: Vec<Second>,
}

/// What came of one operation.
#[derive(Debug, Clone, Serialize)]
pub struct OperationReport {
    /// Its name.
    pub name: String,
    /// The objective it counts for.
    pub objective: Option<String>,
    /// Arrivals that were due.
    pub offered: u64,
    /// Those that were answered as expected.
    pub ok: u64,
    /// Those that were answered otherwise, or not.
    pub failed: u64,
    /// Those that were never sent, for too many were in flight.
    pub dropped: u64,
    /// How often each status came, and each reason why none did.
    pub statuses: BTreeMap<String, u64>,
    /// From when each was *due* to its answer's end: what somebody waits who comes at that time. Failures count too.
    pub latency: Quantiles,
    /// From when each was *sent* to its answer's end: what a load that waits for answers before it sends on would show.
    pub service: Quantiles,
}

/// Quantiles in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half took at most this.
    pub p50_ms: f64,
    /// 90 of 100.
    pub p90_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Quantiles {
    pub(super) fn of(latencies: &Latencies) -> Self {
        let at = |quantile| ms(latencies.quantile(quantile));
        Self {
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: ms(latencies.longest()),
        }
    }
}

pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// One second of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Second {
    /// Which: 0 is the first.
    pub at_s: u64,
    /// Arrivals that were due in it.
    pub offered: u64,
    /// Operations that ended in it, as expected or not.
    pub answered: u64,
    /// Those that ended in it and were not as expected.
    pub failed: u64,
    /// Arrivals of it that were never sent.
    pub dropped: u64,
    /// Of the arrivals that were due in it, how many failed in the end, or were dropped. Known only in a report.
    pub failed_of_due: u64,
    /// How many were started and had not ended at its end.
    pub in_flight: usize,
    /// Half of those that ended in it had taken at most this since they were due.
    pub p50_ms: f64,
    /// 99 of 100 of them.
    pub p99_ms: f64,
    /// What those that ended in it were told.
    pub statuses: BTreeMap<String, u64>,
}

impl Report {
    /// The share of arrivals that failed or were dropped.
    pub fn errors_share(&self) -> f64 {
        share(self.total.failed + self.total.dropped, self.total.offered)
    }

    /// Whether no more failed than may, anything was offered at all, and what was recorded of it is whole.
    pub fn passed(&self) -> bool {
        self.total.offered > 0 && self.history_error.is_none() && self.errors_share() <= self.errors_max_share
    }

    /// As JSON, with everything in it.
    ///
    /// # Panics
    /// Never: it has string keys alone.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("it has string keys alone");
        text.push('\n');
        text
    }

    /// As a picture: load and latency over time.
    pub fn svg(&self) -> String {
        picture::draw(self)
    }

    /// Writes `NAME.json` and `NAME.svg` into a folder, which is made, and says what it wrote.
    pub fn write_into(&self, folder: &Path) -> std::io::Result<[PathBuf; 2]> {
        let paths = ["json", "svg"].map(|ending| folder.join(format!("{}.{ending}", self.profile)));
        std::fs::create_dir_all(folder)?;
        std::fs::write(&paths[0], self.json())?;
        std::fs::write(&paths[1], self.svg())?;
        Ok(paths)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more digits than a double has"
)]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

const TITLES: [&str; 10] = [
    "operation",
    "offered",
    "ok",
    "failed",
    "dropped",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "p99.9 ms",
    "max ms",
];

/// The table as it stands on a terminal.
impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = share(self.total.offered, 1) / self.elapsed_s.max(1e-9);
        writeln!(
            out,
            "{}: {} arrivals in {:.1} s ({per_second:.0} a second) at {}, seed {}{}\n",
            self.profile,
            self.total.offered,
            self.elapsed_s,
            self.url,
            self.seed,
            if self.stopped { "; stopped early" } else { "" }
        )?;
        let mut rows = vec![TITLES.map(str::to_owned)];
        for operation in self.operations.iter().chain([&self.total]) {
            rows.push(row(operation, &operation.latency));
            let mut service = row(operation, &operation.service);
            for cell in &mut service[1..5] {
                cell.clear();
            }
            "  since it was sent".clone_into(&mut service[0]);
            rows.push(service);
        }
        table(out, &rows)?;
        writeln!(
            out,
            "\nLatency counts from when an arrival was due, so that a stall counts for everyone who came during it; the line\n\
             below it counts from when the request was sent, and hides that. Arrivals were started {:.2} ms late at the 99th\n\
             percentile, {:.1} ms at most.",
            self.lateness.p99_ms, self.lateness.max_ms
        )?;
        for operation in self.operations.iter().filter(|operation| operation.failed > 0) {
            let told: Vec<String> = operation
                .statuses
                .iter()
                .map(|(what, count)| format!("{what} × {count}"))
                .collect();
            writeln!(out, "{} was told: {}", operation.name, told.join(", "))?;
        }
        if let Some(error) = &self.history_error {
            writeln!(out, "the history is not whole: {error}")?;
        }
        let verdict = if self.passed() { "passed" } else { "FAILED" };
        write!(
            out,
            "{verdict}: {:.3} % failed or dropped; at most {:.3} % may",
            self.errors_share() * 100.0,
            self.errors_max_share * 100.0
        )
    }
}

fn row(operation: &OperationReport, quantiles: &Quantiles) -> [String; 10] {
    let ms = |value: f64| {
        if value < 100.0 {
            format!("{value:.2}")
        } else {
            format!("{value:.0}")
        }
    };
    [
        operation.name.clone(),
        operation.offered.to_string(),
        operation.ok.to_string(),
        operation.failed.to_string(),
        operation.dropped.to_string(),
        ms(quantiles.p50_ms),
        ms(quantiles.p90_ms),
        ms(quantiles.p99_ms),
        ms(quantiles.p999_ms),
        ms(quantiles.max_ms),
    ]
}

fn table(out: &mut fmt::Formatter<'_>, rows: &[[String; 10]]) -> fmt::Result {
    let widths: [usize; 10] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    for row in rows {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(widths).skip(1) {
            let _ = write!(line, "  {cell:>width$}");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
