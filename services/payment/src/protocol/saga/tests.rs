//! The saga against a model of the ledger and the processor.

mod interleavings;
mod matrix;
mod world;

use super::*;

fn amount(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn id(number: u64) -> Id {
    Id::from_u64(number).unwrap()
}

#[test]
fn pauses_double_up_to_the_longest_one() {
    let policy = Policy {
        backoff_ms: 100,
        backoff_ms_max: 1_000,
        settle_ms: 0,
    };
    let pauses: Vec<u64> = (1..=6).map(|tries| policy.pause_ms(tries)).collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1_000, 1_000]);
    assert_eq!(policy.pause_ms(u32::MAX), 1_000);
}

#[test]
fn names_of_states_and_steps_are_read_back_and_are_those_of_the_api() {
    for state in State::ALL {
        assert_eq!(State::from_name(state.name()), Some(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.name());
    }
    for step in Step::ALL {
        assert_eq!(Step::from_name(step.name()), Some(step));
        assert_eq!(serde_json::to_value(step).unwrap(), step.name());
    }
}

#[test]
fn a_stored_saga_is_read_back_as_it_was() {
    let (saga, _) = Policy::default().step(
        &Saga::new(amount(700), 9_000),
        &Input::Resume {
            now_ms: 5,
            refund: None,
        },
    );
    let text = serde_json::to_string(&saga).unwrap();
    assert_eq!(serde_json::from_str::<Saga>(&text).unwrap(), saga);
}

#[test]
fn a_timed_out_charge_is_looked_up_and_never_sent_blindly() {
    for step in [Step::Authorize, Step::Charge, Step::SendRefund] {
        let mut world = world::World::until(step);
        world.answer(&Answer::Unknown);
        assert!(world.is_asleep(), "{step:?}");
        world.resume();
        assert_eq!(
            world.call().map(|(step, call, ..)| (step, call)),
            Some((step, Call::LookUp))
        );
    }
}

#[test]
fn a_step_whose_process_died_is_looked_up_at_the_processor_and_repeated_at_the_ledger() {
    for (step, call) in [
        (Step::Reserve, Call::Act),
        (Step::AssessRisk, Call::Act),
        (Step::Authorize, Call::LookUp),
        (Step::Charge, Call::LookUp),
        (Step::Capture, Call::Act),
        (Step::HoldRefund, Call::Act),
        (Step::SendRefund, Call::LookUp),
        (Step::PostRefund, Call::Act),
    ] {
        let mut world = world::World::until(step);
        world.crash();
        world.resume();
        assert_eq!(
            world.call().map(|(step, call, ..)| (step, call)),
            Some((step, call))
        );
    }
}

#[test]
fn a_charge_of_another_amount_than_asked_for_is_given_back() {
    let mut world = world::World::until(Step::Authorize);
    world.processor.lies_by = 5;
    world.run();
    assert_eq!(world.saga.state, State::Failed);
    assert_eq!(world.saga.failure.as_deref(), Some("processor_amount_differs"));
    world.assert_agreement();
}

#[test]
fn an_authorization_that_arrives_after_the_end_is_given_up_when_its_webhook_wakes_the_saga() {
    let mut world = world::World::until(Step::Authorize);
    world.delay();
    world.pass_deadline();
    world.run();
    assert_eq!(world.saga.state, State::Failed);
    world.deliver(0);
    assert!(world.processor.is_authorized());
    world.run();
    assert_eq!(world.saga.state, State::Failed);
    world.assert_agreement();
    assert_eq!(world.told_failed, 1);
}

#[test]
fn a_refund_that_the_ledger_will_never_take_ends_in_sight_and_lets_go_of_its_hold() {
    let mut world = world::World::until(Step::PostRefund);
    world.answer(&Answer::Refused {
        code: "insufficient_funds".to_owned(),
    });
    assert!(world.is_asleep(), "what may pass is tried again");
    world.resume();
    world.answer(&Answer::Refused {
        code: "reversal_exceeds".to_owned(),
    });
    assert_eq!(
        world.call().map(|(step, call, _, round)| (step, call, round)),
        Some((Step::ReleaseRefund, Call::Act, 2)),
        "under a key that was not refused"
    );
    world.run();
    assert_eq!(
        world.ended,
        [(1, Some("refund_not_posted".to_owned())), (2, None)],
        "and the next one is carried through"
    );
    assert_eq!((world.saga.state, world.saga.refunded), (State::Refunded, 10));
}

#[test]
fn a_refusal_after_a_try_of_unknown_end_is_believed_only_with_a_lookup() {
    let mut world = world::World::until(Step::Authorize);
    world.effect();
    world.answer(&Answer::Unknown);
    world.resume();
    // The processor does not see yet what it has done.
    world.answer(&Answer::NotFound);
    world.resume();
    world.answer(&Answer::Refused {
        code: "invalid_request".to_owned(),
    });
    assert_eq!(
        world.call().map(|(step, call, ..)| (step, call)),
        Some((Step::Settle, Call::LookUp))
    );
    world.run();
    assert_eq!(world.saga.state, State::Failed);
    world.assert_agreement();
}

#[test]
fn a_refund_of_more_than_is_left_is_refused_and_nothing_moves() {
    let mut world = world::World::new(10, &[7, 4, 3]);
    world.run();
    assert_eq!(world.saga.state, State::Refunded);
    assert_eq!(
        world.ended,
        [(1, None), (2, Some("refund_exceeds".to_owned())), (3, None)]
    );
    world.assert_agreement();
}
