//! The contract of the port: written once, run on every engine.

#[path = "contract/batches.rs"]
mod batches;
#[path = "contract/counts.rs"]
mod counts;
#[path = "contract/cql.rs"]
mod cql;
#[path = "contract/domain_rules.rs"]
mod domain_rules;
#[path = "contract/engines.rs"]
mod engines;
#[path = "contract/levels.rs"]
mod levels;
#[path = "contract/links.rs"]
mod links;
#[path = "contract/names.rs"]
mod names;
#[path = "contract/plans.rs"]
mod plans;
#[path = "contract/records.rs"]
mod records;
#[path = "contract/slots.rs"]
mod slots;
#[path = "contract/statistics.rs"]
mod statistics;

use std::sync::Arc;
use std::time::Duration;

use idempotency::{Fingerprint, IdempotencyKey};
use identity::User;
use shortener::link::{Details, Lifetime, Link, Tags, TargetUrl, URL_BYTES_MAX};
use shortener::store::{
    ClickBatch, Created, LinkClicks, LinkStore, NewRecord, Record, RecordScope, StoreError,
};

use crate::harness::{PATIENCE, eventually};
pub(crate) use engines::Fixture;
use names::{DAY_MS, NOW_MS, Names, id};

macro_rules! contract {
    ($engine:ident $cases:tt) => { contract!(@areas $engine $cases); };
    (@areas $engine:ident { $($area:ident { $($case:ident),+ $(,)? })+ }) => {
        $(mod $area {
            use crate::contract::{Fixture, $area};
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    // None where the engine is not there, after saying so.
                    if let Some(fixture) = Fixture::$engine(stringify!($case)).await {
                        $area::$case(fixture).await;
                    }
                }
            )+
        })+
    };
}

/// Every case, on an engine.
macro_rules! all_cases {
    ($engine:ident) => {
        contract! { $engine {
            links {
                what_was_written_is_read_the_same_by_every_handle,
                details_change_with_their_link_and_go_with_it,
                of_racing_claims_one_wins_and_the_others_write_nothing,
                of_racing_claims_without_keys_one_wins,
                an_engine_that_is_lost_says_so_and_works_when_it_is_back,
                a_change_is_stored_only_over_the_revision_it_was_made_from,
                of_racing_changes_each_is_made_over_the_one_before,
                of_racing_deletions_at_least_one_is_answered_and_the_code_is_free,
                tenants_share_nothing,
                paging_is_stable_under_ties_and_concurrent_writes,
                a_deleted_code_is_free_and_its_counts_are_gone,
                the_largest_values_fit,
            }
            records {
                a_replayed_key_answers_the_same_and_writes_nothing,
                racing_copies_of_a_key_have_one_effect_also_across_processes,
                a_refused_claim_leaves_its_key_free_for_another,
                a_late_create_does_not_bring_a_deleted_link_back,
                a_record_ends_with_its_time,
                a_dropped_write_leaves_all_or_nothing,
            }
            counts {
                counters_are_given_once_and_run_out,
                a_fingerprint_is_pinned_once,
                an_event_counts_once_however_often_it_comes,
                an_event_that_two_consumers_count_at_once_counts_once,
                garbage_is_collected_in_steps_and_nothing_else,
            }
            batches {
                each_link_of_a_batch_has_an_outcome_of_its_own,
                of_racing_batches_each_code_is_won_once,
                a_batch_fails_with_its_engine_and_may_be_repeated,
                leasing_no_counters_tells_where_they_stand,
            }
            domain_rules {
                rules_are_kept_whole_and_by_tenant,
                rules_are_changed_over_the_revision_before_and_the_same_change_twice_is_one,
                of_racing_changes_of_rules_one_is_made_each_time,
                the_longest_lists_fit,
                rules_are_not_believed_empty_while_the_engine_is_away,
            }
            slots {
                racing_leases_use_each_slot_once_and_all_of_them,
                a_repeated_call_is_answered_the_same_and_takes_nothing_more,
                what_is_given_back_is_free_once,
                a_cap_that_is_raised_or_lowered_holds_from_the_next_call_on,
                links_and_tenants_share_no_slots_and_a_deleted_link_has_none,
                the_largest_cap_fits,
                without_its_engine_no_slot_is_granted_and_then_as_before,
                calls_that_are_dropped_cost_at_most_what_they_asked_for,
            }
            statistics {
                pages_are_read_as_they_were_put_by_every_handle,
                of_two_versions_the_later_one_stands_whatever_comes_last,
                the_head_of_a_partition_is_that_of_its_latest_generation,
                writers_that_race_leave_the_latest_version_of_each_page,
                a_deleted_links_pages_are_gone_and_do_not_come_back,
                everybody_gets_the_same_key_of_a_day,
                pages_of_old_days_are_collected_and_those_for_all_time_stay,
                the_largest_pages_fit,
                statistics_say_so_while_the_engine_is_lost_and_go_on_when_it_is_back,
            }
        } }
    };
}

mod on_sqlite {
    all_cases!(sqlite);
}

mod on_cql {
    all_cases!(cql);
}

/// Under contention a store may be unavailable; then nothing was written and the same is tried again.
async fn eventually_answered<T, F: Future<Output = Result<T, StoreError>>>(call: impl Fn() -> F) -> T {
    for _ in 0..200 {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.retryable(), "{error}"),
        }
    }
    panic!("the store never answered");
}

/// Repeats what has one effect however often it is done until it is answered: over unknown outcomes, and while the engine
/// is coming back.
async fn settled<T, F: Future<Output = Result<T, StoreError>>>(call: impl Fn() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let error = match call().await {
            Ok(answer) => return answer,
            Err(error) => error,
        };
        let unsettled = error.retryable() || matches!(error, StoreError::Unknown(_));
        assert!(unsettled && tokio::time::Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
