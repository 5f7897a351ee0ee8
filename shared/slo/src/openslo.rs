//! OpenSLO v1 as a file has it. What OpenSLO offers and this crate would not honour is not among the fields: it is
//! refused by its name, never read past.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::{Objective, Selector, ServiceObjectives, SloError};

const VERSION: &str = "openslo/v1";

#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Document {
    Service(Whole<ServiceSpec>),
    #[serde(rename = "SLO")]
    Slo(Box<Whole<SloSpec>>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Whole<Spec> {
    api_version: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Metadata {
    name: String,
    display_name: Option<String>,
    /// For whoever reads the file; nothing is made of them.
    #[serde(rename = "labels")]
    _labels: Option<IgnoredAny>,
    #[serde(rename = "annotations")]
    _annotations: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceSpec {
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SloSpec {
    #[serde(default)]
    description: String,
    service: String,
    indicator: Indicator,
    time_window: Vec<TimeWindow>,
    budgeting_method: String,
    objectives: Vec<Target>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Indicator {
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    spec: IndicatorSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct IndicatorSpec {
    #[serde(rename = "description")]
    _description: Option<String>,
    ratio_metric: RatioMetric,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RatioMetric {
    counter: bool,
    good: Metric,
    total: Metric,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Metric {
    metric_source: MetricSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricSource {
    #[serde(rename = "type")]
    kind: Option<String>,
    spec: MetricQuery,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricQuery {
    query: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TimeWindow {
    duration: String,
    is_rolling: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Target {
    #[serde(rename = "displayName")]
    _display_name: Option<String>,
    #[serde(rename = "target")]
    share: Option<f64>,
    #[serde(rename = "targetPercent")]
    percent: Option<f64>,
}

pub(crate) fn parse(yaml: &str) -> Result<ServiceObjectives, SloError> {
    let documents: Vec<Document> =
        serde_saphyr::from_multiple(yaml).map_err(|error| SloError::Yaml(error.to_string()))?;
    let (mut services, mut slos) = (Vec::new(), Vec::new());
    for document in documents {
        let version = match &document {
            Document::Service(whole) => &whole.api_version,
            Document::Slo(whole) => &whole.api_version,
        };
        if version != VERSION {
            return Err(SloError::Version(version.clone()));
        }
        match document {
            Document::Service(whole) => services.push(whole),
            Document::Slo(whole) => slos.push(*whole),
        }
    }
    let only_one = |_| SloError::Service("a file must have exactly one document of kind Service".to_owned());
    let [service]: [Whole<ServiceSpec>; 1] = services.try_into().map_err(only_one)?;
    let name = service.metadata.name;
    let objectives: Vec<Objective> = slos
        .into_iter()
        .map(|slo| objective(slo, &name))
        .collect::<Result<_, _>>()?;
    let names: BTreeSet<&str> = objectives.iter().map(|o| o.name.as_str()).collect();
    if objectives.is_empty() || names.len() < objectives.len() {
        return Err(SloError::Service(format!(
            "service {name} must have an SLO, and no two of the same name"
        )));
    }
    Ok(ServiceObjectives {
        title: service.metadata.display_name.unwrap_or_else(|| name.clone()),
        description: service.spec.description,
        service: name,
        objectives,
    })
}

fn objective(slo: Whole<SloSpec>, service: &str) -> Result<Objective, SloError> {
    let name = slo.metadata.name;
    let wrong = |what: String| SloError::Objective {
        name: name.clone(),
        what,
    };
    let spec = slo.spec;
    if spec.service != service {
        return Err(wrong(format!(
            "its service is {}, the file's is {service}",
            spec.service
        )));
    }
    // The name becomes an alert's, a runbook's and a panel's.
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.chars().all(legal) || !name.starts_with(&format!("{service}-")) {
        return Err(wrong(format!(
            "its name must be {service}-something in lower case, digits and dashes"
        )));
    }
    if spec.budgeting_method != "Occurrences" {
        return Err(wrong(
            "budgetingMethod must be Occurrences: each request counts once".to_owned(),
        ));
    }
    let ratio = spec.indicator.spec.ratio_metric;
    if !ratio.counter {
        return Err(wrong(
            "ratioMetric.counter must be true: rates are taken of counters".to_owned(),
        ));
    }
    let [window] = spec.time_window.as_slice() else {
        return Err(wrong("it must have one timeWindow".to_owned()));
    };
    let [target] = spec.objectives.as_slice() else {
        return Err(wrong(
            "it must have one objective; write an SLO for each".to_owned(),
        ));
    };
    let target = match (target.share, target.percent) {
        (Some(target), None) => target,
        (None, Some(percent)) => percent / 100.0,
        _ => return Err(wrong("it needs either target or targetPercent".to_owned())),
    };
    if !(target > 0.0 && target < 1.0) {
        return Err(wrong(
            "its target must lie between 0 and 1, both excluded".to_owned(),
        ));
    }
    // Budgets, alerts and their annotations are all made for one window: another would be shown and not kept.
    let ours = crate::Policy::standard().budget_window;
    let kept = duration(&window.duration).filter(|length| window.is_rolling && *length == ours);
    Ok(Objective {
        title: slo.metadata.display_name.unwrap_or_else(|| name.clone()),
        description: spec.description,
        service: service.to_owned(),
        target,
        window: kept.ok_or_else(|| wrong("its timeWindow must roll, and be 30d long".to_owned()))?,
        good: selector(&ratio.good).map_err(|what| wrong(what.to_string()))?,
        total: selector(&ratio.total).map_err(|what| wrong(what.to_string()))?,
        name: name.clone(),
    })
}

fn selector(metric: &Metric) -> Result<Selector, SloError> {
    let source = &metric.metric_source;
    match source.kind.as_deref() {
        None | Some("Prometheus") => source.spec.query.parse(),
        Some(other) => Err(SloError::Selector {
            query: source.spec.query.clone(),
            what: format!("its metricSource is {other}, and only Prometheus is asked"),
        }),
    }
}

/// OpenSLO's shorthand, as far as it always means the same time.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    number
        .checked_mul(seconds)
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../tests/shop.yaml");

    #[test]
    fn a_file_is_one_service_with_its_objectives() {
        let shop = parse(GOOD).unwrap();
        assert_eq!((shop.service.as_str(), shop.title.as_str()), ("shop", "Shop"));
        assert_eq!(shop.objectives.len(), 2);
        let available = &shop.objectives[0];
        assert_eq!(available.name, "shop-orders-available");
        assert!((available.target - 0.999).abs() < 1e-12);
        assert_eq!(available.window, Duration::from_hours(720));
        assert_eq!(
            available.total.to_string(),
            r#"requests_count{job="gateway",route="/orders"}"#
        );
        assert_eq!(
            crate::alert_name(available, crate::Severity::Page),
            "ShopOrdersAvailableBudgetBurnsFast"
        );
    }

    #[test]
    fn what_would_not_be_honoured_is_refused_by_name() {
        for (from, to, said) in [
            (
                "budgetingMethod: Occurrences",
                "budgetingMethod: Timeslices",
                "budgetingMethod",
            ),
            ("counter: true", "counter: false", "counter"),
            ("target: 0.999", "target: 99.9", "between 0 and 1"),
            ("target: 0.999", "timeSliceTarget: 0.9", "timeSliceTarget"),
            ("duration: 30d", "duration: 1M", "30d"),
            ("isRolling: true", "isRolling: false", "roll"),
            ("openslo/v1", "openslo/v2alpha", "openslo/v2alpha"),
            ("name: shop-orders-available", "name: Orders", "lower case"),
            ("type: Prometheus", "type: Datadog", "Datadog"),
            ("description: Sells.", "alertPolicies: []", "alertPolicies"),
            ("kind: Service", "kind: DataSource", "DataSource"),
            (
                "query: 'requests_count{",
                "query: 'rate(requests_count{",
                "no selector",
            ),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            assert_ne!(bad, GOOD, "{from}");
            let error = parse(&bad).unwrap_err().to_string();
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
