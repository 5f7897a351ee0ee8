//! Every promise of [`SharedCache`], written once: each case takes an engine and knows nothing of it.

mod keeping;
mod racing;
mod telling;
mod writing;

use async_trait::async_trait;
use bytes::Bytes;
use cache::{Lease, Look, SharedCache, WriteMark};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use keeping::*;
pub(crate) use racing::*;
pub(crate) use telling::*;
pub(crate) use writing::*;

pub(crate) const MS: Duration = Duration::from_millis(1);
/// Longer than any case takes.
pub(crate) const LONG: Duration = Duration::from_mins(1);
/// Short enough to wait for, long enough not to end by itself meanwhile on an engine with a clock of its own.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// What a suite needs of an engine.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// A handle of the one level, as a process of its own would open it.
    async fn handle(&self) -> Arc<dyn SharedCache>;
    /// The level loses everything.
    async fn wipe(&self);
    /// Time passes on the level's clock.
    async fn pass(&self, time: Duration);
}

/// A test a case of a module of cases, on the engine that an async function of the case's name starts.
macro_rules! engine_suite {
    ($cases:ident, $start:expr; $($case:ident),* $(,)?) => {
        mod $cases {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    if let Some(engine) = $start(stringify!($case)).await {
                        crate::$cases::$case(&engine).await;
                    }
                }
            )*
        }
    };
}

macro_rules! contract_suite {
    ($start:expr) => {
        engine_suite!(contract, $start;
            what_was_filled_in_is_found,
            absence_is_remembered_and_is_not_an_empty_value,
            the_oddest_and_the_largest_keys_and_values_are_kept_apart,
            one_looker_may_fill_and_the_others_load_for_themselves,
            a_lease_fills_once,
            a_lease_that_ran_out_fills_nothing_and_makes_room_for_another,
            a_value_is_kept_for_its_time,
            the_time_to_live_counts_from_the_lease,
            what_one_handle_fills_in_every_handle_finds,
            a_write_that_begins_takes_value_and_absence_away,
            while_a_write_is_under_way_nobody_may_fill,
            a_load_from_before_a_write_fills_nothing_in_during_it,
            a_load_from_before_a_write_fills_nothing_in_after_it,
            a_load_during_one_write_fills_nothing_in_after_the_next,
            the_first_of_two_writers_to_end_does_not_open_the_key,
            a_write_that_never_ends_closes_the_key_for_its_hold_only,
            a_write_whose_beginning_failed_can_be_ended,
            ending_twice_is_harmless,
            too_many_writers_of_a_key_are_refused_until_one_ends,
            a_write_of_one_key_leaves_another_alone,
            a_wipe_during_a_write_leaves_nothing_old,
            a_wipe_between_a_load_and_its_filling_leaves_nothing_old,
            a_wipe_is_counted_before_its_first_miss_is_told,
            every_other_handle_is_told_of_a_write_when_it_ends,
            a_level_that_is_well_says_so,
            of_racing_lookers_one_may_fill,
            racing_writers_and_fillers_never_leave_an_acknowledged_write_unseen,
        );
    };
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(crate) fn hit(text: &str) -> Look {
    Look::Hit(bytes(text))
}

pub(crate) async fn look(level: &Arc<dyn SharedCache>, key: &str) -> Look {
    level.look(key, LONG).await.expect("the level answers")
}

/// A look that must be granted the right to fill.
pub(crate) async fn lease(level: &Arc<dyn SharedCache>, key: &str) -> Lease {
    match look(level, key).await {
        Look::Fill(lease) => lease,
        other => panic!("expected a lease of {key}, got {other:?}"),
    }
}

pub(crate) async fn fill(level: &Arc<dyn SharedCache>, key: &str, lease: Lease, value: Option<&str>) -> bool {
    let value = value.map(bytes);
    level
        .fill(key, lease, value, LONG)
        .await
        .expect("the level answers")
}

/// Fills a key in that nobody knows yet.
pub(crate) async fn known(level: &Arc<dyn SharedCache>, key: &str, value: Option<&str>) {
    let lease = lease(level, key).await;
    assert!(fill(level, key, lease, value).await);
}

pub(crate) async fn begin(level: &Arc<dyn SharedCache>, key: &str) -> WriteMark {
    let mark = WriteMark::random();
    level
        .begin_write(key, mark, LONG)
        .await
        .expect("the level answers");
    mark
}

pub(crate) async fn end(level: &Arc<dyn SharedCache>, key: &str, mark: WriteMark) {
    level.end_write(key, mark).await.expect("the level answers");
}
