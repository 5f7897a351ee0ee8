//! Each service's failure table: every cell says what happens, every row names a test that exists.

use super::Source;

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    let tests: String = sources
        .iter()
        .filter(|s| s.is_rust())
        .map(|s| s.text.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    for source in sources {
        let service = source
            .path
            .strip_prefix("services/")
            .and_then(|p| p.strip_suffix("/README.md"));
        // The binary is not a service: it has no dependency of its own to lose.
        if let Some(service) = service.filter(|s| !s.contains('/') && *s != "orrery") {
            wrong.extend(table(service, &source.path, &source.text, &tests));
        }
    }
    wrong
}

fn table(service: &str, path: &str, text: &str, tests: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let header = text
        .lines()
        .position(|l| l.starts_with('|') && l.contains("slow") && l.contains("full"));
    let Some(header) = header else {
        return vec![format!(
            "{path}: {service} has no failure table (dependency × slow, down, wrong, cut off, full)"
        )];
    };
    let columns = cells(text.lines().nth(header).unwrap_or_default()).len();
    for (offset, line) in text
        .lines()
        .enumerate()
        .skip(header + 2)
        .take_while(|(_, l)| l.starts_with('|'))
    {
        let row = cells(line);
        if row.len() != columns || row.iter().any(|c| c.is_empty()) {
            wrong.push(format!(
                "{path}:{}: a failure table's cell is empty: say what happens, and which test shows it",
                offset + 1
            ));
        }
        let shown = line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| tests.contains(&format!("fn {name}(")))
            .count();
        if shown == 0 {
            wrong.push(format!(
                "{path}:{}: this row names no test that exists (`its_function_name`)",
                offset + 1
            ));
        }
        for name in line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|n| n.matches('_').count() >= 3)
        {
            if !tests.contains(&format!("fn {name}(")) {
                wrong.push(format!("{path}:{}: there is no test `{name}`", offset + 1));
            }
        }
    }
    wrong
}

fn cells(row: &str) -> Vec<&str> {
    row.trim().trim_matches('|').split('|').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::table;

    const TESTS: &str = "async fn a_stalled_store_is_a_503() {}";

    #[test]
    fn a_row_with_an_empty_cell_or_without_a_test_is_named() {
        let good = "| dependency | slow | full |\n|---|---|---|\n| SQLite | 503, `a_stalled_store_is_a_503` | 503 |\n";
        assert!(table("x", "x", good, TESTS).is_empty());
        assert_eq!(table("x", "x", &good.replace("| 503 |", "|  |"), TESTS).len(), 1);
        assert!(!table("x", "x", &good.replace("a_stalled", "a_forgotten"), TESTS).is_empty());
    }
}
