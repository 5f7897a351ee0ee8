//! Every promise of [`StreamLog`], written once: each case takes an engine and knows nothing of it.

mod bounds;
mod dead_letters;
mod delivery;
mod publishing;
mod retention;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use clock::ManualClock;
use streams::{Claim, Delivery, Event, Group, Partition, Position, StreamLog, StreamSettings};

pub(crate) use bounds::*;
pub(crate) use dead_letters::*;
pub(crate) use delivery::*;
pub(crate) use publishing::*;
pub(crate) use retention::*;

/// What a suite needs of an engine.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// Opens the log; opening it again is the next start of the program on the same data.
    async fn open(&self, settings: StreamSettings) -> Arc<dyn StreamLog>;
    /// The clock that the log goes by.
    fn clock(&self) -> &ManualClock;
    /// Takes the engine away from the log, until the cut is healed.
    async fn cut(&self) -> Cut;
    /// The process dies, and the program starts again on the same data, at a time when its claims are over.
    async fn restart(&self, log: Arc<dyn StreamLog>, settings: StreamSettings) -> Arc<dyn StreamLog>;
    /// The window to test deduplication with. Where the engine goes by a clock of its own, a test waits for it.
    fn dedupe_window_ms(&self) -> u64 {
        60_000
    }
    /// Bytes that an event of these tests takes beside its data, at most.
    fn envelope_bytes_max(&self) -> u64 {
        0
    }
}

/// An engine that is away.
pub(crate) struct Cut(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Cut {
    pub(crate) fn new(heal: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(heal))
    }

    pub(crate) async fn heal(self) {
        self.0.await;
    }
}

/// A test a case.
macro_rules! contract_suite {
    ($engine:expr) => {
        contract_suite! { $engine;
            events_of_one_key_keep_their_order,
            a_batch_is_in_the_log_in_its_order,
            an_id_is_taken_once_within_the_window_and_again_after_it,
            an_id_twice_in_a_batch_is_taken_once,
            racing_publishers_of_one_id_store_it_once,
            a_publish_with_an_unknown_outcome_is_settled_by_publishing_again,
            a_start_on_the_same_data_finds_everything,
            reading_pages_through_everything_and_is_not_disturbed_by_publishing,
            a_publish_wakes_who_waits_on_its_partition_only,
            a_full_stream_refuses_the_whole_batch_and_drops_nothing,
            a_stream_full_of_bytes_refuses,
            the_largest_event_is_taken_and_one_byte_more_refused,
            too_many_events_in_a_batch_are_refused,
            an_invalid_event_refuses_its_whole_batch,
            what_is_not_acked_comes_again_and_is_counted,
            what_a_dead_process_had_is_delivered_again,
            acks_are_kept_over_a_restart,
            an_event_delivered_before_comes_alone,
            after_a_crash_each_of_the_last_batch_counts_as_delivered,
            of_two_consumers_one_holds_a_partition_until_its_claim_runs_out,
            a_consumer_that_lost_its_claim_is_fenced,
            a_claim_given_up_is_free_at_once,
            a_clock_set_back_does_not_keep_a_dead_claim_alive,
            a_clock_a_little_behind_takes_no_claim_that_is_held,
            claimants_that_race_while_time_goes_on_share_no_partition,
            a_delivery_that_only_waited_is_given_back,
            what_was_counted_before_a_wait_stays_counted,
            groups_advance_independently,
            an_engine_that_is_lost_is_reported_and_back_later,
            a_dead_letter_is_written_and_its_event_acked,
            a_dead_letter_again_after_an_unknown_outcome_is_written_once,
            too_many_dead_letters_refuse_and_keep_the_event,
            dead_letters_are_paged,
            a_replay_puts_the_event_back_once,
            collection_deletes_only_what_every_group_acked_and_is_old,
            collection_keeps_a_stream_that_nobody_reads,
            a_stream_that_is_half_full_keeps_what_was_acked_for_the_dedupe_window_alone,
            collection_makes_room,
            collection_works_in_bounded_steps,
            a_new_group_starts_before_the_oldest_kept_event,
            positions_are_never_reused,
            lag_and_depth_are_what_was_published_and_not_acked,
        }
    };
    ($engine:expr; $($case:ident),* $(,)?) => {
        mod suite {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    // Without an engine the test has skipped aloud.
                    let Some(engine) = $engine(stringify!($case)).await else { return };
                    crate::contract::$case(&engine).await;
                }
            )*
        }
    };
}

pub(crate) const STREAM: &str = "clicks";

pub(crate) fn group() -> Group {
    Group::new(STREAM, "counts")
}

/// Event number `id` of `key`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "numbers and names alike, as each case reads best"
)]
pub(crate) fn event(id: impl ToString, key: &str) -> Event {
    Event::new(
        id.to_string(),
        "/test",
        "test.happened",
        key,
        1_767_225_600_000,
        &"data",
    )
    .unwrap()
}

/// A key for each of two different partitions.
pub(crate) fn two_keys() -> (&'static str, &'static str) {
    assert_ne!(Partition::of("a"), Partition::of("b"));
    ("a", "b")
}

/// The claim of `owner` on the partition of `key`.
pub(crate) async fn claim_of(log: &Arc<dyn StreamLog>, owner: &str, key: &str) -> Claim {
    let claims = log.claim(&group(), owner).await.unwrap();
    claims
        .into_iter()
        .find(|claim| claim.partition == Partition::of(key))
        .expect("the partition is free")
}

pub(crate) fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries
        .iter()
        .map(|delivery| delivery.event.id.as_str())
        .collect()
}

/// All that a partition holds, page by page.
pub(crate) async fn everything(log: &Arc<dyn StreamLog>, key: &str, page: u32) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    let mut after = Position::START;
    loop {
        let stored = log
            .read_from(STREAM, Partition::of(key), after, page)
            .await
            .unwrap();
        let Some(last) = stored.last() else { return all };
        after = last.position;
        all.extend(
            stored
                .into_iter()
                .map(|stored| (stored.position.0, stored.event.id)),
        );
    }
}
