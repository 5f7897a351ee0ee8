//! Recording rules and alerts, judged by Prometheus' own program: they are read, and each alert's tests are run.

use std::path::PathBuf;

use crate::run::{idle, prints, root, which};

const FOLDERS: [(&str, &str); 2] = [
    ("check", "infra/prometheus/rules"),
    ("test", "infra/prometheus/tests"),
];

/// Why the rules were not found to be right.
pub(crate) enum Unchecked {
    /// The program is not here: on a laptop that is a skip.
    Missing(String),
    /// Something is wrong with them.
    Wrong(String),
}

/// Reads every rule and runs every test; says how many.
pub(crate) fn check() -> Result<String, Unchecked> {
    if which("promtool").is_none() {
        return Err(Unchecked::Missing(
            "there is no promtool: `sudo apt-get install prometheus`".to_owned(),
        ));
    }
    let mut runs = Vec::new();
    let mut done = Vec::new();
    for (verb, folder) in FOLDERS {
        let files = yaml_files(folder).map_err(Unchecked::Wrong)?;
        if files.is_empty() {
            return Err(Unchecked::Wrong(format!("{folder}: nothing is there to {verb}")));
        }
        done.push(format!("{verb} of {} files", files.len()));
        runs.extend(files.into_iter().map(|file| (verb, file)));
    }
    // Each test is one thread's work for some seconds.
    let failed: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = runs
            .iter()
            .map(|(verb, file)| {
                let mut promtool = idle("promtool");
                // It is short-lived and needs little: a fourth of its time went into collecting garbage.
                promtool.env("GOGC", "400").args([verb, "rules"]).arg(file);
                scope.spawn(move || prints(&mut promtool))
            })
            .collect();
        running
            .into_iter()
            .filter_map(|run| {
                run.join()
                    .unwrap_or_else(|_| Err("promtool could not be run".to_owned()))
                    .err()
            })
            .collect()
    });
    if failed.is_empty() {
        Ok(done.join(", "))
    } else {
        Err(Unchecked::Wrong(failed.join("\n")))
    }
}

fn yaml_files(folder: &str) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(root().join(folder)).map_err(|e| format!("{folder}: {e}"))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| format!("{folder}: {e}"))?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
