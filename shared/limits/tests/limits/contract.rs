//! What every `RateLimiter` promises. A token an hour: however slow the machine is, no token comes back unless a case lets time pass.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use limits::{Decision, Rate, RateLimiter};
use tokio::task::JoinSet;

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// Where buckets are kept.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// A limiter over the same buckets as the others; where several processes can share them, another process's.
    async fn limiter(&self, rate: Rate) -> Arc<dyn RateLimiter>;
    /// Lets time pass for every bucket.
    async fn pass(&self, time: Duration);
}

/// A test a case.
macro_rules! contract_suite {
    ($engine:expr) => {
        contract_suite!($engine;
            a_burst_passes_and_then_nothing_until_a_token_is_back,
            a_refused_request_takes_nothing,
            tokens_come_back_one_by_one,
            a_bucket_never_holds_more_than_its_burst,
            keys_do_not_touch_each_other,
            racing_requests_get_exactly_the_burst_through,
            the_largest_bucket_is_reckoned_with,
        );
    };
    ($engine:expr; $($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(engine) = $engine {
                    crate::contract::$case(&engine).await;
                }
            }
        )*
    };
}

pub(crate) fn an_hour_each(burst: u32) -> Rate {
    Rate::one_each(NonZeroU32::new(burst).expect("at least one"), HOUR)
}

pub(crate) async fn ask(limiter: &Arc<dyn RateLimiter>, key: &str) -> Decision {
    limiter.check(key).await.expect("the engine decides")
}

/// How many of `requests` pass.
pub(crate) async fn passes(limiter: &Arc<dyn RateLimiter>, key: &str, requests: usize) -> usize {
    let mut passed = 0;
    for _ in 0..requests {
        passed += usize::from(ask(limiter, key).await.allowed);
    }
    passed
}

/// A wait of an hour that began a moment ago.
fn is_about_an_hour(wait: Option<Duration>) -> bool {
    wait.is_some_and(|wait| wait <= HOUR && wait > Duration::from_mins(55))
}

pub(crate) async fn a_burst_passes_and_then_nothing_until_a_token_is_back(engine: &impl Engine) {
    let limiter = engine.limiter(an_hour_each(3)).await;
    for left in [2, 1, 0] {
        let decision = ask(&limiter, "acme").await;
        assert!(decision.allowed && !decision.keys_full, "{decision:?}");
        assert_eq!(
            (decision.limit, decision.remaining, decision.retry_after),
            (3, left, None)
        );
        let hours = 3 - u64::from(left);
        assert!(
            decision.reset_s <= hours * 3_600 && decision.reset_s > hours * 3_600 - 300,
            "{decision:?}"
        );
    }
    let refused = ask(&limiter, "acme").await;
    assert!(
        !refused.allowed && is_about_an_hour(refused.retry_after),
        "{refused:?}"
    );
    assert_eq!((refused.limit, refused.remaining), (3, 0));
    let wait = refused.retry_after.expect("a refusal says how long");
    engine.pass(wait).await;
    assert!(ask(&limiter, "acme").await.allowed, "what it was told is true");
    assert!(
        !ask(&limiter, "acme").await.allowed,
        "one token came back, not two"
    );
}

pub(crate) async fn a_refused_request_takes_nothing(engine: &impl Engine) {
    let limiter = engine.limiter(an_hour_each(1)).await;
    assert!(ask(&limiter, "acme").await.allowed);
    for _ in 0..20 {
        let refused = ask(&limiter, "acme").await;
        assert!(
            !refused.allowed && is_about_an_hour(refused.retry_after),
            "{refused:?}"
        );
    }
    engine.pass(HOUR).await;
    assert!(ask(&limiter, "acme").await.allowed);
}

pub(crate) async fn tokens_come_back_one_by_one(engine: &impl Engine) {
    let limiter = engine.limiter(an_hour_each(5)).await;
    assert_eq!(passes(&limiter, "acme", 9).await, 5);
    engine.pass(HOUR * 2).await;
    assert_eq!(passes(&limiter, "acme", 9).await, 2);
    engine.pass(HOUR).await;
    assert_eq!(passes(&limiter, "acme", 9).await, 1);
}

pub(crate) async fn a_bucket_never_holds_more_than_its_burst(engine: &impl Engine) {
    let limiter = engine.limiter(an_hour_each(2)).await;
    assert_eq!(passes(&limiter, "acme", 1).await, 1);
    engine.pass(HOUR * 1_000).await;
    assert_eq!(passes(&limiter, "acme", 9).await, 2);
}

pub(crate) async fn keys_do_not_touch_each_other(engine: &impl Engine) {
    let limiter = engine.limiter(an_hour_each(1)).await;
    let long = "k".repeat(1_000);
    for key in [
        "acme",
        "acme}",
        "{acme",
        "%7Dacme",
        "acme:rate",
        "",
        "Käse\n\0",
        &long,
    ] {
        assert!(ask(&limiter, key).await.allowed, "{key}");
        assert!(!ask(&limiter, key).await.allowed, "{key}");
    }
}

pub(crate) async fn racing_requests_get_exactly_the_burst_through(engine: &impl Engine) {
    let mut racing = JoinSet::new();
    for number in 0..60 {
        // Every other request comes from another process, where the engine knows several.
        let limiter = engine.limiter(an_hour_each(20)).await;
        let key = ["acme", "globex"][number % 2];
        racing.spawn(async move { ask(&limiter, key).await.allowed });
    }
    let passed = racing
        .join_all()
        .await
        .into_iter()
        .filter(|allowed| *allowed)
        .count();
    assert_eq!(passed, 40, "20 of each of two keys");
}

pub(crate) async fn the_largest_bucket_is_reckoned_with(engine: &impl Engine) {
    let limiter = engine.limiter(Rate::new(NonZeroU32::MAX, NonZeroU32::MIN)).await;
    let first = ask(&limiter, "acme").await;
    assert_eq!(
        (first.allowed, first.limit, first.remaining),
        (true, u32::MAX, u32::MAX - 1)
    );
    let second = ask(&limiter, "acme").await;
    assert!(second.allowed && second.remaining < u32::MAX, "{second:?}");
}
