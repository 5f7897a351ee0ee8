//! Statistics: what is made of the stream of visits, and what is answered out of that. No I/O.
//!
//! Everything here is a pure function of a partition's log. A [`Projection`] folds the events of one partition, in their order, into
//! [`Page`]s (one for each link and tenant, for each day and for all time). What was folded twice, half stored, or by somebody who lost his claim
//! does no harm: a page knows the last event that is in it, and the [`Head`] knows every event that was ever folded.
//!
//! What is asked for is answered out of pages alone: a [`Report`] for a [`Range`] of time, [`Totals`] for all time, [`TopLinks`].

mod breakdown;
mod fold;
mod head;
mod hottest;
mod page;
mod report;
mod seen;
mod sums;
mod tally;
mod top_links;
mod windows;

pub use breakdown::{Breakdown, Share};
pub use fold::{FoldError, Folded, LATENESS_MS, Projection, SKEW_MS};
pub use head::Head;
pub use hottest::Hottest;
pub use page::{Page, Totals};
pub use report::{LastHour, Point, Report, Reporting};
pub use seen::Seen;
pub use tally::Tally;
pub use top_links::{Ranking, TopLink, TopLinks};
pub use windows::{
    DAY_MS, Granularity, MINUTE_MS, RANGE_DAYS_MAX, Range, RangeError, SERIES_POINTS_MAX, day_of, recent_days,
};

#[cfg(test)]
mod tests;
