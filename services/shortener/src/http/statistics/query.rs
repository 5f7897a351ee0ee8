//! What statistics are asked for.

use http::HeaderMap;
use http::header::ACCEPT;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::LinkError;
use crate::http::parse_moment;
use crate::statistics::{DAY_MS, Granularity, MINUTE_MS, Range};

const HOUR_MS: u64 = 60 * MINUTE_MS;
/// Most links that are ranked.
const TOP_MAX: u32 = 100;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
}

/// Which time, in which windows.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct StatsQuery {
    /// The beginning (RFC 3339), moved back to where a window begins; unless given, 7 days before `to`
    #[param(required = false, nullable = false, format = DateTime)]
    from: Option<String>,
    /// The end (RFC 3339), which is not in the range, moved on to where a window begins; unless given, now
    #[param(required = false, nullable = false, format = DateTime)]
    to: Option<String>,
    /// The length of a window: `minute`, `hour` or `day` (UTC); unless given, what suits the range. At most 1,500 windows and 400 days
    #[param(required = false, nullable = false, pattern = "^(minute|hour|day)$")]
    granularity: Option<String>,
    /// `json` or `csv`; unless given, what `Accept` prefers
    #[param(required = false, nullable = false, pattern = "^(json|csv)$")]
    format: Option<String>,
}

/// Which days, and how many links.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct TopQuery {
    /// The beginning (RFC 3339), moved back to where a day begins (UTC); unless given, 7 days before `to`
    #[param(required = false, nullable = false, format = DateTime)]
    from: Option<String>,
    /// The end (RFC 3339), which is not in the range, moved on to where a day begins; unless given, now
    #[param(required = false, nullable = false, format = DateTime)]
    to: Option<String>,
    /// Most links; 10 unless given
    #[param(required = false, nullable = false, minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `json` or `csv`; unless given, what `Accept` prefers
    #[param(required = false, nullable = false, pattern = "^(json|csv)$")]
    format: Option<String>,
}

impl StatsQuery {
    pub(super) fn range(&self, now_ms: u64) -> Result<Range, LinkError> {
        let named = self.granularity.as_deref().map(|name| {
            Granularity::parse(name).ok_or_else(|| refused("granularity", "must be minute, hour or day"))
        });
        let named = named.transpose()?;
        // A week has too many minutes for one answer.
        let usual_ms = if named == Some(Granularity::Minute) {
            DAY_MS
        } else {
            WEEK_MS
        };
        let (from_ms, to_ms) = bounds(self.from.as_deref(), self.to.as_deref(), now_ms, usual_ms)?;
        let granularity = named.unwrap_or_else(|| suitable(to_ms.saturating_sub(from_ms)));
        range(from_ms, to_ms, granularity)
    }

    pub(super) fn format(&self, headers: &HeaderMap) -> Result<Format, LinkError> {
        format_of(self.format.as_deref(), headers)
    }
}

impl TopQuery {
    pub(super) fn range(&self, now_ms: u64) -> Result<Range, LinkError> {
        let (from_ms, to_ms) = bounds(self.from.as_deref(), self.to.as_deref(), now_ms, WEEK_MS)?;
        range(from_ms, to_ms, Granularity::Day)
    }

    pub(super) fn limit(&self) -> Result<usize, LinkError> {
        let limit = self.limit.unwrap_or(10);
        if !(1..=TOP_MAX).contains(&limit) {
            return Err(refused("limit", "must be between 1 and 100"));
        }
        Ok(limit as usize)
    }

    pub(super) fn format(&self, headers: &HeaderMap) -> Result<Format, LinkError> {
        format_of(self.format.as_deref(), headers)
    }
}

fn refused(name: &'static str, detail: &str) -> LinkError {
    LinkError::Parameter {
        name,
        detail: detail.to_owned(),
    }
}

/// Without a beginning the range is `usual_ms` long.
fn bounds(from: Option<&str>, to: Option<&str>, now_ms: u64, usual_ms: u64) -> Result<(u64, u64), LinkError> {
    let moment = |name, text: &str| {
        parse_moment(text)
            .ok_or_else(|| refused(name, "must be a moment in RFC 3339, such as 2027-01-01T00:00:00Z"))
    };
    let to_ms = to.map_or(Ok(now_ms), |text| moment("to", text))?;
    let from_ms = from.map_or(Ok(to_ms.saturating_sub(usual_ms)), |text| moment("from", text))?;
    Ok((from_ms, to_ms))
}

fn range(from_ms: u64, to_ms: u64, granularity: Granularity) -> Result<Range, LinkError> {
    Range::new(from_ms, to_ms, granularity).map_err(|error| refused("from", &error.to_string()))
}

/// So that a chart has some two hundred points at most.
fn suitable(length_ms: u64) -> Granularity {
    if length_ms <= THREE_HOURS_MS {
        Granularity::Minute
    } else if length_ms <= EIGHT_DAYS_MS {
        Granularity::Hour
    } else {
        Granularity::Day
    }
}

const WEEK_MS: u64 = 7 * DAY_MS;
const THREE_HOURS_MS: u64 = 3 * HOUR_MS;
const EIGHT_DAYS_MS: u64 = 8 * DAY_MS;

fn format_of(format: Option<&str>, headers: &HeaderMap) -> Result<Format, LinkError> {
    match format {
        Some("json") => Ok(Format::Json),
        Some("csv") => Ok(Format::Csv),
        Some(_) => Err(refused("format", "must be json or csv")),
        None => Ok(accepted(headers)),
    }
}

/// CSV for whoever wants it more than JSON; JSON for everybody else.
fn accepted(headers: &HeaderMap) -> Format {
    let (mut csv, mut json) = (0, 0);
    let values = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let quality = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1_000, thousandths);
        if media_type.eq_ignore_ascii_case("text/csv") || media_type.eq_ignore_ascii_case("text/*") {
            csv = csv.max(quality);
        } else if media_type.eq_ignore_ascii_case("application/json") || media_type == "*/*" {
            json = json.max(quality);
        }
    }
    if csv > json { Format::Csv } else { Format::Json }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 1,000"
)]
fn thousandths(quality: &str) -> u32 {
    let quality: f32 = quality.parse().unwrap_or(0.0);
    (quality.clamp(0.0, 1.0) * 1_000.0) as u32
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::http::show_moment;

    /// 2026-11-22T10:20:30Z.
    const NOW_MS: u64 = 1_795_342_830_000;

    fn asked(from: Option<&str>, to: Option<&str>, granularity: Option<&str>) -> Result<Range, String> {
        let query = StatsQuery {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            granularity: granularity.map(str::to_owned),
            format: None,
        };
        query.range(NOW_MS).map_err(|error| error.to_string())
    }

    #[test]
    fn without_bounds_it_is_the_last_week_by_the_hour() {
        let range = asked(None, None, None).unwrap();
        assert_eq!(range.granularity(), Granularity::Hour);
        assert_eq!(show_moment(range.from_ms()), "2026-11-15T10:00:00.000Z");
        assert_eq!(show_moment(range.to_ms()), "2026-11-22T11:00:00.000Z");
    }

    #[test]
    fn windows_suit_the_range_unless_they_are_named() {
        let granularity = |from, granularity| asked(Some(from), None, granularity).unwrap().granularity();
        assert_eq!(granularity("2026-11-22T09:00:00Z", None), Granularity::Minute);
        assert_eq!(granularity("2026-11-20T09:00:00Z", None), Granularity::Hour);
        assert_eq!(granularity("2026-01-01T00:00:00+01:00", None), Granularity::Day);
        assert_eq!(
            granularity("2026-11-22T09:00:00Z", Some("hour")),
            Granularity::Hour
        );
    }

    #[test]
    fn what_is_no_range_is_refused_with_the_reason() {
        assert!(
            asked(Some("yesterday"), None, None)
                .unwrap_err()
                .starts_with("from: ")
        );
        assert!(
            asked(None, Some("2026-11-22"), None)
                .unwrap_err()
                .starts_with("to: ")
        );
        assert!(
            asked(None, None, Some("week"))
                .unwrap_err()
                .starts_with("granularity: ")
        );
        assert!(
            asked(Some("2026-11-23T00:00:00Z"), None, None)
                .unwrap_err()
                .contains("before")
        );
        assert!(
            asked(Some("2020-01-01T00:00:00Z"), None, None)
                .unwrap_err()
                .contains("at most")
        );
        assert!(
            asked(Some("2026-11-15T00:00:00Z"), None, Some("minute"))
                .unwrap_err()
                .contains("at most")
        );
        assert!(asked(None, None, Some("minute")).is_ok(), "a day of them");
        for limit in [0, 101] {
            let query = TopQuery {
                limit: Some(limit),
                ..TopQuery::default()
            };
            assert!(query.limit().is_err());
        }
    }

    #[test]
    fn csv_is_for_who_prefers_it() {
        let format = |accept: Option<&'static str>, format: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (ACCEPT, HeaderValue::from_static(accept))));
            super::format_of(format, &headers).ok()
        };
        assert_eq!(format(None, None), Some(Format::Json));
        assert_eq!(format(Some("*/*"), None), Some(Format::Json));
        assert_eq!(format(Some("text/csv"), None), Some(Format::Csv));
        assert_eq!(
            format(Some("text/csv, application/json"), None),
            Some(Format::Json)
        );
        assert_eq!(format(Some("text/csv, */*;q=0.1"), None), Some(Format::Csv));
        assert_eq!(
            format(Some("text/html,application/xhtml+xml,*/*;q=0.8"), None),
            Some(Format::Json)
        );
        assert_eq!(format(Some("application/json"), Some("csv")), Some(Format::Csv));
        assert_eq!(format(Some("text/csv"), Some("json")), Some(Format::Json));
        assert_eq!(format(None, Some("xml")), None);
    }
}
