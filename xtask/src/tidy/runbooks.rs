//! What runbooks tell a person to type at three in the morning exists: metrics are in `docs/metrics.md`, recording rules in
//! `infra/prometheus/rules`, settings in `docs/settings.md`, linked pages in their folder.

use std::collections::BTreeSet;

use slo::generate::dashboards::{is_derived, metric_names};

use super::Source;

const FOLDER: &str = "docs/runbooks/";

/// The endings by which a bare word in code is meant as a metric. A code of an error has none of them.
const METRIC_ENDINGS: [&str; 5] = ["_total", "_seconds", "_bytes", "_count", "_bucket"];

/// The beginnings by which a dotted word in code is meant as a setting.
const SETTING_SECTIONS: [&str; 8] = [
    "gateway.",
    "issuer.",
    "shortener.",
    "payment.",
    "processor.",
    "console.",
    "server.",
    "telemetry.",
];

/// What looks like a setting and is a file.
const FILE_ENDINGS: [&str; 3] = [".md", ".db", ".key"];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let known = Known::of(sources);
    sources
        .iter()
        .filter(|source| source.path.starts_with(FOLDER))
        .flat_map(|source| judge(source, &known))
        .collect()
}

/// What there is to be named.
#[derive(Default)]
struct Known {
    metrics: BTreeSet<String>,
    histograms: BTreeSet<String>,
    rules: BTreeSet<String>,
    settings: BTreeSet<String>,
    pages: BTreeSet<String>,
}

impl Known {
    fn of(sources: &[Source]) -> Self {
        let mut known = Self::default();
        for Source { path, text } in sources {
            if path == "docs/metrics.md" {
                for (name, kind) in text.lines().filter_map(metric_row) {
                    let of_kind = if kind == "histogram" {
                        &mut known.histograms
                    } else {
                        &mut known.metrics
                    };
                    of_kind.insert(name.to_owned());
                }
            } else if path == "docs/settings.md" {
                let first = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
                known.settings.extend(text.lines().filter_map(first));
            } else if path.starts_with("infra/prometheus/rules/") {
                let record = |line: &str| {
                    line.trim()
                        .trim_start_matches("- ")
                        .strip_prefix("record: ")
                        .map(str::to_owned)
                };
                known.rules.extend(text.lines().filter_map(record));
            } else if let Some(page) = path.strip_prefix(FOLDER) {
                known.pages.insert(page.to_owned());
            }
        }
        known
    }

    fn has_metric(&self, name: &str) -> bool {
        let of_histogram = ["_bucket", "_count", "_sum"]
            .iter()
            .filter_map(|tail| name.strip_suffix(tail))
            .any(|family| self.histograms.contains(family));
        if name.starts_with("slo:") {
            return self.rules.contains(name);
        }
        is_derived(name) || of_histogram || self.metrics.contains(name) || self.histograms.contains(name)
    }
}

/// Name and kind of a row of `docs/metrics.md`.
fn metric_row(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
    Some((name, rest.split(" |").next()?))
}

fn judge(source: &Source, known: &Known) -> Vec<String> {
    let mut wrong = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let mut say = |what: String| wrong.push(format!("{}:{}: {what}", source.path, at + 1));
        for query in queries(line) {
            for name in metric_names(&query).iter().filter(|name| !known.has_metric(name)) {
                say(format!(
                    "asks for `{name}`, which neither a role nor a rule makes"
                ));
            }
        }
        for word in words_in_code(line) {
            let metric = METRIC_ENDINGS.iter().any(|ending| word.ends_with(ending));
            if metric && !known.has_metric(word) {
                say(format!("names `{word}` like a metric, and none is called that"));
            }
            let setting = SETTING_SECTIONS.iter().any(|section| word.starts_with(section));
            let file = FILE_ENDINGS.iter().any(|ending| word.ends_with(ending));
            if setting && !file && !known.settings.contains(word) {
                say(format!(
                    "names the setting `{word}`, which docs/settings.md does not have"
                ));
            }
        }
        for page in links(line).filter(|page| !known.pages.contains(*page)) {
            say(format!("links {page}, which is not there"));
        }
    }
    wrong
}

/// The expressions of a line: what `ask` is given, and inline code with a selector in it. A bar in a table is escaped.
fn queries(line: &str) -> Vec<String> {
    let asked = line
        .split("ask '")
        .skip(1)
        .filter_map(|rest| rest.split_once('\'').map(|(query, _)| query));
    let inline =
        code_spans(line).filter(|code| code.contains('{') && !code.contains("ask '") && !code.contains("${"));
    asked
        .chain(inline)
        .map(|query| query.replace("\\|", "|"))
        .collect()
}

/// What stands between single backticks.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Inline code that is one word.
fn words_in_code(line: &str) -> impl Iterator<Item = &str> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':');
    code_spans(line).filter_map(move |code| {
        // `setting=value` names a setting too.
        let code = code.split('=').next().unwrap_or(code);
        (!code.is_empty() && code.chars().all(word)).then_some(code)
    })
}

/// The pages of this folder that a line links.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(page: &str) -> Vec<String> {
        let source = |path: &str, text: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        check(&[
            source(
                "docs/metrics.md",
                "| `a_total` | counter | |\n| `b_seconds` | histogram | seconds |",
            ),
            source("docs/settings.md", "| `gateway.limit` | `ORRERY_GATEWAY_LIMIT` |"),
            source(
                "infra/prometheus/rules/x.yaml",
                "  - record: slo:sli_error:ratio_rate5m",
            ),
            source("docs/runbooks/x.md", page),
        ])
    }

    #[test]
    fn what_exists_may_be_named() {
        let page = "ask 'sum(rate(a_total{x=\"y\"}[5m])) / slo:sli_error:ratio_rate5m'\n\
                    | `b_seconds_bucket{x=~\"1\\|2\"}` | `gateway.limit=5`, `issuer.db`, `sql_full`, `up` | [x](x.md#there) [y](../y.md) |";
        assert_eq!(wrong(page), Vec::<String>::new());
    }

    #[test]
    fn what_does_not_is_told_with_its_line() {
        let page = "fine\nask 'rate(gone_total[5m])'\n`also_gone_total`, `gateway.gone`, `c{x=\"y\"}`\n[z](z.md)\nask 'slo:gone'";
        let wrong = wrong(page);
        assert_eq!(wrong.len(), 6, "{wrong:?}");
        assert!(wrong[0].starts_with("docs/runbooks/x.md:2: asks for `gone_total`"));
        assert!(
            wrong
                .iter()
                .any(|line| line.contains(":3:") && line.contains("`gateway.gone`"))
        );
        assert!(
            wrong
                .iter()
                .any(|line| line.contains(":4:") && line.contains("z.md"))
        );
        assert!(
            wrong
                .iter()
                .any(|line| line.contains(":5:") && line.contains("slo:gone"))
        );
    }

    #[test]
    fn a_histogram_is_no_series_of_another_kind() {
        assert_eq!(wrong("ask 'a_total_bucket'").len(), 1);
    }
}
