//! Every step times every fault.

use std::collections::BTreeMap;

use super::super::*;
use super::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    Refused,
    TimeoutDone,
    TimeoutNotDone,
    Unavailable,
    CrashBefore,
    CrashAfter,
    DoubledAnswer,
    LateAnswer,
    LateRequest,
    WebhookFirst,
}

impl Fault {
    pub(super) const ALL: [Self; 10] = [
        Self::Refused,
        Self::TimeoutDone,
        Self::TimeoutNotDone,
        Self::Unavailable,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::DoubledAnswer,
        Self::LateAnswer,
        Self::LateRequest,
        Self::WebhookFirst,
    ];

    /// Whether it makes sense for the call under way.
    pub(super) fn fits(self, step: Step, call: Call) -> bool {
        match self {
            Self::Refused => call == Call::Act,
            Self::LateRequest | Self::WebhookFirst => call == Call::Act && step.is_at_processor(),
            _ => true,
        }
    }

    /// It happens to the call under way.
    pub(super) fn strike(self, world: &mut World) {
        let (_, _, ticket, _) = world.call().expect("a call is under way");
        match self {
            Self::Refused => {
                let answer = world.refuse().unwrap_or_else(|| world.effect());
                world.answer(&answer);
            }
            Self::TimeoutDone => {
                world.effect();
                world.answer(&Answer::Unknown);
            }
            Self::TimeoutNotDone => world.answer(&Answer::Unknown),
            Self::Unavailable => world.answer(&Answer::Unavailable),
            Self::CrashBefore => world.crash(),
            Self::CrashAfter => {
                world.effect();
                world.crash();
            }
            Self::DoubledAnswer => {
                let answer = world.effect();
                world.answer(&answer);
                world.answer_in_vain(ticket, &answer);
            }
            Self::LateAnswer => {
                let answer = world.effect();
                world.keep_answer_for_later(answer);
                world.answer(&Answer::Unknown);
            }
            Self::LateRequest => world.delay(),
            Self::WebhookFirst => {
                let answer = world.effect();
                world.wake();
                world.answer(&answer);
            }
        }
    }
}

/// Which refusals lead to the steps that come only after one.
const SCENES: [&[Step]; 5] = [
    &[],
    &[Step::AssessRisk],
    &[Step::Charge],
    &[Step::Capture],
    &[Step::SendRefund],
];

/// Runs a scene and strikes once, when `step` comes first. `None` where it never comes.
fn scene(refused: &[Step], step: Step, fault: Fault) -> Option<State> {
    let mut world = World::new(10, &[4, 6]);
    let (mut struck, mut refusals) = (false, refused.to_vec());
    for _ in 0..200 {
        if world.is_over() {
            if world.is_quiet() {
                break;
            }
            if world.late() > 0 {
                world.deliver_answer(0);
            } else {
                world.deliver(0);
            }
            continue;
        }
        match world.call() {
            Some((at, call, ..)) if at == step && !struck && fault.fits(at, call) => {
                struck = true;
                fault.strike(&mut world);
            }
            Some((at, Call::Act, ..)) if refusals.contains(&at) => {
                refusals.retain(|refusal| *refusal != at);
                Fault::Refused.strike(&mut world);
            }
            _ => world.advance(),
        }
    }
    assert!(world.is_quiet(), "{refused:?} {step:?} {fault:?}: {world:#?}");
    world.assert_agreement();
    struck.then_some(world.saga.state)
}

#[test]
fn every_step_with_every_fault_ends_with_ledger_and_processor_in_agreement() {
    let mut cells: BTreeMap<(Step, Fault), Vec<State>> = BTreeMap::new();
    for refused in SCENES {
        for step in Step::ALL {
            for fault in Fault::ALL {
                if let Some(state) = scene(refused, step, fault) {
                    cells.entry((step, fault)).or_default().push(state);
                }
            }
        }
    }
    for step in Step::ALL {
        let call = if step == Step::Settle {
            Call::LookUp
        } else {
            Call::Act
        };
        for fault in Fault::ALL {
            let reached = cells.contains_key(&(step, fault));
            assert_eq!(reached, fault.fits(step, call), "{step:?} x {fault:?} was tried");
        }
    }
}

#[test]
fn without_a_refusal_no_fault_keeps_a_payment_from_succeeding() {
    for step in [
        Step::Reserve,
        Step::AssessRisk,
        Step::Authorize,
        Step::Charge,
        Step::Capture,
    ] {
        for fault in Fault::ALL {
            let Some(state) = scene(&[], step, fault) else {
                continue;
            };
            let expected = if fault == Fault::Refused {
                State::Failed
            } else {
                State::Refunded
            };
            assert_eq!(
                state, expected,
                "{step:?} x {fault:?}; its two refunds go through"
            );
        }
    }
}
