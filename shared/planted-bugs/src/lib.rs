#![doc = include_str!("../README.md")]

use std::sync::OnceLock;

/// Names the bug of a process. A normal build knows no such setting, and refuses it.
pub const VARIABLE: &str = "ORRERY_PLANTED_BUG";

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A link is acknowledged before it is written.
    AckBeforeDurable,
    /// A change does not reach what is remembered.
    ChangeNotTold,
    /// Ids follow the wall clock back.
    ClockTrusted,
    /// A role that is to stop cuts what is open.
    NoDrainNotice,
    /// The record of an idempotency key is not written in the effect's own transaction.
    IdempotencyOutside,
    /// A capture does not look at what its hold has left.
    CaptureUnchecked,
}

/// Every bug there is.
pub const BUGS: [Bug; 6] = [
    Bug::AckBeforeDurable,
    Bug::ChangeNotTold,
    Bug::ClockTrusted,
    Bug::NoDrainNotice,
    Bug::IdempotencyOutside,
    Bug::CaptureUnchecked,
];

impl Bug {
    /// As it is named in [`VARIABLE`].
    pub const fn name(self) -> &'static str {
        match self {
            Bug::AckBeforeDurable => "ack-before-durable",
            Bug::ChangeNotTold => "change-not-told",
            Bug::ClockTrusted => "clock-trusted",
            Bug::NoDrainNotice => "no-drain-notice",
            Bug::IdempotencyOutside => "idempotency-outside",
            Bug::CaptureUnchecked => "capture-unchecked",
        }
    }

    /// The drill that finds it.
    pub const fn found_by(self) -> &'static str {
        match self {
            Bug::AckBeforeDurable => "shortener-killed",
            Bug::ClockTrusted => "clock-stepped",
            Bug::ChangeNotTold | Bug::NoDrainNotice => "gateway-restarted",
            Bug::IdempotencyOutside | Bug::CaptureUnchecked => "payment-killed",
        }
    }

    /// The invariant that it breaks there: a drill that is red for another reason has not found it.
    pub const fn breaks(self) -> &'static str {
        match self {
            Bug::AckBeforeDurable => "no-acknowledged-link-lost",
            Bug::ChangeNotTold => "redirects-true",
            Bug::ClockTrusted => "ids-unique-and-ordered",
            Bug::NoDrainNotice => "no-failed-request",
            Bug::IdempotencyOutside => "nothing-twice",
            Bug::CaptureUnchecked => "money-conserved",
        }
    }

    /// The bug of this name.
    pub fn parse(name: &str) -> Option<Self> {
        BUGS.into_iter().find(|bug| bug.name() == name)
    }
}

/// Whether this process has the bug. Read once: a process is born with its bug.
///
/// # Panics
/// When the variable names no bug: a score over a bug that was misspelt would be a lie.
pub fn is_planted(bug: Bug) -> bool {
    static PLANTED: OnceLock<Option<Bug>> = OnceLock::new();
    let planted = PLANTED.get_or_init(|| {
        let named = std::env::var(VARIABLE).ok().filter(|name| !name.is_empty());
        named.map(|name| Bug::parse(&name).unwrap_or_else(|| panic!("{VARIABLE}={name}: no such bug")))
    });
    *planted == Some(bug)
}
