//! A service's README promises what its `slo.yaml` says, row by row.

use slo::ServiceObjectives;
use slo::generate::percent;

use super::Source;

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let service = source
            .path
            .strip_prefix("services/")
            .and_then(|path| path.strip_suffix("/slo.yaml"));
        let Some(service) = service else { continue };
        let path = format!("services/{service}/README.md");
        let readme = sources
            .iter()
            .find(|other| other.path == path)
            .map_or("", |other| &other.text);
        match ServiceObjectives::parse(&source.text) {
            Err(error) => wrong.push(format!("{}: {error}", source.path)),
            Ok(promised) if promised.service != service => {
                wrong.push(format!("{}: it is about {}", source.path, promised.service));
            }
            Ok(promised) => wrong.extend(
                judge(&promised, readme)
                    .into_iter()
                    .map(|what| format!("{path}: {what}")),
            ),
        }
    }
    wrong
}

fn judge(promised: &ServiceObjectives, readme: &str) -> Vec<String> {
    let section = readme
        .split("\n## ")
        .find_map(|section| section.strip_prefix("SLO\n"));
    let rows: Vec<Vec<&str>> = section
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().trim_matches('`'))
                .collect()
        })
        .collect();
    let mut wrong = Vec::new();
    for objective in &promised.objectives {
        let target = percent(objective.target);
        if !rows
            .iter()
            .any(|row| row.first() == Some(&objective.name.as_str()) && row.get(1) == Some(&target.as_str()))
        {
            wrong.push(format!(
                "the table under \"SLO\" has no row | `{}` | {target} | ..",
                objective.name
            ));
        }
    }
    for row in &rows {
        if !promised
            .objectives
            .iter()
            .any(|objective| row.first() == Some(&objective.name.as_str()))
        {
            wrong.push(format!(
                "the table under \"SLO\" promises {}, which slo.yaml does not",
                row.join(" ")
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# shop\n\n## SLO\n\n| objective | target | |\n|---|---|---|\n\
        | `shop-orders-available` | 99.9 % | a |\n| `shop-orders-fast` | 99 % | b |\n\n## Next\n";

    #[test]
    fn a_table_says_what_the_file_says() {
        let shop = ServiceObjectives::parse(include_str!("../../../shared/slo/tests/shop.yaml"));
        let shop = shop.expect("it is the crate's own");
        assert_eq!(judge(&shop, GOOD), Vec::<String>::new());
        for (bad, lines) in [
            (GOOD.replace("99.9 %", "99.95 %"), 1),
            (GOOD.replace("shop-orders-fast", "shop-orders-quick"), 2),
            (GOOD.replace("## SLO", "## Promises"), 2),
        ] {
            assert_eq!(judge(&shop, &bad).len(), lines, "{bad}");
        }
    }
}
