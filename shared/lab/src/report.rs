//! What came of a lab: a table of its arms, a chart, one sentence.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use load::Summary;
use serde::Serialize;

use crate::{Bench, Figure, Lab, LabError};

/// One measured quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Column {
    /// What was measured.
    pub name: &'static str,
    /// Its unit; empty for a count.
    pub unit: &'static str,
}

/// One arm, and its value in each column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arm {
    /// What is in this arm's assembly.
    pub name: String,
    /// A value a column, in their order.
    pub values: Vec<f64>,
}

/// What came of a lab.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The lab's name.
    pub lab: &'static str,
    /// The pattern it shows.
    pub pattern: &'static str,
    /// What decided arrivals and keys.
    pub seed: u64,
    /// Whether this is the short form.
    pub brief: bool,
    /// What was offered to every arm, and what stands in for what is not here.
    pub setting: Vec<String>,
    /// What was measured.
    pub columns: Vec<Column>,
    /// The arms, the one without the pattern first.
    pub arms: Vec<Arm>,
    /// The picture.
    pub figure: Figure,
    /// What was seen.
    pub sentence: String,
}

impl Report {
    /// A report without arms.
    pub fn new(lab: &dyn Lab, bench: &Bench, columns: &[(&'static str, &'static str)]) -> Self {
        Self {
            lab: lab.name(),
            pattern: lab.pattern(),
            seed: bench.seed,
            brief: bench.brief,
            setting: Vec::new(),
            columns: columns
                .iter()
                .map(|&(name, unit)| Column { name, unit })
                .collect(),
            arms: Vec::new(),
            figure: Figure::default(),
            sentence: String::new(),
        }
    }

    /// Adds an arm.
    ///
    /// # Panics
    /// When it has not one value a column.
    pub fn arm(&mut self, name: &str, values: Vec<f64>) {
        assert_eq!(
            values.len(),
            self.columns.len(),
            "an arm has a value in each column"
        );
        self.arms.push(Arm {
            name: name.to_owned(),
            values,
        });
    }

    /// An arm's value in a column, if there are such.
    pub fn value(&self, arm: &str, column: &str) -> Option<f64> {
        let at = self.columns.iter().position(|c| c.name == column)?;
        let arm = self.arms.iter().find(|a| a.name == arm)?;
        arm.values.get(at).copied()
    }

    /// Refuses a load of which more than a twentieth was never sent: the arms would not have had the same.
    pub fn offered(arm: &str, summary: &Summary) -> Result<(), LabError> {
        if summary.dropped * 20 > summary.due {
            return Err(LabError::NotOffered {
                arm: arm.to_owned(),
                dropped: summary.dropped,
                due: summary.due,
            });
        }
        Ok(())
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

    /// Writes `NAME.svg` and `NAME.json` into a folder, which is made, and says what it wrote.
    pub fn write_into(&self, folder: &Path) -> Result<[PathBuf; 2], LabError> {
        let failed = LabError::while_("writing the report");
        let paths = ["svg", "json"].map(|ending| folder.join(format!("{}.{ending}", self.lab)));
        let write = || {
            std::fs::create_dir_all(folder)?;
            std::fs::write(&paths[0], self.figure.svg())?;
            std::fs::write(&paths[1], self.json())
        };
        write().map_err(|error: std::io::Error| failed(format!("{}: {error}", folder.display())))?;
        Ok(paths)
    }
}

/// The table as it stands on a terminal, then the sentence.
impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}: {} (seed {})", self.lab, self.pattern, self.seed)?;
        for line in &self.setting {
            writeln!(out, "  {line}")?;
        }
        let titles = self.columns.iter().map(|column| match column.unit {
            "" => column.name.to_owned(),
            unit => format!("{}, {unit}", column.name),
        });
        let mut rows = vec![
            std::iter::once("arm".to_owned())
                .chain(titles)
                .collect::<Vec<_>>(),
        ];
        for arm in &self.arms {
            let values = arm.values.iter().map(|value| shown(*value));
            rows.push(std::iter::once(arm.name.clone()).chain(values).collect());
        }
        let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..=self.columns.len()).map(width).collect();
        writeln!(out)?;
        for row in &rows {
            let mut line = format!("  {:<width$}", row[0], width = widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                write!(line, "  {cell:>width$}")?;
            }
            writeln!(out, "{line}")?;
        }
        write!(out, "\n{}", self.sentence)
    }
}

/// A count as a value of a table.
#[expect(
    clippy::cast_precision_loss,
    reason = "what a run of seconds counts stays far below 2^52"
)]
pub fn count(count: u64) -> f64 {
    count as f64
}

/// A duration as a value of a table, in milliseconds.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// A number for people: whole numbers whole and in groups of three, others to three digits.
fn shown(value: f64) -> String {
    if value.fract() != 0.0 && value.abs() < 100.0 {
        let decimals = if value.abs() < 10.0 { 2 } else { 1 };
        return format!("{value:.decimals$}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        let cases = [
            (0.0, "0"),
            (7.0, "7"),
            (1_234_567.0, "1,234,567"),
            (100.4, "100"),
            (12.34, "12.3"),
            (0.456, "0.46"),
            (-2_000.0, "-2,000"),
        ];
        for (value, expected) in cases {
            assert_eq!(shown(value), expected);
        }
    }
}
