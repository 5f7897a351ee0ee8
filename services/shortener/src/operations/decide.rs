//! What a redirect does, without I/O: the link, the moment and whoever asks go in, a verdict comes out.

use http::HeaderValue;
use sketches::mix64;

use super::destination::{Destination, Gates};
use crate::link::Lifetime;
use crate::visit::Visit;

/// A visit of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// When (Unix ms).
    pub(crate) now_ms: u64,
    /// By whom.
    pub(crate) visit: &'a Visit,
    /// Whether the link's password was given, if it has one.
    pub(crate) unlocked: bool,
    /// Whether a slot was taken for it, if that was tried.
    pub(crate) slot: Option<bool>,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// Lead there, and count it.
    To(&'a HeaderValue),
    /// Lead to the fallback, which is no click.
    Instead(&'a HeaderValue),
    /// Take a slot under this cap, and ask again.
    SlotWanted {
        /// The cap.
        cap: u64,
    },
    /// Lead nowhere.
    No(Closed),
}

/// Why a link is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Its owner has put it away.
    Archived,
    /// Its time has not come.
    NotYet,
    /// Its time has passed.
    Over,
    /// It was followed as often as it may be.
    CapReached,
    /// Its password was not given.
    PasswordWanted,
    /// A robot would use up a click, or go past the cap.
    Robot,
}

/// Decides. The order matters: time comes before the password, so that nobody types one for nothing, and the slot comes last, so that
/// none is taken by who is not let through.
pub(crate) fn decide<'a>(destination: &'a Destination, question: &Question<'_>) -> Verdict<'a> {
    let Some(gates) = destination.gates.as_deref() else {
        return match destination.lifetime {
            lifetime if lifetime.is_over(question.now_ms) => Verdict::No(Closed::Over),
            _ => Verdict::To(&destination.location),
        };
    };
    if gates.archived {
        return Verdict::No(Closed::Archived);
    }
    if let Some(closed) = out_of_time(gates, destination.lifetime, question.now_ms) {
        return or_fallback(gates, closed);
    }
    if gates.password && !question.unlocked {
        return Verdict::No(Closed::PasswordWanted);
    }
    if let Some(cap) = gates.click_cap {
        match question.slot {
            _ if question.visit.kind.bot => return Verdict::No(Closed::Robot),
            None => return Verdict::SlotWanted { cap },
            Some(false) => return or_fallback(gates, Closed::CapReached),
            Some(true) => {}
        }
    }
    Verdict::To(routed(gates, destination, question.visit))
}

fn out_of_time(gates: &Gates, lifetime: Lifetime, now_ms: u64) -> Option<Closed> {
    if lifetime.is_over(now_ms) {
        Some(Closed::Over)
    } else if gates.active_from_ms.is_some_and(|from_ms| now_ms < from_ms) {
        Some(Closed::NotYet)
    } else {
        None
    }
}

fn or_fallback(gates: &Gates, closed: Closed) -> Verdict<'_> {
    gates
        .fallback
        .as_ref()
        .map_or(Verdict::No(closed), Verdict::Instead)
}

/// The first rule that fits; else this visitor's share of the weighted destinations; else the link's own.
fn routed<'a>(gates: &'a Gates, destination: &'a Destination, visit: &Visit) -> &'a HeaderValue {
    let fits = gates.rules.iter().find(|rule| {
        let in_country = || {
            visit
                .kind
                .country
                .is_some_and(|country| rule.countries.contains(&country))
        };
        (rule.countries.is_empty() || in_country())
            && (rule.devices.is_empty() || rule.devices.contains(&visit.kind.device))
    });
    fits.map(|rule| &rule.to)
        .or_else(|| share(gates, destination.link_id.as_u64() ^ visit.visitor.0))
        .unwrap_or(&destination.location)
}

/// The same for the same seed: who follows a link twice a day is led to the same place, without a cookie.
fn share(gates: &Gates, seed: u64) -> Option<&HeaderValue> {
    let sum: u64 = gates.weighted.iter().map(|(weight, _)| u64::from(*weight)).sum();
    if sum == 0 {
        return None;
    }
    // Visitors of two links, and neighbouring ids, share nothing.
    let mut point = mix64(seed) % sum;
    for (weight, to) in &gates.weighted {
        let weight = u64::from(*weight);
        if point < weight {
            return Some(to);
        }
        point -= weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use identity::Tenant;
    use ids::Id;

    use super::super::destination::GateRule;
    use super::*;
    use crate::link::Code;
    use crate::visit::{Country, Device, Kind, Visitor};

    const OWN: HeaderValue = HeaderValue::from_static("https://own.example/");
    const FALLBACK: HeaderValue = HeaderValue::from_static("https://fallback.example/");

    fn destination(lifetime: Lifetime, gates: Option<Gates>) -> Destination {
        Destination {
            link_id: Id::from_u64(7).unwrap(),
            tenant: Tenant::parse("acme").unwrap(),
            code: Code::parse("rust").unwrap(),
            location: OWN,
            lifetime,
            gates: gates.map(Box::new),
        }
    }

    /// A visit at 1,000.
    fn question(visit: &Visit) -> Question<'_> {
        Question {
            now_ms: 1_000,
            visit,
            unlocked: false,
            slot: None,
        }
    }

    #[test]
    fn a_plain_link_leads_to_its_url_until_it_is_over() {
        let visit = Visit::default();
        for (lifetime, verdict) in [
            (Lifetime::UntilDeleted, Verdict::To(&OWN)),
            (Lifetime::Permanent, Verdict::To(&OWN)),
            (Lifetime::Until(1_001), Verdict::To(&OWN)),
            (Lifetime::Until(1_000), Verdict::No(Closed::Over)),
        ] {
            assert_eq!(decide(&destination(lifetime, None), &question(&visit)), verdict);
        }
    }

    #[test]
    fn out_of_its_time_a_link_leads_to_its_fallback_if_it_has_one() {
        let visit = Visit::default();
        for fallback in [None, Some(FALLBACK)] {
            let gates = |active_from_ms| Gates {
                active_from_ms,
                fallback: fallback.clone(),
                password: true,
                ..Gates::default()
            };
            let expected = |closed| fallback.as_ref().map_or(Verdict::No(closed), Verdict::Instead);
            let over = destination(Lifetime::Until(1_000), Some(gates(None)));
            assert_eq!(decide(&over, &question(&visit)), expected(Closed::Over));
            let later = destination(Lifetime::Until(9_000), Some(gates(Some(1_001))));
            assert_eq!(decide(&later, &question(&visit)), expected(Closed::NotYet));
            let begun = destination(Lifetime::Until(9_000), Some(gates(Some(1_000))));
            let wanted = Verdict::No(Closed::PasswordWanted);
            assert_eq!(
                decide(&begun, &question(&visit)),
                wanted,
                "no password, no fallback"
            );
        }
    }

    #[test]
    fn an_archived_link_leads_nowhere_whatever_else_it_has() {
        let gates = Gates {
            archived: true,
            fallback: Some(FALLBACK),
            click_cap: Some(1),
            ..Gates::default()
        };
        let (visit, over) = (Visit::default(), destination(Lifetime::Until(1), Some(gates)));
        assert_eq!(decide(&over, &question(&visit)), Verdict::No(Closed::Archived));
    }

    #[test]
    fn a_slot_is_asked_for_last_and_robots_get_none() {
        let gates = |fallback| Gates {
            click_cap: Some(3),
            password: true,
            fallback,
            ..Gates::default()
        };
        let visit = Visit::default();
        let link = destination(Lifetime::UntilDeleted, Some(gates(Some(FALLBACK))));
        let locked = question(&visit);
        assert_eq!(decide(&link, &locked), Verdict::No(Closed::PasswordWanted));
        let open = Question {
            unlocked: true,
            ..locked
        };
        assert_eq!(decide(&link, &open), Verdict::SlotWanted { cap: 3 });
        let asked = |taken| Question {
            slot: Some(taken),
            ..open
        };
        assert_eq!(decide(&link, &asked(true)), Verdict::To(&OWN));
        assert_eq!(decide(&link, &asked(false)), Verdict::Instead(&FALLBACK));
        let bare = destination(Lifetime::UntilDeleted, Some(gates(None)));
        assert_eq!(decide(&bare, &asked(false)), Verdict::No(Closed::CapReached));
        let kind = Kind {
            bot: true,
            ..Kind::default()
        };
        let robot = Visit {
            kind,
            ..Visit::default()
        };
        let asked = Question {
            visit: &robot,
            ..open
        };
        assert_eq!(decide(&link, &asked), Verdict::No(Closed::Robot));
    }

    #[test]
    fn the_first_rule_that_fits_wins() {
        let to = |host: &'static str| HeaderValue::from_static(host);
        let country = |text| Country::parse(text).unwrap();
        let gates = Gates {
            rules: vec![
                GateRule {
                    countries: vec![country("DE"), country("AT")],
                    devices: vec![Device::Mobile],
                    to: to("1"),
                },
                GateRule {
                    countries: vec![country("DE")],
                    devices: Vec::new(),
                    to: to("2"),
                },
                GateRule {
                    countries: Vec::new(),
                    devices: vec![Device::Mobile],
                    to: to("3"),
                },
            ],
            ..Gates::default()
        };
        let link = destination(Lifetime::UntilDeleted, Some(gates));
        for (from, device, expected) in [
            (Some("AT"), Device::Mobile, to("1")),
            (Some("DE"), Device::Desktop, to("2")),
            (Some("FR"), Device::Mobile, to("3")),
            (None, Device::Mobile, to("3")),
            (None, Device::Desktop, OWN),
            (Some("AT"), Device::Desktop, OWN),
        ] {
            let kind = Kind {
                country: from.map(country),
                device,
                ..Kind::default()
            };
            let visit = Visit {
                kind,
                ..Visit::default()
            };
            assert_eq!(
                decide(&link, &question(&visit)),
                Verdict::To(&expected),
                "{from:?} {device:?}"
            );
        }
    }

    #[test]
    fn visitors_are_shared_out_by_weight_and_each_keeps_to_its_place() {
        let (a, b) = (HeaderValue::from_static("a"), HeaderValue::from_static("b"));
        let gates = Gates {
            weighted: vec![(1, a.clone()), (0, OWN), (3, b.clone())],
            ..Gates::default()
        };
        let link = destination(Lifetime::UntilDeleted, Some(gates));
        let place = |visitor| {
            let visit = Visit {
                visitor: Visitor(visitor),
                ..Visit::default()
            };
            match decide(&link, &question(&visit)) {
                Verdict::To(to) => to.clone(),
                other => panic!("{other:?}"),
            }
        };
        let led: Vec<HeaderValue> = (0..40_000).map(place).collect();
        let to_a = led.iter().filter(|to| **to == a).count();
        assert!((9_500..10_500).contains(&to_a), "{to_a} of 40000 for a quarter");
        assert_eq!(led.iter().filter(|to| **to == b).count(), 40_000 - to_a);
        assert_eq!((0..40_000).map(place).collect::<Vec<_>>(), led);
    }
}
