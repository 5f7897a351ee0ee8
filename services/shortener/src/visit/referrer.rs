//! From which host's pages a visit came.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use super::{REFERRER_BYTES_MAX, ReferrerHost};

/// The host in a `Referer`: without `www.`, user, port, path and query, in small letters. `None` for what is no URL with a host.
fn host_of(referrer: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(referrer).ok()?;
    let (scheme, rest) = text.split_once("://")?;
    let known = scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let authority = rest.split(['/', '?', '#', '\\']).next().filter(|_| known)?;
    let host_and_port = authority.rsplit('@').next()?;
    let host = match host_and_port.strip_prefix('[') {
        // An IPv6 address keeps its brackets.
        Some(address) => &host_and_port[..address.find(']')? + 2],
        None => host_and_port.split(':').next()?,
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
    if host.is_empty() || host.len() > REFERRER_BYTES_MAX || !host.bytes().all(allowed) {
        return None;
    }
    let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    };
    Some(match host {
        Cow::Borrowed(host) => Cow::Borrowed(host.strip_prefix("www.").unwrap_or(host)),
        Cow::Owned(host) => Cow::Owned(host.strip_prefix("www.").map(str::to_owned).unwrap_or(host)),
    })
    .filter(|host| !host.is_empty())
}

const SLOTS: usize = 1_024;

/// The hosts that were seen lately, so that one that comes often is allocated once. A new host takes the slot of an old one.
#[derive(Debug)]
pub(crate) struct Referrers {
    hasher: RandomState,
    slots: Box<[Mutex<Option<ReferrerHost>>]>,
}

impl Default for Referrers {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            slots: (0..SLOTS).map(|_| Mutex::new(None)).collect(),
        }
    }
}

impl Referrers {
    /// The host in a `Referer` header.
    pub(crate) fn of(&self, referrer: &[u8]) -> Option<ReferrerHost> {
        let host = host_of(referrer)?;
        let place = usize::try_from(self.hasher.hash_one(host.as_bytes()) >> 54).unwrap_or_default() % SLOTS;
        let mut slot = self.slots[place].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = slot.as_ref().filter(|known| ***known == *host) {
            return Some(known.clone());
        }
        let new = ReferrerHost::from(&*host);
        *slot = Some(new.clone());
        Some(new)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_referrer_is_its_host_and_nothing_else_of_it() {
        let long = format!("https://{}.example/", "a".repeat(100));
        let cases = [
            ("https://news.example/item?id=1#x", Some("news.example")),
            ("https://WWW.Example.COM", Some("example.com")),
            ("http://user:secret@host.example:8080/path", Some("host.example")),
            ("http://[2001:DB8::1]:80/", Some("[2001:db8::1]")),
            (
                "android-app://com.google.android.gm/",
                Some("com.google.android.gm"),
            ),
            ("https://xn--bcher-kva.example?q", Some("xn--bcher-kva.example")),
            ("https://a.example\\@b.example/", Some("a.example")),
            ("", None),
            ("about:blank", None),
            ("https://", None),
            ("https://www.", None),
            ("https:///path", None),
            ("https://[::1", None),
            ("https://a b/", None),
            ("https://<script>/", None),
            ("https://\"a\",b/", None),
            ("java script://x/", None),
            (&long, None),
        ];
        let referrers = Referrers::default();
        for (referrer, host) in cases {
            for _ in 0..2 {
                let found = referrers.of(referrer.as_bytes());
                assert_eq!(found.as_deref(), host, "{referrer}");
            }
        }
        assert_eq!(referrers.of(b"https://\xff/"), None);
    }

    proptest! {
        #[test]
        fn whatever_is_sent_what_is_kept_of_it_is_short_and_harmless(
            referrer in "(https?|HTTP|x)?(:|://)?[\\[A-Za-z0-9.:@\\]/?#\"',;<=+ é-]{0,140}",
        ) {
            if let Some(host) = Referrers::default().of(referrer.as_bytes()) {
                prop_assert!((1..=REFERRER_BYTES_MAX).contains(&host.len()));
                prop_assert!(host.bytes().all(|byte| b"abcdefghijklmnopqrstuvwxyz0123456789.-_[]:".contains(&byte)));
            }
        }
    }

    #[test]
    fn a_host_that_comes_again_is_the_same_allocation() {
        let referrers = Referrers::default();
        let (one, two) = (
            referrers.of(b"https://a.example/1"),
            referrers.of(b"https://a.example/2"),
        );
        assert!(std::sync::Arc::ptr_eq(&one.unwrap().0, &two.unwrap().0));
    }
}
