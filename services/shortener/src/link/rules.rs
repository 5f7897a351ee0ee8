//! What the parts of a link must keep to among each other. All of it stands here; the shape of each part is checked where it is read.

use super::{Details, Lifetime};

/// Two parts that do not go together, by their names on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Conflict {
    /// The part that gives way, then the one that stands against it.
    pub between: [&'static str; 2],
    /// Said to whoever asked for both.
    pub why: &'static str,
}

impl Conflict {
    /// The part to point at: of the two the one that a request touched, the first one if it was both.
    pub fn pointer(&self, is_touched: impl Fn(&str) -> bool) -> String {
        let [first, second] = self.between;
        let at = if !is_touched(first) && is_touched(second) {
            second
        } else {
            first
        };
        format!("/{at}")
    }
}

const PERMANENT: &str = "permanent";
const EDGE: &str = "edge_cache_s";
const FALLBACK: &str = "fallback_url";
const ACTIVE_FROM: &str = "active_from";
const EXPIRES_AT: &str = "expires_at";
const CAP: &str = "max_clicks";
const PASSWORD: &str = "password";
const DESTINATIONS: &str = "destinations";

/// Everything about a link that does not go together. That a permanent link does not expire is [`Lifetime`]'s to say. Whether it has
/// a password is told apart: it is hashed last.
pub fn conflicts(lifetime: Lifetime, details: &Details, guarded: bool) -> Vec<Conflict> {
    let mut found = Vec::new();
    let mut refuse = |wrong: bool, between, why| {
        if wrong {
            found.push(Conflict { between, why });
        }
    };
    let Details {
        active_from_ms,
        click_cap,
        routing,
        edge_cache_s,
        ..
    } = details;
    let (later, capped) = (active_from_ms.is_some(), click_cap.is_some());
    let routed = !routing.is_empty();

    // Browsers keep a 301 and do not ask again, so whatever is judged on each visit would be judged once.
    let permanent = lifetime.is_permanent();
    refuse(
        permanent && later,
        [ACTIVE_FROM, PERMANENT],
        "a permanent link (301) is there from the beginning: browsers would remember that it was not",
    );
    refuse(
        permanent && capped,
        [CAP, PERMANENT],
        "a permanent link (301) cannot have a cap: browsers remember where it leads and follow it uncounted",
    );
    refuse(
        permanent && guarded,
        [PASSWORD, PERMANENT],
        "a permanent link (301) cannot have a password: browsers remember where it leads and do not ask again",
    );
    refuse(
        permanent && routed,
        [DESTINATIONS, PERMANENT],
        "a permanent link (301) leads to one place: browsers remember where it led once",
    );

    // What an edge keeps it hands to everybody, without asking us.
    let edge = edge_cache_s.is_some();
    refuse(
        edge && later,
        [EDGE, ACTIVE_FROM],
        "an edge cannot keep a link that begins at some time: it would keep the answer from before",
    );
    refuse(
        edge && capped,
        [EDGE, CAP],
        "an edge cannot keep a link with a cap: what it answers is not counted",
    );
    refuse(
        edge && guarded,
        [EDGE, PASSWORD],
        "an edge cannot keep a link with a password: it would ask nobody for it",
    );
    refuse(
        edge && routed,
        [EDGE, DESTINATIONS],
        "an edge cannot keep a link with several destinations: it would lead everybody to the same",
    );

    found.extend(conflicts_in_time(lifetime, details));
    found
}

/// What does not go together of a beginning, an end, and where the link leads before the one and after the other.
fn conflicts_in_time(lifetime: Lifetime, details: &Details) -> impl Iterator<Item = Conflict> {
    let (from_ms, until_ms) = (details.active_from_ms, lifetime.expires_at_ms());
    let always = from_ms.is_none() && until_ms.is_none() && details.click_cap.is_none();
    let in_vain = (always && details.fallback.is_some()).then_some(Conflict {
        between: [FALLBACK, EXPIRES_AT],
        why: "a fallback is for a link with an expiry, a cap or a beginning",
    });
    let empty = matches!((from_ms, until_ms), (Some(from), Some(until)) if from >= until);
    let empty = empty.then_some(Conflict {
        between: [ACTIVE_FROM, EXPIRES_AT],
        why: "the link would end before it begins",
    });
    in_vain.into_iter().chain(empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{PasswordHash, Routing, TargetUrl, Weighted};

    /// A name, and what sets the part of that name.
    type Part = (&'static str, fn(&mut Details));

    const GATES: [Part; 4] = [
        (ACTIVE_FROM, |details| details.active_from_ms = Some(1)),
        (CAP, |details| details.click_cap = Some(1)),
        (PASSWORD, |details| {
            details.password = Some(PasswordHash(String::new()));
        }),
        (DESTINATIONS, |details| {
            let to = TargetUrl::from_store("https://a.example/".to_owned());
            details.routing = Routing {
                rules: Vec::new(),
                weighted: vec![Weighted { weight: 1, to }],
            };
        }),
    ];

    fn found(lifetime: Lifetime, set: &[&Part]) -> Vec<[&'static str; 2]> {
        let mut details = Details::default();
        for (_, set) in set {
            set(&mut details);
        }
        let found = conflicts(lifetime, &details, details.password.is_some());
        found.iter().map(|conflict| conflict.between).collect()
    }

    #[test]
    fn what_is_judged_on_each_visit_goes_neither_with_301_nor_with_an_edge() {
        let edge: Part = (EDGE, |details| details.edge_cache_s = Some(60));
        for gate in &GATES {
            for lifetime in [Lifetime::UntilDeleted, Lifetime::Until(1_000)] {
                assert_eq!(found(lifetime, &[gate]), [[""; 2]; 0], "{}", gate.0);
                assert_eq!(found(lifetime, &[gate, &edge]), [[EDGE, gate.0]]);
            }
            assert_eq!(found(Lifetime::Permanent, &[gate]), [[gate.0, PERMANENT]]);
        }
        let all: Vec<&Part> = GATES.iter().chain([&edge]).collect();
        assert_eq!(found(Lifetime::Permanent, &all).len(), 8);
        for lifetime in [Lifetime::Permanent, Lifetime::UntilDeleted, Lifetime::Until(1)] {
            assert_eq!(found(lifetime, &[&edge]), [[""; 2]; 0]);
        }
    }

    #[test]
    fn a_fallback_needs_something_to_fall_back_from() {
        let fallback: Part = (FALLBACK, |details| {
            details.fallback = Some(TargetUrl::from_store("https://b.example/".to_owned()));
        });
        assert_eq!(
            found(Lifetime::UntilDeleted, &[&fallback]),
            [[FALLBACK, EXPIRES_AT]]
        );
        assert_eq!(found(Lifetime::Until(9), &[&fallback]), [[""; 2]; 0]);
        for gate in &GATES[..2] {
            assert_eq!(found(Lifetime::UntilDeleted, &[&fallback, gate]), [[""; 2]; 0]);
        }
    }

    #[test]
    fn a_link_begins_before_it_ends() {
        assert_eq!(
            found(Lifetime::Until(1), &[&GATES[0]]),
            [[ACTIVE_FROM, EXPIRES_AT]]
        );
        assert_eq!(found(Lifetime::Until(2), &[&GATES[0]]), [[""; 2]; 0]);
    }

    #[test]
    fn a_conflict_points_at_what_was_asked_for() {
        let conflict = conflicts(
            Lifetime::Permanent,
            &Details {
                click_cap: Some(1),
                ..Details::default()
            },
            false,
        )[0];
        assert_eq!(conflict.pointer(|_| true), "/max_clicks");
        assert_eq!(conflict.pointer(|part| part == "permanent"), "/permanent");
        assert_eq!(conflict.pointer(|_| false), "/max_clicks");
    }
}
