//! Grafana dashboards: an overview, and one a service. Which panels a service has follows from the metrics it can emit, so
//! that no panel asks for what nobody tells, and a new service has its dashboard for free.

mod emitted;
mod json;
mod needs;
mod objectives;
mod overview;
mod own;
mod panel;
mod promql;
mod sections;

pub use emitted::{Emitted, Kind};
pub use needs::{Need, needs};
pub use panel::{Panel, Query, Section, View};
pub use promql::metric_names;

use crate::ServiceObjectives;

/// What Grafana itself fills in by how often the metrics are scraped.
pub const RATE_INTERVAL: &str = "$__rate_interval";

/// One dashboard.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// Stable, so that links to it last.
    pub uid: String,
    /// Its name, and that of its file.
    pub name: String,
    /// What it is called on the screen.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Its rows.
    pub sections: Vec<Section>,
}

/// A query of a panel, for whoever wants to try it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The dashboard's name.
    pub dashboard: &'a str,
    /// The panel's title.
    pub panel: &'a str,
    /// PromQL; see [`Asked::over`].
    pub expr: &'a str,
    /// What must happen before it has an answer; nothing: traffic alone is enough.
    pub needs: Option<&'a Need>,
}

impl Asked<'_> {
    /// The query as Prometheus takes it, with its rates over this range (`1m`).
    pub fn over(&self, range: &str) -> String {
        self.expr.replace(RATE_INTERVAL, range)
    }
}

impl Dashboard {
    /// The queries of all panels, in order.
    pub fn queries(&self) -> impl Iterator<Item = Asked<'_>> {
        let panels = self.sections.iter().flat_map(|section| &section.panels);
        panels.flat_map(|panel| {
            panel.queries.iter().map(|query| Asked {
                dashboard: &self.name,
                panel: &panel.title,
                expr: &query.expr,
                needs: panel.needs.as_ref(),
            })
        })
    }

    /// As Grafana reads it from a file, with a newline at its end.
    pub fn json(&self) -> String {
        json::dashboard(self)
    }
}

/// Every dashboard: the overview first, then one a service in the order given. `emitted` is what the roles can emit.
pub fn dashboards(services: &[ServiceObjectives], emitted: &[Emitted]) -> Vec<Dashboard> {
    let mut all = vec![overview::dashboard(services, emitted)];
    all.extend(services.iter().map(|service| of_service(service, emitted)));
    all
}

fn of_service(service: &ServiceObjectives, emitted: &[Emitted]) -> Dashboard {
    let role = service.service.as_str();
    let mine: Vec<&Emitted> = emitted.iter().filter(|metric| metric.role == role).collect();
    let mut sections = vec![objectives::section(service)];
    sections.extend(sections::of_role(role, &mine));
    sections.extend(own::section(&sections, role, &mine));
    Dashboard {
        uid: format!("orrery-{role}"),
        name: role.to_owned(),
        title: format!("Orrery / {}", service.title),
        description: service.description.clone(),
        sections,
    }
}

/// The metric names that panels may ask for by their templates, whoever emits them. One that no role emits is a mistake that
/// would otherwise only show as a panel that is never there.
pub fn template_names() -> Vec<String> {
    let mut names: Vec<String> = sections::templates()
        .iter()
        .chain([overview::template()].iter())
        .flat_map(|section| &section.panels)
        .flat_map(|panel| &panel.queries)
        .flat_map(|query| metric_names(&query.expr))
        .collect();
    names.extend(needs::named().map(str::to_owned));
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether Prometheus itself, or a recording rule, makes this metric.
pub fn is_derived(name: &str) -> bool {
    name.starts_with("slo:") || matches!(name, "up" | "ALERTS")
}

#[cfg(test)]
mod tests;
