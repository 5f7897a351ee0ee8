//! Domain values of one case. On an engine that cases share, each works with tenants, codes and events of its own.

use identity::Tenant;
use ids::Id;
use shortener::link::{Code, OwnHosts};

use super::*;

pub(super) const NOW_MS: u64 = 1_795_305_600_000;
pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A mark that no other case has, in everything that names something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names(u32);

impl Names {
    pub(super) fn fresh() -> Self {
        Self(rand::random())
    }

    /// A number that no other case has.
    pub(super) fn number(self) -> u32 {
        self.0
    }

    fn mark(self) -> String {
        format!("{:08x}", self.0)
    }

    /// What only this case may be using on an engine.
    pub(super) fn space(self) -> String {
        self.mark()
    }

    pub(super) fn tenant(self, name: &str) -> Tenant {
        Tenant::parse(&format!("{name}-{}", self.mark())).unwrap()
    }

    pub(super) fn longest_tenant(self) -> Tenant {
        Tenant::parse(&format!("{:t<64}", self.mark())).unwrap()
    }

    pub(super) fn code(self, text: &str) -> Code {
        Code::parse(&format!("{text}-{}", self.mark())).unwrap()
    }

    pub(super) fn longest_code(self) -> Code {
        Code::parse(&format!("{:c<64}", self.mark())).unwrap()
    }

    pub(super) fn link(self, number: u64, text: &str) -> Link {
        let url = format!("https://example.com/{number}");
        Link {
            id: id(number),
            tenant: self.tenant("acme"),
            code: self.code(text),
            target: TargetUrl::parse(&url, &OwnHosts::new(), URL_BYTES_MAX).unwrap(),
            lifetime: Lifetime::UntilDeleted,
            tags: Tags::default(),
            created_at_ms: NOW_MS,
            updated_at_ms: NOW_MS,
            revision: 1,
            details: Details::default(),
        }
    }

    pub(super) fn record(self, key: &str, body: &str) -> NewRecord {
        NewRecord {
            scope: RecordScope {
                tenant: self.tenant("acme"),
                user: User::parse("ada").unwrap(),
                key: IdempotencyKey::parse(key).unwrap(),
            },
            fingerprint: Fingerprint::of("POST", "/v1/links", body.as_bytes()),
            asked_at_ms: NOW_MS,
            expires_at_ms: NOW_MS + DAY_MS,
        }
    }

    pub(super) fn clicks(self, event_id: &str, sums: &[(&str, u64, u64, u64)]) -> ClickBatch {
        let sum = |(name, number, count, last_at_ms): &(&str, u64, u64, u64)| LinkClicks {
            tenant: self.tenant(name),
            link_id: id(*number),
            count: *count,
            last_at_ms: *last_at_ms,
        };
        ClickBatch {
            event_id: format!("{event_id}-{}", self.mark()),
            counted_at_ms: NOW_MS,
            links: sums.iter().map(sum).collect(),
        }
    }
}

pub(super) fn id(number: u64) -> Id {
    Id::from_u64(number).unwrap()
}
