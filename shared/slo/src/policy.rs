use std::fmt;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Somebody is woken.
    Page,
    /// Somebody looks at it on the next working day.
    Ticket,
}

impl Severity {
    /// Both, the more urgent first.
    pub const ALL: [Self; 2] = [Self::Page, Self::Ticket];

    /// As the label `severity` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When a budget burns too fast: at more than `burn_rate` over both windows.
///
/// The long window says that it matters, the short one that it still goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnWindow {
    /// What it leads to.
    pub severity: Severity,
    /// How many times faster than allowed; 1 spends the budget in exactly its window.
    pub burn_rate: f64,
    /// The window that says that it matters.
    pub long: Duration,
    /// The window that says that it goes on.
    pub short: Duration,
}

/// When which alert fires, alike for every objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The pairs of windows.
    pub windows: Vec<BurnWindow>,
    /// Over how long the budget is counted.
    pub budget_window: Duration,
}

impl Policy {
    /// The multi-window, multi-burn-rate policy of "The Site Reliability Workbook", chapter 5, table 5-8: 2 % of the
    /// budget in an hour or 5 % in six pages, 10 % in one day or in three is a ticket.
    pub fn standard() -> Self {
        let pair = |severity, burn_rate, long, short| BurnWindow {
            severity,
            burn_rate,
            long,
            short,
        };
        Self {
            windows: vec![
                pair(Severity::Page, 14.4, HOUR, 5 * MINUTE),
                pair(Severity::Page, 6.0, 6 * HOUR, 30 * MINUTE),
                pair(Severity::Ticket, 3.0, 24 * HOUR, 2 * HOUR),
                pair(Severity::Ticket, 1.0, 72 * HOUR, 6 * HOUR),
            ],
            budget_window: 30 * 24 * HOUR,
        }
    }

    /// The same with every window `divisor` times shorter, to watch in minutes what takes days.
    ///
    /// # Panics
    ///
    /// With a divisor of 0.
    #[must_use]
    pub fn scaled(&self, divisor: u32) -> Self {
        Self {
            windows: self
                .windows
                .iter()
                .map(|pair| BurnWindow {
                    long: pair.long / divisor,
                    short: pair.short / divisor,
                    ..*pair
                })
                .collect(),
            budget_window: self.budget_window / divisor,
        }
    }

    /// Every window once, the shortest first; the budget's is the last.
    pub fn durations(&self) -> Vec<Duration> {
        let mut all: Vec<Duration> = self
            .windows
            .iter()
            .flat_map(|pair| [pair.short, pair.long])
            .collect();
        all.push(self.budget_window);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The pairs of one severity.
    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &BurnWindow> {
        self.windows.iter().filter(move |pair| pair.severity == severity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_policy_keeps_its_rates_and_divides_every_window() {
        let policy = Policy::standard().scaled(60);
        assert_eq!(policy.windows[0].long, MINUTE);
        assert_eq!(policy.windows[0].short, Duration::from_secs(5));
        assert!((policy.windows[0].burn_rate - 14.4).abs() < f64::EPSILON);
        assert_eq!(policy.budget_window, 12 * HOUR);
        assert_eq!(policy.durations().len(), 8, "six hours stand in two pairs");
    }
}
