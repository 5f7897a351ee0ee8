//! Days on the wire, in UTC.

use server::show_moment;
use time::Date;
use time::macros::format_description;

/// A day, in milliseconds.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// `2026-11-22`, of a number of days since 1970-01-01.
pub(crate) fn show_day(number: u64) -> String {
    show_moment(number.saturating_mul(DAY_MS))
        .chars()
        .take(10)
        .collect()
}

/// Days since 1970-01-01 of `2026-11-22`; `None` when it is no day or before 1970.
pub(crate) fn parse_day(text: &str) -> Option<u64> {
    // The form that is written, and no other of ISO 8601's.
    if text.len() != 10 {
        return None;
    }
    let day = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
    let number = day.midnight().assume_utc().unix_timestamp() / 86_400;
    u64::try_from(number)
        .ok()
        .filter(|number| show_day(*number) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_as_it_is_written() {
        let day = parse_day("2026-11-22").unwrap();
        assert_eq!(show_day(day), "2026-11-22");
        assert_eq!(show_moment(day * DAY_MS), "2026-11-22T00:00:00.000Z");
        for bad in [
            "",
            "today",
            "2026-02-30",
            "20261122",
            "2026-W47-7",
            "1969-12-31",
            "2026-11-2",
        ] {
            assert_eq!(parse_day(bad), None, "{bad}");
        }
    }
}
