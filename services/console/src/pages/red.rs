//! Rate, errors and durations, as charts and as small pictures.

use pages::{Chart, ChartKind, Markup, Series, Tone, chart, html, sparkline};

use super::words::{self, clock, millis_if, percent, rate};
use crate::model::{Load, RedPoint, RedSeries, Source};

/// Points of a small picture; of more, neighbours are put together.
const SPARKS_MAX: usize = 45;

/// How far back charts reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// The last ten minutes.
    #[default]
    Short,
    /// All that is kept.
    Long,
}

/// Each reach with its word in addresses and its name.
pub(super) const REACHES: [(Reach, &str, &str); 2] = [
    (Reach::Short, "short", "10 minutes"),
    (Reach::Long, "long", "half an hour"),
];

impl Reach {
    /// The one of that word; any other is the short one.
    pub(super) fn named(word: Option<&str>) -> Self {
        let known = REACHES.iter().find(|reach| word == Some(reach.1));
        known.map_or(Self::Short, |reach| reach.0)
    }

    /// Its word in addresses.
    pub(super) fn word(self) -> &'static str {
        REACHES
            .iter()
            .find(|reach| reach.0 == self)
            .map_or("", |reach| reach.1)
    }

    /// The points that are within it.
    fn of(self, series: &RedSeries) -> &[RedPoint] {
        const SHORT_S: u64 = 600;
        let most = match self {
            Self::Short => SHORT_S.div_ceil(series.bucket_s.max(1)),
            Self::Long => u64::MAX,
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        &series.points[series.points.len().saturating_sub(most)..]
    }
}

/// A number that is drawn: the last of sixteen digits is not seen.
#[expect(clippy::cast_precision_loss, reason = "it is drawn")]
pub(super) fn float(of: u64) -> f64 {
    of as f64
}

fn per_second(of: u64, series: &RedSeries) -> f64 {
    float(of) / float(series.bucket_s.max(1))
}

/// The three charts of a service or a route.
pub(super) fn charts(series: &RedSeries, reach: Reach) -> Markup {
    // What is under way has not all its requests yet: it would look like a fall.
    let all = reach.of(series);
    let points = &all[..all.len().saturating_sub(1)];
    let labels: Vec<String> = points.iter().map(|point| clock(point.at_unix_ms)).collect();
    let lines = |title: &str, unit: &str, series: Vec<Series>| {
        chart(&Chart {
            title: title.to_owned(),
            unit: unit.to_owned(),
            labels: labels.clone(),
            series,
            kind: ChartKind::Lines,
            ..Chart::default()
        })
    };
    let of = |label: &str, value: &dyn Fn(&RedPoint) -> f64| {
        Series::new(label, points.iter().map(value).collect::<Vec<f64>>())
    };
    let ms = |value: Option<f64>| value.unwrap_or(f64::NAN);
    html! {
        (lines("Requests", "a second (UTC)", vec![of("requests", &|point| per_second(point.requests, series))]))
        (lines("Errors", "a second (UTC)", vec![of("errors", &|point| per_second(point.errors, series))]))
        (lines("Durations", "ms (UTC)", vec![
            of("p50", &|point| ms(point.p50_ms)),
            of("p95", &|point| ms(point.p95_ms)),
            of("p99", &|point| ms(point.p99_ms)),
        ]))
    }
}

/// What the last five minutes were like, in a table's cells: requests, errors, durations.
pub(super) fn cells(name: &str, load: &Load, series: &RedSeries) -> [Markup; 3] {
    let groups = groups(&series.points);
    let sum = |of: fn(&RedPoint) -> u64| -> Vec<f64> {
        groups
            .iter()
            .map(|points| float(points.iter().map(of).sum()))
            .collect()
    };
    let worst: Vec<f64> = groups
        .iter()
        .map(|points| {
            points
                .iter()
                .filter_map(|point| point.p95_ms)
                .fold(f64::NAN, f64::max)
        })
        .collect();
    let (requests, errors) = (sum(|point| point.requests), sum(|point| point.errors));
    let failing = load.error_share.filter(|share| *share > 0.0);
    let any = series.points.iter().any(|point| point.requests > 0);
    let told = |what: &str| format!("{what} of {name}, the last half hour");
    [
        html! {
            (rate(load.requests_per_s))
            @if any { (sparkline(&requests, Tone::Plain, &told("requests"))) }
        },
        html! {
            span class=[failing.map(|_| "burning")] { (load.error_share.map_or_else(|| words::NONE.to_owned(), percent)) }
            @if any { (sparkline(&errors, Tone::Bad, &told("errors"))) }
        },
        html! {
            (millis_if(load.p50_ms)) " · " (millis_if(load.p95_ms)) " · " (millis_if(load.p99_ms))
            @if any { (sparkline(&worst, Tone::Plain, &told("95th percentile"))) }
        },
    ]
}

/// Neighbouring points, put together so that there are not too many.
fn groups(points: &[RedPoint]) -> Vec<&[RedPoint]> {
    points.chunks(points.len().div_ceil(SPARKS_MAX).max(1)).collect()
}

/// Where numbers are from, in words.
pub(super) fn source(source: Source) -> &'static str {
    match source {
        Source::Metrics => "counted by the role itself: every request",
        Source::Spans => "counted from traces: the requests that were recorded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: usize) -> RedSeries {
        let point = |i: usize| RedPoint {
            at_unix_ms: u64::try_from(i).unwrap() * 10_000,
            requests: u64::try_from(i).unwrap(),
            errors: 0,
            p50_ms: None,
            p95_ms: Some(2.0),
            p99_ms: Some(3.0),
        };
        RedSeries {
            bucket_s: 10,
            points: (0..points).map(point).collect(),
        }
    }

    #[test]
    fn a_chart_reaches_as_far_as_it_is_asked_to_and_leaves_out_what_is_under_way() {
        let drawn = |reach| charts(&series(180), reach).0;
        assert!(drawn(Reach::Short).contains("00:29:40") && !drawn(Reach::Short).contains("00:29:50"));
        assert!(!drawn(Reach::Short).contains("00:19:50") && drawn(Reach::Long).contains("00:19:50"));
        assert!(!drawn(Reach::Short).contains("NaN"));
    }

    #[test]
    fn a_small_picture_has_few_points_whatever_is_kept() {
        assert_eq!(groups(&series(180).points).len(), 45);
        assert_eq!(groups(&series(3).points).len(), 3);
        assert!(groups(&[]).is_empty());
    }

    #[test]
    fn no_request_means_no_number_and_no_picture() {
        let [requests, errors, durations] = cells("x", &Load::default(), &series(1));
        assert_eq!((requests.0.as_str(), durations.0.as_str()), ("0/s", "– · – · –"));
        assert!(errors.0.contains('–') && !errors.0.contains("svg"));
    }
}
