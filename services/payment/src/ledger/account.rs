//! Accounts.

use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

use super::{Claim, Currency};

/// Into how many parts a hot account may be split at most.
pub const PARTS_MAX: u16 = 64;

/// Which of `parts` takes what the row or hold `id` brings: the same in Rust and in SQL, within 63 bits. Of a Snowflake the low bits say
/// little (ids made one at a time end in the same ones), so its time and what stands below are added, and multiplied by the golden
/// ratio's share of 2^32 (Knuth, The Art of Computer Programming, 6.4): neighbours fall far apart.
pub fn part_of(id: Id, parts: u16) -> u16 {
    let told = ((id.as_u64() >> 22) + (id.as_u64() & 0x3f_ffff)) & 0x7fff_ffff;
    let spread = (told * 2_654_435_769) & 0xffff_ffff;
    u16::try_from((spread * u64::from(parts)) >> 32).unwrap_or_default()
}

/// The five kinds of double entry. The kind says on which side an account grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// What is owned: grows by debits.
    Asset,
    /// What is owed, such as a customer's wallet: grows by credits.
    Liability,
    /// Earned: grows by credits.
    Income,
    /// Spent: grows by debits.
    Expense,
    /// The owners' own: grows by credits.
    Equity,
}

impl AccountKind {
    /// All, in the order of their codes in the store.
    pub const ALL: [Self; 5] = [
        Self::Asset,
        Self::Liability,
        Self::Income,
        Self::Expense,
        Self::Equity,
    ];

    /// As the store keeps it.
    pub const fn code(self) -> i16 {
        match self {
            Self::Asset => 0,
            Self::Liability => 1,
            Self::Income => 2,
            Self::Expense => 3,
            Self::Equity => 4,
        }
    }

    /// Read back from the store.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether it grows by debits. Balances are kept debits minus credits; the others show theirs with the sign turned.
    pub const fn is_debit_normal(self) -> bool {
        matches!(self, Self::Asset | Self::Expense)
    }
}

/// Where an account's normal balance may not go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Balance less what is held of it stays at zero or above.
    pub not_below_zero: bool,
    /// Balance with what is held for it stays at zero or below.
    pub not_above_zero: bool,
}

/// An account. All but `name`, `metadata` and `closed_at_ms` is for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub tenant: Tenant,
    /// Unique in the tenant.
    pub id: Id,
    /// Of all its postings.
    pub currency: Currency,
    /// On which side it grows.
    pub kind: AccountKind,
    /// Where it may not go.
    pub limits: Limits,
    /// 1, or more where a hot account is split into parts that sum; such a one has no limits.
    pub parts: u16,
    /// For people.
    pub name: Option<String>,
    /// The client's own, a JSON object as text.
    pub metadata: String,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Nothing is posted to it any more. Unix milliseconds.
    pub closed_at_ms: Option<u64>,
}

/// An account to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// What it will be; `closed_at_ms` is `None`.
    pub account: Account,
    /// The idempotency record, where the client gave a key.
    pub claim: Option<Claim>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn least_and_most(parts: u16, ids: impl Iterator<Item = u64>) -> (usize, usize) {
        let mut taken = vec![0; usize::from(parts)];
        for id in ids {
            taken[usize::from(part_of(Id::from_u64(id).unwrap(), parts))] += 1;
        }
        (*taken.iter().min().unwrap(), *taken.iter().max().unwrap())
    }

    #[test]
    fn snowflakes_made_one_at_a_time_spread_over_all_parts() {
        for worker in [0, 1, 1_023] {
            // One a millisecond, each the first of its own.
            let lone = (0..1_000).map(|ms| ((86_400_000 + ms) << 22) | (worker << 12));
            let (least, most) = least_and_most(8, lone);
            assert!(least >= 62 && most <= 250, "of 125 each: {least} to {most}");
        }
    }

    #[test]
    fn ids_of_one_millisecond_and_ids_counted_by_the_client_spread_too() {
        let at_once = (0..1_000).map(|sequence| (86_400_000 << 22) | sequence);
        let counted = 1..1_001;
        for (least, most) in [least_and_most(8, at_once), least_and_most(8, counted)] {
            assert!(least >= 62 && most <= 250, "of 125 each: {least} to {most}");
        }
    }

    #[test]
    fn every_id_has_a_part_and_one_part_has_every_id() {
        for id in [1, 2, u64::MAX >> 1] {
            let id = Id::from_u64(id).unwrap();
            assert_eq!(part_of(id, 1), 0);
            assert!(part_of(id, PARTS_MAX) < PARTS_MAX);
        }
    }
}
