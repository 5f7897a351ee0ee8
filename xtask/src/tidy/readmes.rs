//! Each service's failure table: every cell says what happens, every row names a test that exists.

use std::collections::BTreeSet;

use super::Source;

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    let tests: BTreeSet<&str> = sources
        .iter()
        .filter(|s| s.is_rust())
        .flat_map(|s| test_names(&s.text, s.path.contains("/tests/")))
        .collect();
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

fn table(service: &str, path: &str, text: &str, tests: &BTreeSet<&str>) -> Vec<String> {
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
        for cell in row.iter().skip(1) {
            if !cell
                .split('`')
                .skip(1)
                .step_by(2)
                .any(|name| tests.contains(name))
            {
                wrong.push(format!(
                    "{path}:{}: this cell names no test that exists (`its_function_name`): {cell}",
                    offset + 1
                ));
            }
        }
        for name in line
            .split('`')
            .skip(1)
            .step_by(2)
            // A setting has a dot, a test has none.
            .filter(|n| !n.contains('.') && n.matches('_').count() >= 3)
        {
            if !tests.contains(name) {
                wrong.push(format!("{path}:{}: there is no test `{name}`", offset + 1));
            }
        }
    }
    wrong
}

/// The functions that stand below a test attribute; of a file of tests all, since a contract suite's cases are run by name.
fn test_names(text: &str, all: bool) -> impl Iterator<Item = &str> {
    let mut armed = all;
    text.lines().filter_map(move |line| {
        let line = line.trim_start();
        if line.starts_with("#[") {
            armed |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            return None;
        }
        // `pub(super) async fn name(..)`: what stands before `fn` does not matter, but a call or a sentence does.
        let (before, after) = line.split_once("fn ").unwrap_or((line, ""));
        let declared = before
            .split_whitespace()
            .all(|word| word == "async" || word.starts_with("pub"));
        let name = (armed && declared).then_some(after);
        armed = all;
        name.and_then(|rest| rest.split('(').next())
            .filter(|name| !name.is_empty())
    })
}

fn cells(row: &str) -> Vec<&str> {
    row.trim().trim_matches('|').split('|').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::{table, test_names};

    const CODE: &str =
        "#[tokio::test]\nasync fn a_stalled_store_is_a_503() {}\nfn a_function_of_no_test() {}\n";
    const LAST: &str = "| `a_stalled_store_is_a_503` |";

    #[test]
    fn a_cell_that_is_empty_or_names_no_test_is_named() {
        let tests = test_names(CODE, false).collect();
        let good = format!(
            "| dependency | slow | full |\n|---|---|---|\n| SQLite | 503 `a_stalled_store_is_a_503` {LAST}\n"
        );
        assert_eq!(table("x", "x", &good, &tests), Vec::<String>::new());
        for bad in [good.replace(LAST, "|  |"), good.replace(LAST, "| 503 |")] {
            assert!(!table("x", "x", &bad, &tests).is_empty(), "{bad}");
        }
        let bad = good.replace("a_stalled_store_is_a_503", "a_function_of_no_test");
        assert!(!table("x", "x", &bad, &tests).is_empty());
    }
}
