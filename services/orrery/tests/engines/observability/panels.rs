//! The queries of the generated dashboards, read from the files that Grafana reads.

use std::path::Path;

use serde_json::Value;

/// What Grafana itself fills in; the test's scrapes are a second apart.
const RATE_INTERVAL: (&str, &str) = ("$__rate_interval", "10s");

/// One query of a panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The dashboard's file and the panel's title.
    pub(crate) place: String,
    /// PromQL, as Prometheus takes it.
    pub(crate) expr: String,
    /// What must happen before it has an answer, as the panel's description says it; nothing: traffic alone is enough.
    pub(crate) needs: Option<String>,
}

/// Every query of every dashboard in a folder.
pub(crate) fn all(folder: &Path) -> Vec<Asked> {
    let files = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = files
        .map(|entry| entry.expect("a folder can be read").path())
        .collect();
    files.sort();
    files.iter().flat_map(|file| of_dashboard(file)).collect()
}

fn of_dashboard(file: &Path) -> Vec<Asked> {
    let text = std::fs::read_to_string(file).expect("a dashboard can be read");
    let dashboard: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let mut asked = Vec::new();
    of_panels(&name, &dashboard["panels"], &mut asked);
    assert!(!asked.is_empty(), "{} asks nothing", file.display());
    asked
}

/// A row that is folded up holds its panels itself.
fn of_panels(dashboard: &str, panels: &Value, asked: &mut Vec<Asked>) {
    for panel in panels.as_array().into_iter().flatten() {
        of_panels(dashboard, &panel["panels"], asked);
        let text = |key: &str| panel[key].as_str().unwrap_or_default();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expr = target["expr"].as_str().expect("a query of Prometheus");
            asked.push(Asked {
                place: format!("{dashboard}: {}", text("title")),
                expr: expr.replace(RATE_INTERVAL.0, RATE_INTERVAL.1),
                needs: needs(text("description")),
            });
        }
    }
}

fn needs(description: &str) -> Option<String> {
    let said = description
        .lines()
        .find(|line| line.starts_with("needs_fault: ") || line.starts_with("needs_engine: "));
    said.map(str::to_owned)
}
