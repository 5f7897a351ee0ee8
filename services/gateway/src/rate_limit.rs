//! One token bucket a tenant, and the headers that tell a client where it stands.
//!
//! The headers are those of draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy: "tenant";q=<quota>;w=<seconds>` and
//! `RateLimit: "tenant";r=<remaining>;t=<seconds until full>`.

use clock::SharedClock;
use http::{HeaderMap, HeaderName, HeaderValue};
use identity::Tenant;
use limits::{Decision, KeyedLimiter, LimitSettings};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limiter of all tenants.
#[derive(Debug)]
pub(crate) struct TenantLimits {
    limiter: KeyedLimiter<Tenant>,
    policy: HeaderValue,
}

impl TenantLimits {
    pub(crate) fn new(settings: &LimitSettings, clock: SharedClock) -> Self {
        Self {
            limiter: KeyedLimiter::new(settings, clock),
            policy: policy(settings),
        }
    }

    /// Takes a token of this tenant's, if there is one.
    pub(crate) fn check(&self, tenant: &Tenant) -> Decision {
        self.limiter.check(tenant)
    }

    /// Tells the client. An upstream's own limit headers give way: two would contradict each other.
    pub(crate) fn tell(&self, headers: &mut HeaderMap, decision: &Decision) {
        let Decision {
            remaining, reset_s, ..
        } = decision;
        headers.insert(RATE_LIMIT_POLICY, self.policy.clone());
        if let Ok(value) = HeaderValue::try_from(format!("\"tenant\";r={remaining};t={reset_s}")) {
            headers.insert(RATE_LIMIT, value);
        }
    }
}

/// A bucket is not a window; the draft's window is the time in which the whole quota comes back.
fn policy(settings: &LimitSettings) -> HeaderValue {
    let window_s = settings.burst.get().div_ceil(settings.refill_per_second.get());
    HeaderValue::try_from(format!("\"tenant\";q={};w={window_s}", settings.burst)).expect("digits and quotes")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use clock::ManualClock;

    use super::*;

    #[test]
    fn the_headers_are_those_of_the_draft() {
        let three = NonZeroU32::new(3).expect("not zero");
        let one = NonZeroU32::MIN;
        let settings = LimitSettings {
            burst: three,
            refill_per_second: one,
            ..LimitSettings::default()
        };
        let clock = ManualClock::at(0);
        let limits = TenantLimits::new(&settings, clock.clone());
        let tenant = Tenant::parse("acme").expect("a tenant");
        let mut told = Vec::new();
        for _ in 0..4 {
            let mut headers = HeaderMap::new();
            let decision = limits.check(&tenant);
            limits.tell(&mut headers, &decision);
            assert_eq!(headers[RATE_LIMIT_POLICY], "\"tenant\";q=3;w=3");
            told.push((
                decision.allowed,
                headers[RATE_LIMIT].to_str().expect("ASCII").to_owned(),
            ));
            clock.advance(Duration::from_millis(1));
        }
        let told: Vec<_> = told
            .iter()
            .map(|(allowed, value)| (*allowed, value.as_str()))
            .collect();
        let ends = [
            "\"tenant\";r=2;t=1",
            "\"tenant\";r=1;t=2",
            "\"tenant\";r=0;t=3",
            "\"tenant\";r=0;t=3",
        ];
        assert_eq!(
            told,
            [
                (true, ends[0]),
                (true, ends[1]),
                (true, ends[2]),
                (false, ends[3])
            ]
        );
    }
}
