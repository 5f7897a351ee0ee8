//! Moments on the wire: RFC 3339, in UTC on the way out.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

/// Unix ms of a moment written with any offset; parts of a millisecond are dropped. `None` when it is no RFC 3339 or before 1970.
pub fn parse_moment(text: &str) -> Option<u64> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

/// `2026-11-22T10:20:30.123Z`, always with milliseconds.
pub fn show_moment(unix_ms: u64) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .ok()
        .and_then(|moment| moment.to_offset(UtcOffset::UTC).format(form).ok())
        // Beyond the year 9999; no rule lets such a moment in.
        .unwrap_or_else(|| "9999-12-31T23:59:59.999Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_with_any_offset_and_shown_in_utc() {
        let at = parse_moment("2026-11-22T12:20:30.1239+02:00").unwrap();
        assert_eq!(show_moment(at), "2026-11-22T10:20:30.123Z");
        assert_eq!(parse_moment(&show_moment(at)), Some(at));
        for text in [
            "",
            "tomorrow",
            "2026-11-22",
            "2026-11-22T10:20:30",
            "1969-12-31T23:59:59Z",
            "2026-02-30T00:00:00Z",
        ] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }
}
