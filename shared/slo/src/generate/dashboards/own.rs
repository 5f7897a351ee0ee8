//! What only this service counts, a panel a metric, by the metric's kind: nobody has to write it.

use super::panel::{Panel, Query, Section};
use super::promql::metric_names;
use super::{Emitted, Kind};

/// A row of every metric of the role that no panel so far asks for.
pub(super) fn section(so_far: &[Section], role: &str, emitted: &[&Emitted]) -> Option<Section> {
    let shown: Vec<String> = so_far
        .iter()
        .flat_map(|section| &section.panels)
        .flat_map(|panel| &panel.queries)
        .flat_map(|query: &Query| metric_names(&query.expr))
        .collect();
    let panels: Vec<Panel> = emitted
        .iter()
        .filter(|metric| metric.kind != Kind::Info && !shown.iter().any(|name| metric.answers(name)))
        .map(|metric| panel(role, metric).with_needs(role))
        .collect();
    (!panels.is_empty()).then(|| Section::new("What else it counts", panels))
}

fn panel(role: &str, metric: &Emitted) -> Panel {
    let Emitted { name, labels, .. } = metric;
    let by = labels.join(", ");
    let legend = match labels.as_slice() {
        [] => name.clone(),
        labels => labels
            .iter()
            .map(|label| format!("{{{{{label}}}}}"))
            .collect::<Vec<_>>()
            .join(" "),
    };
    let unit = unit(metric);
    let title = title(role, name);
    match metric.kind {
        Kind::Counter => {
            let expr = format!("sum by ({by}) (rate({name}{{job=\"{role}\"}}[$__rate_interval]))");
            Panel::lines(&format!("{title} a second"), unit).ask(expr, legend)
        }
        Kind::Gauge | Kind::Info => {
            let by = if by.is_empty() {
                "instance".to_owned()
            } else {
                format!("instance, {by}")
            };
            let expr = format!("sum by ({by}) ({name}{{job=\"{role}\"}})");
            let legend = if labels.is_empty() {
                "{{instance}}".to_owned()
            } else {
                legend
            };
            Panel::lines(&title, unit).ask(expr, legend)
        }
        Kind::Histogram => [0.5, 0.95, 0.99].into_iter().fold(Panel::lines(&title, unit), |panel, q| {
            let expr = format!(
                "histogram_quantile({q}, sum by (le) (rate({name}_bucket{{job=\"{role}\"}}[$__rate_interval])))"
            );
            panel.ask(expr, format!("p{}", q * 100.0))
        }),
    }
    .told(metric.help.clone())
}

fn unit(metric: &Emitted) -> &'static str {
    match (metric.kind, metric.unit.as_deref()) {
        (Kind::Counter, _) => "ops",
        (_, Some("seconds")) => "s",
        (_, Some("milliseconds")) => "ms",
        (_, Some("bytes")) => "bytes",
        _ => "short",
    }
}

/// `shortener_click_queue_length` of the shortener is `Click queue length`.
fn title(role: &str, name: &str) -> String {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let name = name.strip_suffix("_seconds").unwrap_or(name);
    let name = name
        .strip_prefix(role)
        .map_or(name, |rest| rest.trim_start_matches('_'));
    let mut words = name.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}
