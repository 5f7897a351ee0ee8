//! Visitors under a pseudonym: a keyed hash of address and user agent, with a key for each UTC day.

use std::hash::Hasher as _;
use std::net::IpAddr;

use arc_swap::ArcSwap;
use siphasher::sip::SipHasher24;

use super::Visitor;
use crate::statistics::day_of;
use crate::store::statistics::Day;

/// A day's key, made ready: a hash begins with a copy of it. SipHash-2-4 is a pseudorandom function with a key of 128 bits and makes the 64
/// bits that are kept; HMAC-SHA-256 made no other promise about them and cost a redirect four times as much.
#[derive(Clone)]
pub(crate) struct DayKey {
    day: Day,
    keyed: SipHasher24,
}

impl DayKey {
    /// The key of a day.
    pub(crate) fn new(day: Day, key: [u8; 32]) -> Self {
        let (half, _) = key.split_first_chunk().expect("32 bytes hold 16");
        Self {
            day,
            keyed: SipHasher24::new_with_key(half),
        }
    }

    fn visitor(&self, address: Option<IpAddr>, user_agent: &[u8]) -> Visitor {
        let mut hash = self.keyed;
        // Fixed length and first, so that no two pairs are the same bytes.
        hash.write(&network_of(address));
        hash.write(user_agent);
        // 0 says "nobody"; one visitor in 2^64 shares a pseudonym with another for it.
        Visitor(hash.finish().max(1))
    }
}

/// An IPv4 address, or the network of 64 bits that a household or a phone has in IPv6, where the rest changes by the hour.
fn network_of(address: Option<IpAddr>) -> [u8; 9] {
    let mut network = [0; 9];
    match address.map(|address| address.to_canonical()) {
        None => {}
        Some(IpAddr::V4(address)) => {
            network[0] = 4;
            network[1..5].copy_from_slice(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            network[0] = 6;
            network[1..].copy_from_slice(&address.octets()[..8]);
        }
    }
    network
}

/// The keys of today and, shortly before it begins, of tomorrow. While the day's key cannot be had, one of this process stands in for it:
/// then each process counts a visitor once, and still nobody can be told.
pub(crate) struct Pseudonyms(ArcSwap<Keys>);

struct Keys {
    shared: Vec<DayKey>,
    own: DayKey,
}

impl Default for Pseudonyms {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(Keys::new(0, Vec::new())))
    }
}

impl Keys {
    fn new(today: Day, shared: Vec<DayKey>) -> Self {
        Self {
            shared,
            own: DayKey::new(today, rand::random()),
        }
    }
}

impl Pseudonyms {
    /// Who it is, on the day of `at_ms` (Unix ms).
    pub(crate) fn visitor(&self, at_ms: u64, address: Option<IpAddr>, user_agent: &[u8]) -> Visitor {
        let keys = self.0.load();
        let day = day_of(at_ms);
        let key = keys.shared.iter().find(|key| key.day == day);
        key.unwrap_or(&keys.own).visitor(address, user_agent)
    }

    /// The key of a day, if it is here.
    pub(crate) fn key(&self, day: Day) -> Option<DayKey> {
        let keys = self.0.load();
        keys.shared.iter().find(|key| key.day == day).cloned()
    }

    /// Works with these keys from now on. Those of other days are forgotten, and so is the one that stood in on another day.
    pub(crate) fn replace(&self, today: Day, shared: Vec<DayKey>) {
        let before = self.0.load_full();
        let mut keys = Keys::new(today, shared);
        if before.own.day == today {
            keys.own = before.own.clone();
        }
        self.0.store(keys.into());
    }
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pseudonyms(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::DAY_MS;

    const AGENT: &[u8] = b"Mozilla/5.0";

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn with_keys(today: Day, keys: &[(Day, u8)]) -> Pseudonyms {
        let pseudonyms = Pseudonyms::default();
        let keys = keys.iter().map(|(day, key)| DayKey::new(*day, [*key; 32]));
        pseudonyms.replace(today, keys.collect());
        pseudonyms
    }

    #[test]
    fn who_has_the_days_key_finds_the_same_pseudonym_and_the_next_day_it_is_another() {
        let (one, two) = (with_keys(100, &[(100, 1), (101, 2)]), with_keys(100, &[(100, 1)]));
        let who =
            |keys: &Pseudonyms, day: u64| keys.visitor(day * DAY_MS + 5, Some(address("192.0.2.1")), AGENT);
        assert_eq!(who(&one, 100), who(&two, 100));
        assert_ne!(who(&one, 100), who(&one, 101));
        assert!(who(&one, 100).is_known());
        // Without a day's key each process has its own.
        assert_ne!(who(&one, 102), who(&two, 102));
        assert_eq!(who(&one, 102), who(&one, 102));
    }

    #[test]
    fn another_address_or_user_agent_is_another_visitor_but_not_the_rest_of_an_ipv6_address() {
        let keys = with_keys(100, &[(100, 1)]);
        let seen = |at: Option<IpAddr>, agent: &[u8]| keys.visitor(100 * DAY_MS, at, agent);
        let who = |at: IpAddr, agent: &[u8]| seen(Some(at), agent);
        let one = who(address("192.0.2.1"), AGENT);
        assert_ne!(one, who(address("192.0.2.2"), AGENT));
        assert_ne!(one, who(address("192.0.2.1"), b"Mozilla/6.0"));
        assert_ne!(one, seen(None, AGENT));
        assert_eq!(one, who(address("::ffff:192.0.2.1"), AGENT));
        let home = who(address("2001:db8:1:2::3"), AGENT);
        assert_eq!(home, who(address("2001:db8:1:2:ffff::4"), AGENT));
        assert_ne!(home, who(address("2001:db8:1:3::3"), AGENT));
    }

    #[test]
    fn the_key_that_stands_in_is_another_the_next_day_and_keys_of_former_days_are_gone() {
        let keys = with_keys(100, &[(100, 1)]);
        let who = || keys.visitor(7 * DAY_MS, Some(address("192.0.2.1")), AGENT);
        let before = who();
        keys.replace(100, vec![DayKey::new(100, [1; 32])]);
        assert_eq!(before, who());
        keys.replace(101, vec![DayKey::new(101, [2; 32])]);
        assert_ne!(before, who());
        assert!(keys.key(100).is_none() && keys.key(101).is_some());
        assert_eq!(format!("{keys:?}"), "Pseudonyms(..)");
    }
}
