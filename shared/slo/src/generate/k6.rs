//! `loadtests/k6/thresholds.json`: what k6 can judge by itself.

use std::fmt::Write as _;

use serde_json::json;

use crate::{Objective, ServiceObjectives};

/// What the gateway counts requests by: `_count`, and `_bucket` with the seconds in `le`.
const GATEWAY_METRIC: &str = "http_server_request_duration_seconds";

/// One line an objective that is about requests through the gateway: `{"name": {"metric", "thresholds", "tags"}}`. Others, such as how
/// soon a click is counted, k6 cannot see.
pub fn thresholds(services: &[ServiceObjectives]) -> String {
    let lines: Vec<String> = services
        .iter()
        .flat_map(|service| &service.objectives)
        .filter_map(|objective| {
            let (metric, threshold) = threshold(objective)?;
            let of = json!({
                "metric": metric,
                "thresholds": [threshold],
                "tags": {"service": objective.service, "objective": objective.name},
            });
            let mut line = String::new();
            write!(line, "  {}: {of}", json!(objective.name)).ok()?;
            Some(line)
        })
        .collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// k6's metric, and what must hold for it.
fn threshold(objective: &Objective) -> Option<(&'static str, String)> {
    let value = |label: &str| {
        objective
            .good
            .matchers
            .iter()
            .find(|m| m.label() == label)
            .map(super::super::selector::Matcher::value)
    };
    if value("job") != Some("gateway") || objective.total.metric != format!("{GATEWAY_METRIC}_count") {
        return None;
    }
    if objective.good.metric == objective.total.metric {
        let share = trimmed(objective.budget());
        return Some(("http_req_failed", format!("rate<{share}")));
    }
    let seconds: f64 = value("le")?.parse().ok()?;
    let quantile = trimmed(objective.target * 100.0);
    Some((
        "http_req_duration",
        format!("p({quantile})<{}", trimmed(seconds * 1000.0)),
    ))
}

/// Without the digits that a binary fraction has too many.
fn trimmed(number: f64) -> String {
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_becomes_a_rate_a_time_a_quantile_and_the_rest_is_left_out() {
        let yaml = include_str!("../../tests/shop.yaml")
            .replace("requests_", "http_server_request_duration_seconds_");
        let shop = ServiceObjectives::parse(&yaml).unwrap();
        let read: serde_json::Value = serde_json::from_str(&thresholds(&[shop])).unwrap();
        assert_eq!(read["shop-orders-available"]["metric"], "http_req_failed");
        assert_eq!(read["shop-orders-available"]["thresholds"][0], "rate<0.001");
        assert_eq!(read["shop-orders-fast"]["thresholds"][0], "p(99)<250");
        assert_eq!(read["shop-orders-fast"]["tags"]["objective"], "shop-orders-fast");

        let elsewhere = ServiceObjectives::parse(&yaml.replace("job=\"gateway\"", "job=\"shop\"")).unwrap();
        assert_eq!(thresholds(&[elsewhere]), "{\n\n}\n");
    }
}
