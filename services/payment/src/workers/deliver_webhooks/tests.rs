//! The worker on a file, with a clock that is stepped and a receiver that does as told.

mod receiver;
mod world;

use std::time::Duration;

use ::webhooks::{Headers, Secret, TOLERANCE_S};

use super::attempt::RETRY_AFTER_S;
use crate::store::webhooks::{Backlog, DeliveryState, EndpointState};
use receiver::Behave;
use world::World;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[tokio::test]
async fn an_event_arrives_once_and_is_signed_so_that_its_receiver_can_tell() {
    let world = World::start(Behave::Answer(204)).await;
    let endpoint = world.endpoint("shop", &[]).await;
    assert_eq!(world.enqueue("evt_1", "payment.captured").await, 1);
    assert_eq!(
        world.enqueue("evt_1", "payment.captured").await,
        0,
        "it is in line already"
    );
    let delivered = world.settled("evt_1", DeliveryState::Delivered).await;
    assert_eq!((delivered.attempt, delivered.last_status), (1, Some(204)));
    let seen = world.receiver.seen();
    assert_eq!(seen.len(), 1);
    let (id, timestamp, signature) = (
        seen[0].header("webhook-id"),
        seen[0].header("webhook-timestamp"),
        seen[0].header("webhook-signature"),
    );
    assert_eq!(id, "evt_1");
    let headers = Headers {
        id: &id,
        timestamp: &timestamp,
        signature: &signature,
    };
    let now_s = world.now_ms() / 1_000;
    let secret = world.secret(&endpoint);
    ::webhooks::verify(&[secret], headers, seen[0].body.as_bytes(), now_s, TOLERANCE_S).unwrap();
    let body: serde_json::Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(body["type"], "payment.captured");
}

#[tokio::test]
async fn only_endpoints_that_want_a_kind_are_told() {
    let world = World::start(Behave::Answer(200)).await;
    world.endpoint("captures", &["payment.captured"]).await;
    world.endpoint("refunds", &["payment.refunded"]).await;
    world.endpoint("everything", &[]).await;
    assert_eq!(world.enqueue("evt_1", "payment.captured").await, 2);
    assert_eq!(world.enqueue("evt_2", "payment.failed").await, 1);
}

/// After each failure exactly the stated wait, a tenth more or less; after the last the delivery is dead, and a replay begins anew.
#[tokio::test]
async fn what_fails_is_tried_again_by_the_schedule_then_given_up_then_replayed_by_hand() {
    let world = World::start(Behave::Answer(500)).await;
    world.endpoint("shop", &[]).await;
    world.enqueue("evt_1", "payment.captured").await;
    for (failures, wait_s) in RETRY_AFTER_S.iter().enumerate() {
        let attempts = u32::try_from(failures).unwrap() + 1;
        let failed = world.attempted("evt_1", attempts).await;
        assert_eq!(
            (failed.state, failed.last_status),
            (DeliveryState::Failed, Some(500))
        );
        let wait_ms = failed.next_at_ms - failed.last_at_ms.unwrap();
        assert!(
            (wait_s * 900..=wait_s * 1_100).contains(&wait_ms),
            "{wait_ms} ms after {attempts} attempts"
        );
        world.advance_ms(wait_ms - 1);
        world.pass().await;
        assert_eq!(
            world.receiver.seen().len(),
            attempts as usize,
            "not a millisecond early"
        );
        world.advance_ms(1);
    }
    let dead = world.settled("evt_1", DeliveryState::Dead).await;
    assert_eq!(dead.attempt_of_round as usize, RETRY_AFTER_S.len() + 1);
    assert_eq!(
        world.store.backlog().await.unwrap(),
        Backlog { waiting: 0, dead: 1 }
    );
    world.advance_ms(DAY_MS);
    world.pass().await;
    assert_eq!(
        world.receiver.seen().len(),
        RETRY_AFTER_S.len() + 1,
        "given up is given up"
    );
    world.receiver.behave(Behave::Answer(200));
    world.replay(&dead).await.unwrap();
    let delivered = world.settled("evt_1", DeliveryState::Delivered).await;
    assert_eq!(delivered.attempt_of_round, 1);
    let ids: Vec<String> = world
        .receiver
        .seen()
        .iter()
        .map(|seen| seen.header("webhook-id"))
        .collect();
    assert!(
        ids.iter().all(|id| id == "evt_1"),
        "receivers tell doubles by the id: {ids:?}"
    );
}

#[tokio::test]
async fn an_endpoint_with_too_many_dead_letters_in_a_row_is_disabled_and_gets_nothing_until_it_is_enabled() {
    let world = World::start(Behave::Answer(503)).await;
    let endpoint = world.endpoint("shop", &[]).await;
    for number in 0..world.settings.dead_in_a_row_max {
        world.enqueue(&format!("evt_{number}"), "payment.captured").await;
    }
    world.give_up_all().await;
    let disabled = world.find(&endpoint).await;
    assert_eq!(disabled.state, EndpointState::Failed);
    assert_eq!(world.enqueue("evt_later", "payment.captured").await, 0);
    let dead = world.delivery("evt_0").await;
    assert!(world.replay(&dead).await.is_err(), "enable it first");
    world.enable(&endpoint).await;
    world.receiver.behave(Behave::Answer(200));
    world.replay(&dead).await.unwrap();
    world.settled("evt_0", DeliveryState::Delivered).await;
    assert_eq!(world.find(&endpoint).await.dead_in_a_row, 0);
}

#[tokio::test]
async fn five_days_of_failures_alone_disable_an_endpoint_and_one_success_forgets_them() {
    let world = World::start(Behave::Answer(500)).await;
    let endpoint = world.endpoint("shop", &[]).await;
    world.enqueue("evt_1", "payment.captured").await;
    world.attempted("evt_1", 1).await;
    assert!(world.find(&endpoint).await.failing_since_ms.is_some());
    world.advance_ms(4 * DAY_MS);
    world.receiver.behave(Behave::Answer(200));
    world.settled("evt_1", DeliveryState::Delivered).await;
    assert_eq!(world.find(&endpoint).await.failing_since_ms, None);
    world.receiver.behave(Behave::Answer(500));
    world.enqueue("evt_2", "payment.captured").await;
    world.attempted("evt_2", 1).await;
    world.advance_ms(5 * DAY_MS);
    world.attempted("evt_2", 2).await;
    assert_eq!(world.find(&endpoint).await.state, EndpointState::Failed);
    // What waited for it becomes a dead letter when it is due, without a call.
    world.advance_ms(DAY_MS);
    let dead = world.settled("evt_2", DeliveryState::Dead).await;
    assert_eq!(dead.last_error.as_deref(), Some("the endpoint is disabled"));
    assert_eq!(world.receiver.seen().len(), 4);
}

#[tokio::test]
async fn after_a_rotation_both_secrets_sign_until_the_overlap_is_over() {
    let world = World::start(Behave::Answer(200)).await;
    let endpoint = world.endpoint("shop", &[]).await;
    let old = world.secret(&endpoint);
    let rotated = world.rotate(&endpoint).await;
    let new = world.secret(&rotated);
    world.enqueue("evt_1", "payment.captured").await;
    world.settled("evt_1", DeliveryState::Delivered).await;
    world.advance_ms(DAY_MS);
    world.enqueue("evt_2", "payment.captured").await;
    world.settled("evt_2", DeliveryState::Delivered).await;
    let seen = world.receiver.seen();
    let verifies = |secret: &Secret, place: usize| {
        let (id, timestamp, signature) = (
            seen[place].header("webhook-id"),
            seen[place].header("webhook-timestamp"),
            seen[place].header("webhook-signature"),
        );
        let headers = Headers {
            id: &id,
            timestamp: &timestamp,
            signature: &signature,
        };
        let at_s = timestamp.parse().unwrap();
        ::webhooks::verify(
            std::slice::from_ref(secret),
            headers,
            seen[place].body.as_bytes(),
            at_s,
            TOLERANCE_S,
        )
        .is_ok()
    };
    assert!(verifies(&new, 0) && verifies(&old, 0), "during the overlap");
    assert!(verifies(&new, 1) && !verifies(&old, 1), "after it");
}

#[tokio::test]
async fn a_receiver_that_never_answers_does_not_hold_up_the_others() {
    let world = World::start(Behave::Answer(200)).await;
    let stuck = receiver::Receiver::start(Behave::Hang).await;
    world
        .endpoint_at("stuck", &stuck.url(), &["payment.failed"])
        .await;
    world.endpoint("quick", &["payment.captured"]).await;
    // More than all places there are, were they not shared out.
    for number in 0..20 {
        world.enqueue(&format!("stuck_{number}"), "payment.failed").await;
    }
    for number in 0..20 {
        world
            .enqueue(&format!("quick_{number}"), "payment.captured")
            .await;
    }
    let (drain, running) = world.run();
    world
        .until("every quick one is delivered", async |world| {
            world.receiver.seen().len() == 20
        })
        .await;
    world
        .until("a stuck one has failed", async |world| {
            world.delivery("stuck_0").await.state == DeliveryState::Failed
        })
        .await;
    drain.begin();
    running.await.unwrap();
    // The receiver may notice the end of one round only in the next.
    assert!(stuck.connections_at_once_max() <= 2 * world.settings.each_max as usize);
    let failed = world.delivery("stuck_0").await;
    assert!(failed.last_error.unwrap().starts_with("timeout"));
}

#[tokio::test]
async fn a_redirect_is_a_failure_that_says_so_and_is_not_followed() {
    let world = World::start(Behave::Answer(200)).await;
    let inside = world.receiver.url();
    let redirecting = receiver::Receiver::start(Behave::Redirect(inside)).await;
    world.endpoint_at("redirecting", &redirecting.url(), &[]).await;
    world.enqueue("evt_1", "payment.captured").await;
    let failed = world.attempted("evt_1", 1).await;
    assert_eq!(failed.last_status, Some(302));
    assert!(failed.last_error.unwrap().starts_with("redirect_refused"));
    assert!(world.receiver.seen().is_empty());
}

/// The name led to a public address when it was given. What it leads to now is what counts.
#[tokio::test]
async fn a_name_that_was_rebound_to_a_private_network_is_not_called() {
    let world = World::start_closed(Behave::Answer(200), &["10.0.0.8", "127.0.0.1"]).await;
    let port = world.receiver.port();
    world
        .endpoint_at("rebound", &format!("https://hooks.example.com:{port}/"), &[])
        .await;
    world.enqueue("evt_1", "payment.captured").await;
    for attempts in [1, 2] {
        // First 10.0.0.8, then 127.0.0.1, where the receiver is.
        let failed = world.attempted("evt_1", attempts).await;
        assert_eq!(failed.state, DeliveryState::Failed);
        assert!(failed.last_error.unwrap().starts_with("address_refused"));
        world.advance_ms(10_000);
    }
    assert_eq!(world.receiver.connections(), 0);
}

#[tokio::test]
async fn a_process_that_dies_with_a_delivery_costs_its_lease_and_no_more() {
    let world = World::start(Behave::Answer(200)).await;
    world.endpoint("shop", &[]).await;
    world.enqueue("evt_1", "payment.captured").await;
    let taken = world.take().await;
    assert_eq!(taken.len(), 1);
    assert!(world.take().await.is_empty(), "nobody else gets it");
    world.pass().await;
    assert!(world.receiver.seen().is_empty());
    world.advance_ms(world.settings.lease_ms);
    let delivered = world.settled("evt_1", DeliveryState::Delivered).await;
    assert_eq!(delivered.attempt, 2);
    // The one who was thought dead comes back late: his result is not recorded.
    let late = world.record_failed(&taken[0].delivery).await;
    assert_eq!(late, crate::store::webhooks::Recorded::Lost);
    assert_eq!(world.delivery("evt_1").await.state, DeliveryState::Delivered);
}

#[tokio::test]
async fn what_is_over_is_forgotten_after_its_time_and_what_waits_is_not() {
    let world = World::start(Behave::Answer(200)).await;
    world.endpoint("shop", &[]).await;
    world.enqueue("evt_1", "payment.captured").await;
    world.settled("evt_1", DeliveryState::Delivered).await;
    world.receiver.behave(Behave::Answer(500));
    world.advance_ms(world.settings.keep_ms - 1);
    world.enqueue("evt_2", "payment.captured").await;
    world.attempted("evt_2", 1).await;
    world.keep_house().await;
    assert!(world.find_delivery("evt_1").await.is_some());
    world.advance_ms(2);
    world.keep_house().await;
    assert!(world.find_delivery("evt_1").await.is_none());
    assert!(world.find_delivery("evt_2").await.is_some());
}

#[test]
fn the_schedule_is_over_a_day_and_under_two() {
    let all = Duration::from_secs(RETRY_AFTER_S.iter().sum());
    assert!((24..48).contains(&(all.as_secs() / 3_600)), "{all:?}");
}
