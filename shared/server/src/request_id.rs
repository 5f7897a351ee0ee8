//! The name under which one request is found in the logs.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::context;

/// Carries the request id in both directions.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// 1 to 64 characters of `[A-Za-z0-9_-]`: the caller's, when it sent a good one, or ours. It is logged and repeated in answers, so one that has a
/// card number in it is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id of the request that the running task works for; pass it on in [`REQUEST_ID_HEADER`].
    pub fn current() -> Option<Self> {
        context::with(|context| context.request_id.clone())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// As a header's value.
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }

    fn sent_by_caller(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(REQUEST_ID_HEADER)?;
        let bytes = value.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let good = (1..=64).contains(&bytes.len()) && bytes.iter().all(plain) && !has_card_number(bytes);
        good.then(|| Self(value.clone()))
    }
}

/// Whether an id in ASCII has a card number in it.
fn has_card_number(id: &[u8]) -> bool {
    std::str::from_utf8(id).is_ok_and(card_numbers::is_in)
}

/// Makes ids that differ within the process and, but for chance, between processes.
///
/// SplitMix64 (Steele, Lea and Flood 2014) is a permutation of the counter, so no id comes twice before 2^64 of them;
/// the random start keeps processes apart. An id is a name, never a secret, so this is random enough.
#[derive(Debug)]
pub(crate) struct RequestIds(AtomicU64);

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(rand::random()))
    }

    /// The caller's id when it is a good one, else a new one.
    pub(crate) fn identify(&self, headers: &HeaderMap) -> RequestId {
        RequestId::sent_by_caller(headers).unwrap_or_else(|| self.next())
    }

    fn next(&self) -> RequestId {
        loop {
            let digits = self.draw();
            // What looks like a card number is refused by services that take none: one id in two thousand would.
            if !has_card_number(&digits) {
                return RequestId(HeaderValue::from_bytes(&digits).expect("hex digits are a header value"));
            }
        }
    }

    fn draw(&self) -> [u8; 16] {
        let mut mixed = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let mut digits = [0_u8; 16];
        for digit in &mut digits {
            *digit = b"0123456789abcdef"[(mixed >> 60) as usize];
            mixed <<= 4;
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn made_ids_are_sixteen_hex_digits_and_all_different() {
        let ids = RequestIds::new();
        let made: HashSet<String> = (0..10_000).map(|_| ids.next().as_str().to_owned()).collect();
        assert_eq!(made.len(), 10_000);
        assert!(!made.iter().any(|id| has_card_number(id.as_bytes())));
        assert!(
            made.iter()
                .all(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        );
    }

    #[test]
    fn a_callers_id_is_taken_only_when_it_is_plain() {
        let ids = RequestIds::new();
        let identify = |sent: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID_HEADER, HeaderValue::from_bytes(sent).unwrap());
            ids.identify(&headers).as_str().to_owned()
        };
        assert_eq!(identify(b"abc-DEF_123"), "abc-DEF_123");
        for odd in [&b""[..], b"a b", b"a;b", b"\"x\"", b"\xff", &[b'x'; 65]] {
            assert_ne!(identify(odd).as_bytes(), odd);
            assert_eq!(identify(odd).len(), 16);
        }
        for card in [
            &b"4242424242424242"[..],
            b"4242-4242-4242-4242",
            b"order_4242-4242-4242-4242-7",
            b"378282246310005",
        ] {
            assert_ne!(identify(card).as_bytes(), card);
        }
        for fine in [
            &b"4242424242424241"[..],
            b"1795305600",
            b"0b7e4a5c-42424242424242424242",
        ] {
            assert_eq!(identify(fine).as_bytes(), fine);
        }
    }
}
