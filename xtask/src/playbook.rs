//! The playbook's numbers: written by a run of the labs, never by hand.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::run::{Outcome, cargo, command, passes, prints, root, target};

/// A page's numbers stand between these two lines.
const BEGIN: &str = "<!-- numbers: written by `cargo xtask playbook` -->";
const END: &str = "<!-- /numbers -->";

/// Runs these labs (all, when none is named) and writes their tables and charts into `docs/playbook/`.
pub(crate) fn playbook(names: &[String], binary: Option<PathBuf>) -> Outcome {
    let binary = if let Some(binary) = binary {
        binary
            .canonicalize()
            .map_err(|e| format!("{}: {e}", binary.display()))?
    } else {
        passes(cargo().args(["build", "--release", "--quiet", "--package", "orrery"]))?;
        target().join("release/orrery")
    };
    let labs = if names.is_empty() {
        listed(&binary)?
    } else {
        names.to_vec()
    };
    let out = target().join("xtask/labs");
    for lab in &labs {
        passes(run(&binary).args([lab.as_str(), "--out"]).arg(&out))?;
        let json = read(&out.join(format!("{lab}.json")))?;
        let report: Value = serde_json::from_str(&json).map_err(|e| format!("{lab}.json: {e}"))?;
        let pages = root().join("docs/playbook");
        let page = pages.join(format!("{lab}.md"));
        let text = with_numbers(&read(&page)?, &numbers(&report, &when()?))
            .ok_or_else(|| format!("{}: the lines `{BEGIN}` and `{END}` are missing", page.display()))?;
        write(&page, &text)?;
        let picture = format!("{lab}.svg");
        write(&pages.join(&picture), &read(&out.join(&picture))?)?;
    }
    Ok(())
}

fn run(binary: &Path) -> Command {
    let mut command = command(binary);
    command.arg("lab");
    command
}

fn listed(binary: &Path) -> Result<Vec<String>, String> {
    let text = prints(run(binary).arg("list"))?;
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.map(str::to_owned).collect())
}

/// The day, and the commit that the checkout stands at.
pub(crate) fn when() -> Result<String, String> {
    let day = prints(command("date").args(["-u", "+%F"]))?;
    let commit = prints(command("git").args(["rev-parse", "--short", "HEAD"]))?;
    Ok(format!("{}, commit {}", day.trim(), commit.trim()))
}

/// The report as a page shows it.
fn numbers(report: &Value, when: &str) -> String {
    let texts = |list: &Value| -> Vec<String> {
        let items = list.as_array().into_iter().flatten();
        items
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
    let titles = list("columns").iter().map(title).collect::<Vec<_>>();
    let mut lines = vec![
        format!("{}.\n", texts(&report["setting"]).join("; ")),
        format!("| arm | {} |", titles.join(" | ")),
        format!("|---|{}", "---:|".repeat(titles.len())),
    ];
    for arm in list("arms") {
        let values = arm["values"].as_array().into_iter().flatten().map(shown);
        let values: Vec<String> = values.collect();
        let name = arm["name"].as_str().unwrap_or_default();
        lines.push(format!("| {name} | {} |", values.join(" | ")));
    }
    let lab = report["lab"].as_str().unwrap_or_default();
    let title = report["figure"]["title"].as_str().unwrap_or_default();
    let sentence = report["sentence"].as_str().unwrap_or_default();
    lines.push(format!("\n![{title}]({lab}.svg)\n\n{sentence}\n"));
    lines.push(format!("Measured {when}, seed {}.\n", report["seed"]));
    lines.join("\n")
}

fn title(column: &Value) -> String {
    let name = column["name"].as_str().unwrap_or_default();
    match column["unit"].as_str() {
        None | Some("") => name.to_owned(),
        Some(unit) => format!("{name}, {unit}"),
    }
}

/// Whole numbers whole, others to one digit.
fn shown(value: &Value) -> String {
    let value = value.as_f64().unwrap_or(f64::NAN);
    if value.fract() == 0.0 || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// The page with these numbers in the place of those that stand there.
fn with_numbers(page: &str, numbers: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{numbers}{END}{after}"))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) -> Outcome {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{BEGIN, END, numbers, with_numbers};

    #[test]
    fn numbers_stand_between_their_marks_and_nothing_else_changes() {
        let page = format!("# A lab\n\n{BEGIN}\nold\n{END}\n\n## When not\n");
        let written = with_numbers(&page, "new\n").expect("it has the marks");
        assert_eq!(
            written,
            format!("# A lab\n\n{BEGIN}\nnew\n{END}\n\n## When not\n")
        );
        assert_eq!(with_numbers(&written, "new\n"), Some(written));
        assert_eq!(with_numbers("no marks", "new"), None);
    }

    #[test]
    fn a_report_becomes_a_table_a_picture_and_a_sentence() {
        let report = json!({
            "lab": "a-lab", "seed": 3, "setting": ["ten readers", "a stand-in"],
            "columns": [{"name": "reads", "unit": ""}, {"name": "p99", "unit": "ms"}],
            "arms": [{"name": "none", "values": [312.0, 1.25]}],
            "figure": {"title": "Reads"}, "sentence": "Seen."
        });
        let text = numbers(&report, "2026-01-02, commit abc");
        assert!(
            text.starts_with("ten readers; a stand-in.\n\n| arm | reads | p99, ms |\n|---|---:|---:|\n"),
            "{text}"
        );
        assert!(
            text.contains("| none | 312 | 1.2 |") && text.contains("![Reads](a-lab.svg)\n\nSeen.\n"),
            "{text}"
        );
        assert!(
            text.ends_with("Measured 2026-01-02, commit abc, seed 3.\n"),
            "{text}"
        );
    }
}
