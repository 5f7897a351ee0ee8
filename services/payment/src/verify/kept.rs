//! Heads that were written down where nobody who can write to the tables can write.

use std::str::FromStr;

use super::{Check, Finding, VerifyReport, hex, shards};
use crate::chain::{GENESIS, Hash};

/// A link as it once was the newest of its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptHead {
    pub(super) shard: i16,
    pub(super) link: i64,
    hash: Hash,
}

/// A head is written `SHARD:LINK:HASH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a head is SHARD:LINK:HASH, as in the list that `orrery ledger verify` prints: a shard from 0 to 7, the number of a link, \
     and its hash in 64 hexadecimal digits"
)]
pub struct InvalidHead;

impl FromStr for KeptHead {
    type Err = InvalidHead;

    fn from_str(text: &str) -> Result<Self, InvalidHead> {
        let mut words = text.trim().split(':');
        let (Some(shard), Some(link), Some(hash), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(InvalidHead);
        };
        let head = Self {
            shard: shard.parse().map_err(|_| InvalidHead)?,
            link: link.parse().map_err(|_| InvalidHead)?,
            hash: bytes(hash).ok_or(InvalidHead)?,
        };
        let known = shards().contains(&head.shard) && head.link >= 0;
        known.then_some(head).ok_or(InvalidHead)
    }
}

impl KeptHead {
    /// Compares it with the hash that the link has now; `None` where it is gone.
    pub(super) fn judge(&self, stored: Option<Vec<u8>>, report: &mut VerifyReport) {
        // Before the first link there is none to look for.
        let stored = if self.link == 0 {
            Some(GENESIS.to_vec())
        } else {
            stored
        };
        let trouble = match stored {
            Some(stored) if stored == self.hash => return,
            Some(stored) => format!(
                "its hash is {}, and the head that was kept says {}",
                hex(&stored),
                hex(&self.hash)
            ),
            None => format!("it is gone, and the head that was kept says {}", hex(&self.hash)),
        };
        report.findings.push(Finding {
            check: Check::Heads,
            follows: false,
            shard: Some(self.shard),
            link: Some(self.link),
            message: format!("shard {}, link {}: {trouble}", self.shard, self.link),
        });
    }
}

fn bytes(hexadecimal: &str) -> Option<Hash> {
    let mut hash = GENESIS;
    if hexadecimal.len() != 2 * hash.len() || !hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hexadecimal[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_printed_and_anything_else_is_refused() {
        let hash = "0f".repeat(32);
        let head: KeptHead = format!("7:12:{hash}").parse().unwrap();
        assert_eq!((head.shard, head.link, head.hash), (7, 12, [0x0f; 32]));
        for wrong in [
            String::new(),
            hash.clone(),
            format!("8:12:{hash}"),
            format!("-1:12:{hash}"),
            format!("7:-1:{hash}"),
            format!("7:12:{hash}:"),
            format!("7:12:{}", &hash[1..]),
            format!("7:12:+{}", &hash[1..]),
            format!("7:12:{}", "é".repeat(32)),
        ] {
            assert_eq!(wrong.parse::<KeptHead>(), Err(InvalidHead), "{wrong}");
        }
    }

    #[test]
    fn a_link_that_is_gone_or_another_is_found() {
        let head: KeptHead = format!("7:12:{}", "0f".repeat(32)).parse().unwrap();
        for (stored, sound) in [
            (Some(vec![0x0f; 32]), true),
            (Some(vec![0; 32]), false),
            (None, false),
        ] {
            let mut report = VerifyReport::default();
            head.judge(stored, &mut report);
            assert_eq!(report.is_sound(), sound, "{report}");
        }
    }
}
