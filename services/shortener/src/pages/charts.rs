//! Statistics as charts.

use pages::{Chart, ChartKind, Markup, Series, chart, empty, html, shares};

use super::state::minute;
use crate::statistics::{Breakdown, Granularity, Report};

/// How many names of a breakdown are shown; the rest is one line.
const NAMES_MAX: usize = 8;
/// Names of links to periods, with what each is.
pub(super) const PERIODS: [(&str, Period); 4] = [
    (
        "24 hours",
        Period {
            word: "day",
            days: 1,
            granularity: Granularity::Hour,
        },
    ),
    (
        "7 days",
        Period {
            word: "week",
            days: 7,
            granularity: Granularity::Day,
        },
    ),
    (
        "30 days",
        Period {
            word: "month",
            days: 30,
            granularity: Granularity::Day,
        },
    ),
    (
        "a year",
        Period {
            word: "year",
            days: 365,
            granularity: Granularity::Day,
        },
    ),
];

/// How far back, and in which steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) word: &'static str,
    pub(super) days: u64,
    pub(super) granularity: Granularity,
}

impl Period {
    /// As the page's address names it; the first one if it names none.
    pub(super) fn named(word: Option<&str>) -> Self {
        let all = PERIODS.map(|(_, period)| period);
        let found = all.iter().find(|period| Some(period.word) == word);
        *found.unwrap_or(&all[0])
    }
}

/// The last 60 minutes: the part that is kept up to date.
pub(super) fn last_hour(report: &Report) -> Markup {
    let hour = &report.last_60_minutes;
    let labels = (0..hour.minutes.len()).map(|i| {
        let at_ms = hour.from_ms + 60_000 * u64::try_from(i).unwrap_or(0);
        minute(at_ms)[11..16].to_owned()
    });
    chart(&Chart {
        title: format!("The last 60 minutes: {}", clicks(hour.clicks)),
        unit: "clicks".to_owned(),
        labels: labels.collect(),
        series: vec![Series::new("clicks", hour.minutes.map(as_float))],
        ..Chart::default()
    })
}

/// The report's own range.
pub(super) fn range(report: &Report, title: &str) -> Markup {
    let granularity = report.range.granularity();
    let label = |from_ms: u64| {
        let text = minute(from_ms);
        match granularity {
            Granularity::Day => text[5..10].to_owned(),
            Granularity::Hour | Granularity::Minute => text[11..16].to_owned(),
        }
    };
    let values: Vec<f64> = report.series.iter().map(|point| as_float(point.clicks)).collect();
    chart(&Chart {
        title: format!("{title}: {}", clicks(report.clicks)),
        unit: format!("clicks a {} (UTC)", granularity.as_str()),
        labels: report.series.iter().map(|point| label(point.from_ms)).collect(),
        kind: if values.len() > 60 {
            ChartKind::Lines
        } else {
            ChartKind::Bars
        },
        series: vec![Series::new("clicks", values)],
        ..Chart::default()
    })
}

/// One breakdown of a range's clicks.
pub(super) fn breakdown(title: &str, untold: &str, of: &Breakdown) -> Markup {
    let mut rows: Vec<(String, u64)> = of
        .items
        .iter()
        .take(NAMES_MAX)
        .map(|share| (share.name.clone(), share.clicks))
        .collect();
    let rest = of
        .items
        .iter()
        .skip(NAMES_MAX)
        .fold(of.other, |sum, share| sum.saturating_add(share.clicks));
    rows.extend((of.untold > 0).then(|| (untold.to_owned(), of.untold)));
    rows.extend((rest > 0).then(|| ("others".to_owned(), rest)));
    html! {
        div.breakdown {
            h3 { (title) }
            @if rows.is_empty() { (empty("No clicks yet.")) } @else { (shares(title, &rows)) }
        }
    }
}

pub(super) fn clicks(count: u64) -> String {
    if count == 1 {
        "1 click".to_owned()
    } else {
        format!("{count} clicks")
    }
}

fn as_float(count: u64) -> f64 {
    // A chart is no place for the last of sixteen digits.
    #[expect(clippy::cast_precision_loss, reason = "it is drawn")]
    let value = count as f64;
    value
}
