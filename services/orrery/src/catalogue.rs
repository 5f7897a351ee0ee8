//! Every metric that any role can emit, asked of the code that registers them; the page that lists them, and the dashboards
//! that follow from them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use clock::SystemClock;
use slo::ServiceObjectives;
use slo::exposition::{self, Sample};
use slo::generate::dashboards::{Dashboard, Emitted, Kind, dashboards};
use telemetry::{MetricDescription, MetricKind, Telemetry, TelemetryError};

use crate::roles::{ROLES, RoleName};

/// A metric, the roles that can emit it, and the values that its labels have from the start.
struct Listed {
    metric: MetricDescription,
    roles: Vec<RoleName>,
    values: BTreeMap<String, BTreeSet<String>>,
}

/// What each service promises.
pub(crate) fn services() -> Result<Vec<ServiceObjectives>, slo::SloError> {
    let objectives = ROLES.into_iter().filter_map(RoleName::objectives);
    objectives.map(ServiceObjectives::parse).collect()
}

/// The files that follow from what roles emit and promise, by their paths in the checkout.
pub(crate) fn files(services: &[ServiceObjectives]) -> Result<Vec<(String, String)>, TelemetryError> {
    let catalogue = Catalogue::of_roles()?;
    let dashboards = catalogue.dashboards(services);
    let file = |dashboard: &Dashboard| {
        let path = format!("infra/grafana/dashboards/{}.json", dashboard.name);
        (path, dashboard.json())
    };
    let mut files: Vec<_> = dashboards.iter().map(file).collect();
    files.push(("docs/metrics.md".to_owned(), catalogue.page(&dashboards)));
    Ok(files)
}

/// What every role can emit, by name.
struct Catalogue(BTreeMap<String, Listed>);

impl Catalogue {
    /// Asks every role.
    fn of_roles() -> Result<Self, TelemetryError> {
        let mut listed = BTreeMap::<String, Listed>::new();
        for role in ROLES {
            let telemetry = Telemetry::for_catalogue(role.name(), SystemClock::shared())?;
            role.describe(&telemetry);
            let (_, scrape) = telemetry.encode(None)?;
            let samples = exposition::parse(&String::from_utf8_lossy(&scrape));
            for metric in telemetry.catalogue() {
                let values = values(&metric, &samples);
                let entry = listed.entry(metric.name.clone()).or_insert_with(|| Listed {
                    metric,
                    roles: Vec::new(),
                    values: BTreeMap::new(),
                });
                // Asked for twice by a role, it is still one metric.
                if entry.roles.last() != Some(&role) {
                    entry.roles.push(role);
                }
                for (label, values) in values {
                    entry.values.entry(label).or_default().extend(values);
                }
            }
        }
        Ok(Self(listed))
    }

    /// As the dashboards want it: one entry a role and metric.
    fn emitted(&self) -> Vec<Emitted> {
        let of = |listed: &Listed, role: RoleName| Emitted {
            role: role.name().to_owned(),
            name: listed.metric.name.clone(),
            kind: match listed.metric.kind {
                MetricKind::Counter => Kind::Counter,
                MetricKind::Gauge => Kind::Gauge,
                MetricKind::Histogram => Kind::Histogram,
                MetricKind::Info => Kind::Info,
            },
            unit: listed.metric.unit.clone(),
            labels: listed.metric.labels.clone(),
            help: listed.metric.help.clone(),
        };
        let all = self.0.values();
        all.flat_map(|listed| listed.roles.iter().map(|role| of(listed, *role)))
            .collect()
    }

    /// The dashboards of these services.
    fn dashboards(&self, services: &[ServiceObjectives]) -> Vec<Dashboard> {
        dashboards(services, &self.emitted())
    }

    /// `docs/metrics.md`.
    fn page(&self, dashboards: &[Dashboard]) -> String {
        let mut page = HEAD.to_owned();
        let shared: Vec<&Listed> = self.0.values().filter(|listed| listed.roles.len() > 1).collect();
        table(&mut page, "Several roles", &shared);
        for role in ROLES {
            let alone: Vec<&Listed> = self.0.values().filter(|listed| listed.roles == [role]).collect();
            if !alone.is_empty() {
                table(&mut page, &format!("Only the {role}"), &alone);
            }
        }
        waiting(&mut page, dashboards);
        page
    }
}

/// The values that labels have before anything happened: those are all that they can have. What an info says is no value to list.
fn values(metric: &MetricDescription, samples: &[Sample]) -> BTreeMap<String, BTreeSet<String>> {
    let mut values = BTreeMap::<String, BTreeSet<String>>::new();
    let of_metric = samples
        .iter()
        .filter(|sample| metric.kind != MetricKind::Info && sample.name == metric.name);
    for (label, value) in of_metric.flat_map(|sample| &sample.labels) {
        values.entry(label.clone()).or_default().insert(value.clone());
    }
    values
}

const HEAD: &str = "\
# Metrics

Every metric that a role can emit, whether or not it has a series yet; generated by `orrery generate` from the code that
registers them. Each role tells its own at `/metrics` of its admin port (ARCHITECTURE.md says which), as OpenMetrics with trace exemplars, or as
the older text for who asks for that alone. Prometheus adds `job` (the role) and `instance`.

Where a label's values are listed, there are no others, and each is told from the start, at 0. No label takes more values than
`telemetry.metric_series_max` series have room for: past it, a new one is counted as `other`. A histogram has `_bucket{le}`, `_count` and `_sum`.
";

fn table(page: &mut String, title: &str, listed: &[&Listed]) {
    let several = listed.iter().any(|listed| listed.roles.len() > 1);
    let (head, rule) = if several { (" roles |", "---|") } else { ("", "") };
    let _ = write!(
        page,
        "\n## {title}\n\n| metric | type | unit | labels |{head} what it tells |\n|---|---|---|---|{rule}---|\n"
    );
    for listed in listed {
        let Listed {
            metric,
            roles,
            values,
        } = listed;
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|label| label_cell(label, values))
            .collect();
        let roles = match (several, roles.len() == ROLES.len()) {
            (false, _) => String::new(),
            (true, true) => " every |".to_owned(),
            (true, false) => {
                let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
                format!(" {} |", names.join(", "))
            }
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |{roles} {} |",
            metric.name,
            metric.kind.name(),
            metric.unit.as_deref().unwrap_or(""),
            labels.join(", "),
            metric.help.replace('|', "\\|"),
        );
    }
}

fn label_cell(label: &str, values: &BTreeMap<String, BTreeSet<String>>) -> String {
    match values.get(label) {
        None => format!("`{label}`"),
        Some(values) => {
            let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            format!("`{label}`: {}", values.join(" "))
        }
    }
}

/// The panels that are empty until something happens.
fn waiting(page: &mut String, dashboards: &[Dashboard]) {
    page.push_str(
        "\n## Panels that wait\n\nThese panels of the dashboards are empty where nothing goes wrong, or on embedded engines. Every other one has \
         data as soon as there is traffic.\n\n| dashboard | panel | what it waits for |\n|---|---|---|\n",
    );
    let mut last = None;
    for asked in dashboards.iter().flat_map(Dashboard::queries) {
        let Some(needs) = asked.needs else { continue };
        // Once a panel, however many queries it has.
        if last.replace((asked.dashboard, asked.panel)) != Some((asked.dashboard, asked.panel)) {
            let _ = writeln!(
                page,
                "| {} | {} | {} |",
                asked.dashboard,
                asked.panel,
                needs.line()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use slo::generate::dashboards::{is_derived, metric_names, template_names};

    use super::*;

    #[test]
    fn no_panel_and_no_template_asks_for_a_metric_that_nobody_emits() {
        let catalogue = Catalogue::of_roles().expect("the roles describe themselves");
        let emitted = catalogue.emitted();
        let dashboards = catalogue.dashboards(&services().expect("the objectives parse"));
        let shown = dashboards
            .iter()
            .flat_map(Dashboard::queries)
            .flat_map(|asked| metric_names(asked.expr));
        let unknown: BTreeSet<String> = shown
            .chain(template_names())
            .filter(|name| !is_derived(name) && !emitted.iter().any(|metric| metric.answers(name)))
            .collect();
        assert!(unknown.is_empty(), "nobody emits {unknown:?}");
    }

    #[test]
    fn every_metric_of_a_service_is_on_its_dashboard() {
        let catalogue = Catalogue::of_roles().expect("the roles describe themselves");
        for dashboard in catalogue.dashboards(&services().expect("the objectives parse")) {
            let shown: Vec<String> = dashboard
                .queries()
                .flat_map(|asked| metric_names(asked.expr))
                .collect();
            for metric in catalogue.emitted() {
                if metric.role == dashboard.name && metric.kind != Kind::Info {
                    let there = shown.iter().any(|name| metric.answers(name));
                    assert!(there, "{} shows nothing of {}", dashboard.name, metric.name);
                }
            }
        }
    }

    #[test]
    fn what_has_series_from_the_start_has_the_labels_that_were_described() {
        for role in ROLES {
            let telemetry =
                Telemetry::for_catalogue(role.name(), SystemClock::shared()).expect("a silent role");
            role.describe(&telemetry);
            let described = telemetry.catalogue();
            let (_, scrape) = telemetry.encode(None).expect("the metrics encode");
            for sample in exposition::parse(&String::from_utf8_lossy(&scrape)) {
                let metric = described
                    .iter()
                    .find(|metric| sample.name.starts_with(&metric.name))
                    .unwrap_or_else(|| panic!("{role} does not describe {}", sample.name));
                for (label, _) in &sample.labels {
                    let known = label == "le" || metric.labels.contains(label);
                    assert!(known, "{role}: {} has a label {label} undescribed", sample.name);
                }
            }
        }
    }
}
