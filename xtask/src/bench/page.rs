//! `docs/benchmarks.md`: what a run of all benchmarks measured, with what it means. Written by the run, never by hand.

use std::fmt::Write as _;

use crate::run::{command, prints};

/// What one benchmark measured.
pub(super) struct Section {
    /// What it is about.
    pub(super) title: &'static str,
    /// How it is run by itself.
    pub(super) command: String,
    /// What the figures mean, and what they are compared with.
    pub(super) means: &'static str,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    /// What came of it, each with its ratio to a peer or to a promise.
    pub(super) findings: Vec<String>,
}

impl Section {
    /// Prints what came of it, as each benchmark ends.
    pub(super) fn print_findings(&self) {
        println!();
        for finding in &self.findings {
            println!("{finding}");
        }
    }
}

/// The machine that measured.
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) memory_gb: f64,
    pub(super) kernel: String,
    pub(super) compiler: String,
}

impl Machine {
    /// This one.
    pub(super) fn this() -> Result<Self, String> {
        let read = |path: &str| std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
        let (cpus, memory) = (read("/proc/cpuinfo")?, read("/proc/meminfo")?);
        let kib: f64 = after(&memory, "MemTotal:")
            .trim_end_matches("kB")
            .trim()
            .parse()
            .map_err(|e| format!("/proc/meminfo: {e}"))?;
        Ok(Self {
            processor: after(&cpus, "model name")
                .trim_start_matches([':', ' '])
                .to_owned(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_gb: kib * 1024.0 / 1e9,
            kernel: prints(command("uname").args(["-s", "-r", "-m"]))?
                .trim()
                .to_owned(),
            compiler: prints(command("rustc").arg("--version"))?.trim().to_owned(),
        })
    }
}

/// The rest of the first line that begins so.
fn after<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.strip_prefix(start))
        .unwrap_or_default()
        .trim()
}

/// The whole page. A benchmark that failed says why.
pub(super) fn page(machine: &Machine, when: &str, sections: &[Result<Section, (String, String)>]) -> String {
    let mut page = format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench --all`, never by hand. Each figure is compared with a peer in the same run or with a limit that is\n\
         known, for a bare time says more about the machine than about the program.\n\n\
         | | |\n|---|---|\n| measured | {when} |\n| processor | {}, {} cores |\n| memory | {:.0} GB |\n| system | {} |\n\
         | compiler | {}, release profile |\n",
        machine.processor, machine.cores, machine.memory_gb, machine.kernel, machine.compiler
    );
    for section in sections {
        match section {
            Ok(section) => write_section(&mut page, section),
            Err((name, why)) => {
                let _ = write!(page, "\n## {name}\n\nNot measured: {}\n", one_line(why));
            }
        }
    }
    page
}

/// The page with one section measured anew, or at its end if it had none; the section says when.
pub(super) fn with_section(page: &str, section: &Section, when: &str) -> String {
    let heading = format!("\n## {}\n", section.title);
    let start = page.find(&heading).unwrap_or(page.len());
    let rest = page.get(start + heading.len()..).unwrap_or_default();
    let end = rest.find("\n## ").map_or("", |at| &rest[at..]);
    let mut fresh = page[..start].to_owned();
    write_section(&mut fresh, section);
    let _ = write!(fresh, "\nMeasured by itself: {when}\n");
    fresh + end
}

fn write_section(page: &mut String, section: &Section) {
    let _ = write!(page, "\n## {}\n\n{}\n\n", section.title, section.means);
    let _ = writeln!(page, "| {} |", section.columns.join(" | "));
    // The first column names what the others measured.
    let _ = writeln!(
        page,
        "|---|{}",
        "---:|".repeat(section.columns.len().saturating_sub(1))
    );
    for row in &section.rows {
        let cells: Vec<String> = row
            .iter()
            .map(|cell| one_line(cell).replace('|', "\\|"))
            .collect();
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
    page.push('\n');
    for finding in &section.findings {
        let _ = writeln!(page, "- {}", one_line(finding));
    }
    let _ = write!(page, "\nBy itself: `{}`\n", section.command);
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Machine, Section, after, page, with_section};

    fn machine() -> Machine {
        Machine {
            processor: "An Engine".to_owned(),
            cores: 2,
            memory_gb: 16.4,
            kernel: "Linux 6".to_owned(),
            compiler: "rustc 1".to_owned(),
        }
    }

    fn section() -> Section {
        Section {
            title: "A redirect",
            command: "cargo xtask bench redirect".to_owned(),
            means: "What it costs.",
            columns: vec!["server", "CPU us"],
            rows: vec![
                vec!["nginx".to_owned(), "10.0".to_owned()],
                vec!["a|b".to_owned(), "12.5".to_owned()],
            ],
            findings: vec!["0.80 of nginx".to_owned()],
        }
    }

    #[test]
    fn a_section_has_its_meaning_its_table_its_findings_and_its_command() {
        let text = page(&machine(), "2026-01-02, commit abc", &[Ok(section())]);
        assert!(
            text.starts_with("# Benchmarks\n\nWritten by `cargo xtask bench --all`, never by hand."),
            "{text}"
        );
        assert!(text.contains(
            "| measured | 2026-01-02, commit abc |\n| processor | An Engine, 2 cores |\n| memory | 16 GB |"
        ));
        let expected = "\n## A redirect\n\nWhat it costs.\n\n| server | CPU us |\n|---|---:|\n| nginx | 10.0 |\n\
                        | a\\|b | 12.5 |\n\n- 0.80 of nginx\n\nBy itself: `cargo xtask bench redirect`\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn a_benchmark_that_failed_says_why_and_hides_no_other() {
        let failed = Err(("engines".to_owned(), "no CQL:\n  not root".to_owned()));
        let text = page(&machine(), "today", &[failed, Ok(section())]);
        assert!(
            text.contains("\n## engines\n\nNot measured: no CQL: not root\n\n## A redirect\n"),
            "{text}"
        );
    }

    #[test]
    fn a_section_that_is_measured_anew_takes_its_own_place_and_leaves_the_others() {
        let other = || Section {
            title: "Another",
            ..section()
        };
        let both = page(&machine(), "then", &[Ok(section()), Ok(other())]);
        let slower = Section {
            findings: vec!["0.70 of nginx".to_owned()],
            ..section()
        };
        let anew = with_section(&both, &slower, "now");
        let expected = both.replacen("0.80", "0.70", 1).replacen(
            "redirect`\n",
            "redirect`\n\nMeasured by itself: now\n",
            1,
        );
        assert_eq!(anew, expected);
        assert_eq!(with_section(&anew, &slower, "now"), anew);
        let first = page(&machine(), "then", &[Ok(section())]);
        let added = with_section(&first, &other(), "now");
        assert!(
            added.starts_with(&first) && added.contains("\n## Another\n"),
            "{added}"
        );
    }

    #[test]
    fn a_value_is_found_after_its_name() {
        assert_eq!(after("a: 1\nMemTotal:  16 kB\n", "MemTotal:"), "16 kB");
        assert_eq!(after("", "x"), "");
    }
}
