//! One token bucket a tenant, and the headers that tell a client where it stands.
//!
//! The headers are those of draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy: "tenant";q=<quota>;w=<seconds>` and
//! `RateLimit: "tenant";r=<remaining>;t=<seconds until full>`.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use identity::Tenant;
use limits::{
    Decision, KeyedLimiter, LimitError, LimitSettings, OnLoss, RateLimiter, RedisLimiter, SharedLimiter,
};
use redis_engine::{Redis, RedisUrl};
use server::{Readiness, Role};

use crate::config::{SettingError, Settings};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// Where the buckets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buckets {
    Memory,
    Redis,
}

impl Buckets {
    /// What `rate_limit_url` names. An error never repeats it: it may hold a password.
    pub(crate) fn named(settings: &Settings) -> Result<Self, SettingError> {
        let url = settings.rate_limit_url.as_str();
        match url.split(':').next() {
            Some("memory") if url == "memory:" => Ok(Self::Memory),
            Some("redis") => RedisUrl::parse(url)
                .map(|_| Self::Redis)
                .map_err(|error| refused(error.to_string())),
            _ => Err(refused(
                "names no engine: use memory: or redis://host:port/DB?prefix=NAME".to_owned(),
            )),
        }
    }
}

fn refused(detail: String) -> SettingError {
    SettingError {
        setting: "rate_limit_url",
        detail,
    }
}

/// The limiter of all tenants.
#[derive(Debug)]
pub(crate) struct TenantLimits {
    limiter: Arc<dyn RateLimiter>,
    /// Kept to ask how it does.
    redis: Option<Redis>,
    policy: HeaderValue,
}

impl TenantLimits {
    /// Opens the engine that the settings name. Without its Redis, a gateway starts all the same when it may count for itself.
    pub(crate) async fn open(role: &Role, settings: &Settings) -> Result<Self, SettingError> {
        let limit = &settings.rate_limit;
        let own = KeyedLimiter::<String>::new(limit, role.clock.clone());
        let (limiter, redis): (Arc<dyn RateLimiter>, _) = match Buckets::named(settings)? {
            Buckets::Memory => (Arc::new(own), None),
            Buckets::Redis => {
                let redis = connect(role, settings).await?;
                let shared = RedisLimiter::new(&redis, "rate_limit", limit.rate());
                let on_loss = settings.rate_limit_on_loss;
                let limiter = SharedLimiter::new(own, shared, on_loss, &role.telemetry);
                (Arc::new(limiter), Some(redis))
            }
        };
        Ok(Self {
            limiter,
            redis,
            policy: policy(limit),
        })
    }

    /// Takes a token of this tenant's, if there is one.
    pub(crate) async fn check(&self, tenant: &Tenant) -> Result<Decision, LimitError> {
        self.limiter.check(tenant.as_str()).await
    }

    /// Redis away is worth an operator's look, and no reason to take the gateway out: redirects go on in any case.
    pub(crate) fn watched_by(&self, readiness: Readiness) -> Readiness {
        let Some(redis) = self.redis.clone() else {
            return readiness;
        };
        let timeout = redis.settings().probe_timeout();
        readiness.degraded_by("redis", PROBE_INTERVAL, timeout, move || {
            let redis = redis.clone();
            async move { redis.probe().await.map_err(|error| error.to_string()) }
        })
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

async fn connect(role: &Role, settings: &Settings) -> Result<Redis, SettingError> {
    let (url, clock) = (&settings.rate_limit_url, role.clock.clone());
    if settings.rate_limit_on_loss == OnLoss::Refuse {
        let connected = Redis::connect(url, settings.redis.clone(), role.telemetry.clone(), clock).await;
        return connected.map_err(|error| refused(error.to_string()));
    }
    let redis = Redis::connecting(url, settings.redis.clone(), &role.telemetry, clock)
        .map_err(|error| refused(error.to_string()))?;
    if let Err(error) = redis.probe().await {
        tracing::warn!(%error, "starting without the shared rate limiter; this gateway counts for itself until it is there");
    }
    Ok(redis)
}

/// A bucket is not a window; the draft's window is the time in which the whole quota comes back.
fn policy(settings: &LimitSettings) -> HeaderValue {
    let window_s = settings.burst.get().div_ceil(settings.refill_per_second.get());
    HeaderValue::try_from(format!("\"tenant\";q={};w={window_s}", settings.burst)).expect("digits and quotes")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use clock::ManualClock;

    use super::*;

    #[test]
    fn a_url_of_no_engine_is_refused_without_its_password() {
        for bad in [
            "",
            "memory:x",
            "memory",
            "postgres://u:secret@h",
            "redis://u:secret@h/x",
            "redis:",
        ] {
            let settings = Settings {
                rate_limit_url: bad.to_owned(),
                ..Settings::default()
            };
            let error = Buckets::named(&settings).expect_err(bad).to_string();
            assert!(error.starts_with("gateway.rate_limit_url: "), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn the_headers_are_those_of_the_draft() {
        let three = NonZeroU32::new(3).expect("not zero");
        let one = NonZeroU32::MIN;
        let settings = LimitSettings {
            burst: three,
            refill_per_second: one,
            ..LimitSettings::default()
        };
        let clock = ManualClock::at(0);
        let limits = TenantLimits {
            limiter: Arc::new(KeyedLimiter::<String>::new(&settings, clock.clone())),
            redis: None,
            policy: policy(&settings),
        };
        let tenant = Tenant::parse("acme").expect("a tenant");
        let mut told = Vec::new();
        for _ in 0..4 {
            let mut headers = HeaderMap::new();
            let decision = limits.check(&tenant).await.expect("in memory");
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
