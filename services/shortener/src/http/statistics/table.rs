//! Statistics as CSV: a value a row, so that one table holds them all and a new metric is a new row.

use csv::{Terminator, Writer, WriterBuilder};

use super::wire::TopBody;
use crate::http::show_moment;
use crate::statistics::{Breakdown, MINUTE_MS, Report};

/// `metric,key,value`.
pub(super) fn report(report: &Report) -> Vec<u8> {
    let mut table = Table::new(&["metric", "key", "value"]);
    table.row("from", "", &show_moment(report.range.from_ms()));
    table.row("to", "", &show_moment(report.range.to_ms()));
    table.row("granularity", "", report.range.granularity().as_str());
    for (metric, count) in [
        ("clicks", report.clicks),
        ("uniques", report.uniques),
        ("bots", report.bots),
        ("late", report.late),
    ] {
        table.count(metric, "", count);
    }
    for point in &report.series {
        table.count("series", &show_moment(point.from_ms), point.clicks);
    }
    table.breakdown("referrers", &report.referrers);
    table.breakdown("countries", &report.countries);
    table.breakdown("devices", &report.devices);
    table.breakdown("browsers", &report.browsers);
    let mut from_ms = report.last_60_minutes.from_ms;
    for clicks in report.last_60_minutes.minutes {
        table.count("last_60_minutes", &show_moment(from_ms), clicks);
        from_ms += MINUTE_MS;
    }
    table.done()
}

/// `code,short_url,id,clicks`.
pub(super) fn top(top: &TopBody) -> Vec<u8> {
    let mut table = Table::new(&["code", "short_url", "id", "clicks"]);
    for link in &top.items {
        table.record(&[&link.code, &link.short_url, &link.id, &link.clicks.to_string()]);
    }
    table.done()
}

struct Table(Writer<Vec<u8>>);

impl Table {
    fn new(columns: &[&str]) -> Self {
        let mut table = Self(
            WriterBuilder::new()
                .terminator(Terminator::CRLF)
                .from_writer(Vec::new()),
        );
        table.record(columns);
        table
    }

    fn record(&mut self, fields: &[&str]) {
        self.0
            .write_record(fields)
            .expect("memory takes every row, and all rows are as long");
    }

    fn row(&mut self, metric: &str, key: &str, value: &str) {
        self.record(&[metric, key, value]);
    }

    fn count(&mut self, metric: &str, key: &str, count: u64) {
        self.row(metric, key, &count.to_string());
    }

    /// Named shares first; what has no name is told by the key's brackets, which no name has.
    fn breakdown(&mut self, metric: &str, breakdown: &Breakdown) {
        for share in &breakdown.items {
            self.count(metric, &share.name, share.clicks);
        }
        self.count(metric, "(unknown)", breakdown.untold);
        self.count(metric, "(other)", breakdown.other);
    }

    fn done(self) -> Vec<u8> {
        self.0.into_inner().expect("memory takes every row")
    }
}
