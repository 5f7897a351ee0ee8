//! Numbers and moments as people read them.

use pages::{Markup, html, number};

/// Nothing to say.
pub(super) const NONE: &str = "–";

const SECOND_MS: u64 = 1_000;
const DAY_S: u64 = 86_400;

/// `12.5/s`.
pub(super) fn rate(requests_per_s: f64) -> String {
    format!("{}/s", number(requests_per_s))
}

/// `0.4 %`; what is there and too little to show is `< 0.01 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.01 {
        return "< 0.01 %".to_owned();
    }
    let digits = if percent.abs() < 1.0 { 100.0 } else { 10.0 };
    format!("{} %", number((percent * digits).round() / digits))
}

/// A promised share with all its nines: `99.95 %`.
pub(super) fn target(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `850 µs`, `12.3 ms`, `1.2 s`.
pub(super) fn micros(duration_us: u64) -> String {
    // The last of sixteen digits is not shown.
    #[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
    let us = duration_us as f64;
    match duration_us {
        0..1_000 => format!("{duration_us} µs"),
        1_000..1_000_000 => format!("{} ms", number(us / 1e3)),
        _ => format!("{} s", number(us / 1e6)),
    }
}

/// As [`micros`], of milliseconds.
pub(super) fn millis(duration_ms: f64) -> String {
    match duration_ms {
        ms if ms < 1.0 => format!("{} µs", number((ms * 1e3).round())),
        ms if ms < 1e3 => format!("{} ms", number(ms)),
        ms => format!("{} s", number(ms / 1e3)),
    }
}

/// As [`millis`], or nothing.
pub(super) fn millis_if(duration_ms: Option<f64>) -> String {
    duration_ms.map_or_else(|| NONE.to_owned(), millis)
}

/// A window: `30 days`, `6 h`, `5 min`, `2.5 s`.
pub(super) fn window(seconds: f64) -> String {
    for (size, unit) in [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min")] {
        if seconds >= size && (seconds / size).fract() == 0.0 {
            return format!("{} {unit}", number(seconds / size));
        }
    }
    match seconds {
        s if s >= 7_200.0 => format!("{} h", number(s / 3_600.0)),
        s if s >= 120.0 => format!("{} min", number(s / 60.0)),
        s => format!("{} s", number(s)),
    }
}

/// A burn rate: `14.4×`.
pub(super) fn burn(rate: Option<f64>) -> String {
    rate.map_or_else(
        || NONE.to_owned(),
        |rate| format!("{}×", number((rate * 100.0).round() / 100.0)),
    )
}

/// `13:45:07`, of the day it was, UTC.
pub(super) fn clock(unix_ms: u64) -> String {
    let of_day = unix_ms / SECOND_MS % DAY_S;
    format!("{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

/// `2026-11-22`, UTC.
fn date(unix_ms: u64) -> String {
    // A time of another era than ours is a broken clock's; it is shown as the first day.
    let seconds = i64::try_from(unix_ms / SECOND_MS).unwrap_or(0);
    let day = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

/// A moment that programs can read too; its time of day is shown.
pub(super) fn moment(unix_ms: u64) -> Markup {
    let (date, clock) = (date(unix_ms), clock(unix_ms));
    html! { time datetime=(format!("{date}T{clock}Z")) title=(format!("{date} {clock} UTC")) { (clock) } }
}

/// As [`moment`], with the day.
pub(super) fn day_and_time(unix_ms: u64) -> Markup {
    let (date, clock) = (date(unix_ms), clock(unix_ms));
    html! { time datetime=(format!("{date}T{clock}Z")) { (date) " " (clock) " UTC" } }
}

/// `1 trace`, `2 traces`.
pub(super) fn count(of: usize, what: &str) -> String {
    if of == 1 {
        return format!("1 {what}");
    }
    // Counts of what is held here are far below what a float holds exactly.
    #[expect(clippy::cast_precision_loss, reason = "what is counted fits into memory")]
    let shown = number(of as f64);
    format!("{shown} {what}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_unit_that_fits() {
        assert_eq!(
            [0, 999, 1_500, 12_345, 2_500_000].map(micros),
            ["0 µs", "999 µs", "1.5 ms", "12.3 ms", "2.5 s"]
        );
        assert_eq!([0.25, 12.0, 1_500.0].map(millis), ["250 µs", "12 ms", "1.5 s"]);
        assert_eq!(millis_if(None), NONE);
    }

    #[test]
    fn windows_are_called_as_the_rules_call_them_also_when_they_are_divided() {
        assert_eq!(
            [259_200.0, 21_600.0, 300.0, 60.0, 5.0, 1_440.0, 43_200.0].map(window),
            ["3 d", "6 h", "5 min", "1 min", "5 s", "24 min", "12 h"]
        );
        assert_eq!(window(2.5), "2.5 s");
    }

    #[test]
    fn shares_keep_the_digits_that_matter() {
        assert_eq!(
            [0.0, 0.000_01, 0.001_23, 0.25, 1.0, -1.5].map(percent),
            ["0 %", "< 0.01 %", "0.12 %", "25 %", "100 %", "-150 %"]
        );
        assert_eq!(
            [0.999_5, 0.99, 0.999, 1.0].map(target),
            ["99.95 %", "99 %", "99.9 %", "100 %"]
        );
    }

    #[test]
    fn a_moment_is_shown_in_the_time_of_the_servers() {
        assert_eq!(clock(1_795_354_000_123), "13:26:40");
        assert!(
            moment(1_795_354_000_123)
                .0
                .contains("datetime=\"2026-11-22T13:26:40Z\"")
        );
        assert_eq!(clock(86_399_999), "23:59:59");
        let _ = day_and_time(u64::MAX);
    }
}
