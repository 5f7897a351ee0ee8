//! When which key signs, is published and goes: pure arithmetic over the stored keys.
//!
//! ```text
//! key 1   ──signs──────────────┐ (published)      ┌ deleted: its last token has expired
//! key 2          ┌ published ──┴─signs────────────┴──
//!                  key_notice
//! ```

use identity::TOKEN_LIFETIME_S_MAX;

/// After its last token expired a key stays published a little longer: clocks differ.
const CLOCK_MARGIN_MS: u64 = 60_000;

/// A key as it is stored. The list a store gives is ordered by `use_from_ms`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id.
    pub kid: String,
    /// Its secret, PKCS#8.
    pub pkcs8: Vec<u8>,
    /// From when on it signs (unix ms); until its successor does.
    pub use_from_ms: u64,
}

impl std::fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRecord")
            .field("kid", &self.kid)
            .field("use_from_ms", &self.use_from_ms)
            .finish_non_exhaustive()
    }
}

/// The key that signs now: the newest whose time has come. Should the clock have gone back before all of them, the oldest.
pub(crate) fn signer(keys: &[KeyRecord], now_ms: u64) -> Option<&KeyRecord> {
    keys.iter()
        .rev()
        .find(|key| key.use_from_ms <= now_ms)
        .or_else(|| keys.first())
}

/// From when on the next key should sign, if it is time to make one. The very first signs at once: nobody knows an older one.
pub(crate) fn successor_due(
    keys: &[KeyRecord],
    now_ms: u64,
    rotation_ms: u64,
    notice_ms: u64,
) -> Option<u64> {
    let Some(newest) = keys.last() else {
        return Some(now_ms);
    };
    let waiting = newest.use_from_ms > now_ms;
    let due = now_ms.saturating_add(notice_ms) >= newest.use_from_ms.saturating_add(rotation_ms);
    (due && !waiting).then(|| now_ms.saturating_add(notice_ms))
}

/// The keys whose last token has expired: they need not be published any more.
pub(crate) fn retired(keys: &[KeyRecord], now_ms: u64) -> impl Iterator<Item = &KeyRecord> {
    let kept_for_ms = TOKEN_LIFETIME_S_MAX * 1_000 + CLOCK_MARGIN_MS;
    keys.iter()
        .zip(keys.iter().skip(1))
        .filter(move |(_, next)| next.use_from_ms.saturating_add(kept_for_ms) <= now_ms)
        .map(|(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const NOTICE: u64 = 120_000;

    fn keys(times: &[u64]) -> Vec<KeyRecord> {
        times
            .iter()
            .map(|t| KeyRecord {
                kid: format!("k{t}"),
                pkcs8: vec![],
                use_from_ms: *t,
            })
            .collect()
    }

    #[test]
    fn the_first_key_signs_at_once_and_the_next_ones_are_announced() {
        assert_eq!(successor_due(&[], 5, HOUR, NOTICE), Some(5));
        let one = keys(&[0]);
        assert_eq!(successor_due(&one, HOUR - NOTICE - 1, HOUR, NOTICE), None);
        assert_eq!(successor_due(&one, HOUR - NOTICE, HOUR, NOTICE), Some(HOUR));
        let two = keys(&[0, HOUR]);
        assert_eq!(
            successor_due(&two, HOUR - 1, HOUR, NOTICE),
            None,
            "one waits already"
        );
        assert_eq!(signer(&two, HOUR - 1).unwrap().use_from_ms, 0);
        assert_eq!(signer(&two, HOUR).unwrap().use_from_ms, HOUR);
    }

    #[test]
    fn after_a_long_sleep_the_new_key_is_still_announced_first() {
        let one = keys(&[0]);
        assert_eq!(
            successor_due(&one, 100 * HOUR, HOUR, NOTICE),
            Some(100 * HOUR + NOTICE)
        );
    }

    #[test]
    fn a_key_goes_when_its_last_token_has_expired() {
        let two = keys(&[0, HOUR]);
        let gone = |now: u64| retired(&two, now).map(|key| key.use_from_ms).collect::<Vec<_>>();
        assert!(gone(HOUR + 900_000 + 59_999).is_empty());
        assert_eq!(gone(HOUR + 900_000 + 60_000), [0]);
        assert_eq!(gone(u64::MAX), [0], "the newest never goes");
    }

    #[test]
    fn a_clock_that_went_back_before_every_key_still_finds_one() {
        assert_eq!(signer(&keys(&[10, 20]), 5).unwrap().use_from_ms, 10);
        assert!(signer(&[], 5).is_none());
    }
}
