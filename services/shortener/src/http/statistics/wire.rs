//! Statistics as they are answered.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{App, show_moment};
use crate::link::Code;
use crate::statistics::{Breakdown, Range, Report, TopLinks};

/// Statistics of a link, or of all links
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
pub(super) struct ReportBody {
    /// When the first window begins
    #[schema(format = DateTime)]
    from: String,
    /// When the last window ends
    #[schema(format = DateTime)]
    to: String,
    /// How long a window is: `minute`, `hour` or `day`
    granularity: &'static str,
    /// Clicks in the range, robots apart
    clicks: u64,
    /// Visitors: the sum of each day's, within about 2 %. Whether visitors of two days are the same person nobody can tell
    uniques: u64,
    /// Each window's clicks, also where there were none
    #[schema(max_items = 1500)]
    series: Vec<PointBody>,
    /// By the host of the page that led here
    referrers: BreakdownBody,
    /// By country (ISO 3166-1 alpha-2)
    countries: BreakdownBody,
    /// By kind of device: `desktop`, `mobile`, `tablet`, `other`
    devices: BreakdownBody,
    /// By browser: `chrome`, `firefox`, `safari`, `edge`, `opera`, `samsung`, `other`
    browsers: BreakdownBody,
    /// Visits of robots that say so (bots, crawlers, previews, headless browsers, python-requests and the like; not curl); never among
    /// the clicks
    bots: u64,
    /// Clicks that became known more than an hour late: in the link's total, but in no window
    late: u64,
    /// The last 60 minutes, whatever the range
    last_60_minutes: LastHourBody,
}

/// Clicks of one window
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsPoint)]
struct PointBody {
    /// When it begins
    #[schema(format = DateTime)]
    from: String,
    /// Its clicks
    clicks: u64,
}

/// Clicks by name
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsBreakdown)]
struct BreakdownBody {
    /// Most clicks first
    #[schema(max_items = 500)]
    items: Vec<ShareBody>,
    /// Clicks of which it is not known
    unknown: u64,
    /// Clicks of names beyond the first 500
    other: u64,
}

/// One name's clicks
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsShare)]
struct ShareBody {
    /// The name
    name: String,
    /// Its clicks
    clicks: u64,
}

/// A window that moves on with each minute
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsLastHour)]
struct LastHourBody {
    /// When its first minute begins
    #[schema(format = DateTime)]
    from: String,
    /// Its clicks
    clicks: u64,
    /// Each minute's clicks; the last one is under way
    #[schema(min_items = 60, max_items = 60)]
    minutes: Vec<u64>,
}

/// The links that are followed most
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TopLinks)]
pub(super) struct TopBody {
    /// When the first day begins
    #[schema(format = DateTime)]
    from: String,
    /// When the last day ends
    #[schema(format = DateTime)]
    to: String,
    /// Most clicks first
    #[schema(max_items = 100)]
    pub(super) items: Vec<TopItemBody>,
    /// By how much each count may be too high, with a probability of 98 %; none is too low
    error_max: u64,
    /// No link that is still there and missing here was followed more often than this
    missing_max: u64,
}

/// One of the links that are followed most; those that were deleted since are left out
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TopLink)]
pub(super) struct TopItemBody {
    /// Its id
    pub(super) id: String,
    /// Its code
    pub(super) code: String,
    /// Its short URL
    pub(super) short_url: String,
    /// Its clicks, or a little more
    pub(super) clicks: u64,
}

impl ReportBody {
    pub(super) fn of(report: Report) -> Self {
        let points = report.series.iter().map(|point| PointBody {
            from: show_moment(point.from_ms),
            clicks: point.clicks,
        });
        let last = &report.last_60_minutes;
        Self {
            from: show_moment(report.range.from_ms()),
            to: show_moment(report.range.to_ms()),
            granularity: report.range.granularity().as_str(),
            clicks: report.clicks,
            uniques: report.uniques,
            series: points.collect(),
            bots: report.bots,
            late: report.late,
            last_60_minutes: LastHourBody {
                from: show_moment(last.from_ms),
                clicks: last.clicks,
                minutes: last.minutes.to_vec(),
            },
            referrers: BreakdownBody::of(report.referrers),
            countries: BreakdownBody::of(report.countries),
            devices: BreakdownBody::of(report.devices),
            browsers: BreakdownBody::of(report.browsers),
        }
    }
}

impl BreakdownBody {
    fn of(breakdown: Breakdown) -> Self {
        let shares = breakdown.items.into_iter().map(|share| ShareBody {
            name: share.name,
            clicks: share.clicks,
        });
        Self {
            items: shares.collect(),
            unknown: breakdown.untold,
            other: breakdown.other,
        }
    }
}

impl TopBody {
    pub(super) fn of(app: &App, range: Range, top: TopLinks) -> Self {
        let items = top.links.into_iter().filter_map(|link| {
            // A code was one when it was followed; a page that says otherwise is not ours.
            let code = Code::parse(&link.code)?;
            Some(TopItemBody {
                id: link.link.to_string(),
                short_url: app.short_url(&code),
                code: link.code,
                clicks: link.clicks,
            })
        });
        Self {
            from: show_moment(range.from_ms()),
            to: show_moment(range.to_ms()),
            items: items.collect(),
            error_max: top.error_max,
            missing_max: top.missing_max,
        }
    }
}
