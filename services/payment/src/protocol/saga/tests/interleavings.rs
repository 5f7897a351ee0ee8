//! Every interleaving of a bounded number of faults, and random ones of many.

use std::collections::HashSet;

use proptest::prelude::*;

use super::super::*;
use super::matrix::Fault;
use super::world::World;

/// How many faults strike one payment.
const FAULTS: u8 = 2;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    world: World,
    faults_left: u8,
}

fn followers(place: &Place) -> Vec<Place> {
    let mut followers = Vec::new();
    let mut follow = |faults: u8, change: &mut dyn FnMut(&mut World)| {
        let mut next = place.clone();
        next.faults_left -= faults;
        change(&mut next.world);
        followers.push(next);
    };
    if !place.world.is_over() {
        follow(0, &mut World::advance);
    }
    for delayed in 0..place.world.delayed() {
        follow(0, &mut |world| world.deliver(delayed));
    }
    for late in 0..place.world.late() {
        follow(0, &mut |world| world.deliver_answer(late));
    }
    if place.faults_left == 0 {
        return followers;
    }
    if place.world.is_before_deadline() && !place.world.is_over() {
        follow(1, &mut World::pass_deadline);
    }
    if let Some((step, call, ..)) = place.world.call() {
        for fault in Fault::ALL.into_iter().filter(|fault| fault.fits(step, call)) {
            follow(1, &mut |world| fault.strike(world));
        }
    }
    followers
}

#[test]
fn whatever_strikes_and_in_whatever_order_it_ends_in_agreement() {
    let start = Place {
        world: World::new(10, &[4, 6]),
        faults_left: FAULTS,
    };
    let (mut seen, mut ends) = (HashSet::from([start.clone()]), HashSet::new());
    let mut open = vec![start];
    while let Some(place) = open.pop() {
        if place.world.is_quiet() {
            place.world.assert_agreement();
            ends.insert(place.world.saga.state);
        }
        for next in followers(&place) {
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
        assert!(seen.len() < 2_000_000, "the model is finite");
    }
    assert!(
        seen.len() > 5_000,
        "only {} states: the model does not strike",
        seen.len()
    );
    for state in [
        State::Failed,
        State::Captured,
        State::PartiallyRefunded,
        State::Refunded,
    ] {
        assert!(ends.contains(&state), "{state:?} is an end");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_long_run_of_bad_luck_ends_in_agreement_too(choices in prop::collection::vec(any::<u16>(), 0..60)) {
        let mut place = Place { world: World::new(10, &[4, 6]), faults_left: 40 };
        for choice in choices {
            let next = followers(&place);
            if next.is_empty() {
                break;
            }
            place = next[usize::from(choice) % next.len()].clone();
        }
        while !place.world.is_quiet() {
            place.world.run();
            if place.world.delayed() > 0 {
                place.world.deliver(0);
            } else if place.world.late() > 0 {
                place.world.deliver_answer(0);
            }
        }
        place.world.assert_agreement();
    }
}
