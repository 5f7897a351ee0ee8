//! How often somebody may try a link's password.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::SharedClock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use limits::{Decision, KeyedLimiter, OnLoss, Rate, RateLimiter, RedisLimiter, SharedLimiter};
use redis_engine::Redis;
use sha2::Sha256;
use telemetry::Telemetry;

use crate::config::PasswordSettings;
use crate::link::Code;

/// How many times as often somebody may try at all of the links together as at one.
const CLIENT_TRIES: u32 = 4;
/// How long a right password is remembered, as a keyed hash.
const RIGHT_FOR: Duration = Duration::from_hours(1);

/// Tries of one client at one link's password: a token bucket each, shared by all processes where they share a Redis, else in each
/// process for itself. While that Redis is away each process counts for itself.
#[derive(Debug)]
pub struct Attempts {
    limiter: Arc<dyn RateLimiter>,
    /// Tries of one client at any link, so that nobody fills the other's memory by trying everything.
    by_client: KeyedLimiter<String>,
    /// Who gave which password rightly, and until when (monotonic) that is remembered: to give it again is no try.
    right: Mutex<HashMap<String, Duration>>,
    right_max: usize,
    clock: SharedClock,
    /// Who tried what stands in no memory but as a keyed hash.
    key: [u8; 32],
}

impl Attempts {
    /// `key` is a secret that processes share.
    pub fn new(
        settings: &PasswordSettings,
        key: [u8; 32],
        redis: Option<&Redis>,
        clock: SharedClock,
        telemetry: &Telemetry,
    ) -> Self {
        let burst = NonZeroU32::new(settings.tries_max).unwrap_or(NonZeroU32::MIN);
        let rate = Rate::one_each(burst, Duration::from_millis(settings.try_again_ms.max(1)));
        let keys_max = NonZeroUsize::new(settings.clients_max).unwrap_or(NonZeroUsize::MIN);
        let often =
            NonZeroU32::new(settings.tries_max.saturating_mul(CLIENT_TRIES)).unwrap_or(NonZeroU32::MIN);
        let again = Duration::from_millis((settings.try_again_ms / u64::from(CLIENT_TRIES)).max(1));
        let by_client = KeyedLimiter::at_rate(Rate::one_each(often, again), keys_max, clock.clone());
        let own = KeyedLimiter::<String>::at_rate(rate, keys_max, clock.clone());
        let limiter: Arc<dyn RateLimiter> = match redis {
            None => Arc::new(own),
            Some(redis) => {
                let shared = RedisLimiter::new(redis, "password_tries", rate);
                Arc::new(SharedLimiter::new(own, shared, OnLoss::Local, telemetry))
            }
        };
        Self {
            limiter,
            by_client,
            right: Mutex::default(),
            right_max: keys_max.get(),
            clock,
            key,
        }
    }

    /// Takes one try; `Err` says how long to wait for the next. There need be no such link. Whoever gave this password rightly a while ago
    /// does not try: people behind one address open one link again and again.
    pub async fn take(&self, code: &Code, password: &str, client: Option<IpAddr>) -> Result<(), Duration> {
        const WAIT: Duration = Duration::from_secs(1);
        if self.was_right(&self.name_of(Some(code), password, client)) {
            return Ok(());
        }
        match self.limiter.check(&self.name(Some(code), client)).await {
            Ok(Decision { allowed: true, .. }) => {
                let at_any = self.by_client.check(&self.name(None, client));
                if at_any.allowed {
                    Ok(())
                } else {
                    Err(at_any.retry_after.unwrap_or(WAIT))
                }
            }
            Ok(refused) => Err(refused.retry_after.unwrap_or(WAIT)),
            // Nobody could decide.
            Err(_) => Err(WAIT),
        }
    }

    /// Remembers for a while that the password was right, so that giving it again is no try.
    pub fn note_right(&self, code: &Code, password: &str, client: Option<IpAddr>) {
        let now = self.clock.monotonic();
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if right.len() >= self.right_max {
            right.retain(|_, until| *until > now);
        }
        if right.len() < self.right_max {
            right.insert(self.name_of(Some(code), password, client), now + RIGHT_FOR);
        }
    }

    fn was_right(&self, name: &str) -> bool {
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right
            .get(name)
            .is_some_and(|until| *until > self.clock.monotonic())
    }

    fn name(&self, code: Option<&Code>, client: Option<IpAddr>) -> String {
        self.name_of(code, "", client)
    }

    /// One client at one link, or at all of them, with a password or whatever password it may be.
    fn name_of(&self, code: Option<&Code>, password: &str, client: Option<IpAddr>) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(code.map_or("", Code::as_str).as_bytes());
        // No code has a space.
        mac.update(b" ");
        match client.map(network) {
            Some(IpAddr::V4(address)) => mac.update(&address.octets()),
            Some(IpAddr::V6(address)) => mac.update(&address.octets()),
            None => {}
        }
        mac.update(b" ");
        mac.update(password.as_bytes());
        let hash = mac.finalize().into_bytes();
        let half: [u8; 16] = std::array::from_fn(|index| hash[index]);
        format!("{:032x}", u128::from_be_bytes(half))
    }
}

/// Whoever has one address of a /64 has all of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use clock::ManualClock;
    use telemetry::TelemetrySettings;

    use super::*;

    #[tokio::test]
    async fn a_client_has_a_few_tries_at_a_link_and_others_have_their_own() {
        let clock = ManualClock::at(1_795_305_600_000);
        let telemetry =
            Telemetry::new("attempts", "test", &TelemetrySettings::default(), clock.clone()).unwrap();
        let settings = PasswordSettings::default();
        let attempts = Attempts::new(&settings, [7; 32], None, clock.clone(), &telemetry);
        let (one, other) = (Code::parse("one").unwrap(), Code::parse("other").unwrap());
        let try_it = async |code: &Code, from: &str| attempts.take(code, "a guess", from.parse().ok()).await;
        for _ in 0..5 {
            assert_eq!(try_it(&one, "192.0.2.1").await, Ok(()));
        }
        assert_eq!(try_it(&one, "192.0.2.1").await, Err(Duration::from_secs(20)));
        let mapped = "::ffff:192.0.2.1";
        assert!(
            try_it(&one, mapped).await.is_err(),
            "the same in another spelling"
        );
        assert_eq!(try_it(&other, "192.0.2.1").await, Ok(()));
        assert_eq!(try_it(&one, "192.0.2.2").await, Ok(()));
        for host in 1..=5 {
            assert_eq!(try_it(&one, &format!("2001:db8::{host}")).await, Ok(()));
        }
        assert!(
            try_it(&one, "2001:db8::6").await.is_err(),
            "one network, one client"
        );
        assert_eq!(try_it(&one, "2001:db8:0:1::6").await, Ok(()));
        clock.advance(Duration::from_secs(20));
        assert_eq!(try_it(&one, "192.0.2.1").await, Ok(()));
        assert!(try_it(&one, "192.0.2.1").await.is_err());
        // Whoever tries one link after another is held back before all memory is theirs.
        let mut tried = 0;
        while try_it(&Code::parse(&format!("code-{tried}")).unwrap(), "198.51.100.9")
            .await
            .is_ok()
        {
            tried += 1;
        }
        assert_eq!(tried, 5 * CLIENT_TRIES);
        assert_eq!(try_it(&one, "198.51.100.10").await, Ok(()));
        // A right password, given again, is no try; another one is.
        let here = "203.0.113.5".parse().ok();
        attempts.note_right(&one, "sesame", here);
        for _ in 0..50 {
            assert_eq!(attempts.take(&one, "sesame", here).await, Ok(()));
        }
        assert!(
            attempts
                .take(&one, "sesame", "198.51.100.9".parse().ok())
                .await
                .is_err()
        );
        clock.advance(RIGHT_FOR);
        for _ in 0..5 {
            assert_eq!(attempts.take(&one, "sesame", here).await, Ok(()));
        }
        assert!(attempts.take(&one, "sesame", here).await.is_err());
    }
}
