//! One bucket a tenant, told in every answer.

use std::num::{NonZeroU32, NonZeroUsize};

use crate::client::{Reply, ask};
use crate::front::{Front, Plan};
use crate::upstreams;

async fn front() -> (Front, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let (upstream, asked) = upstreams::counting_echo().await;
    let mut plan = Plan::with(upstream).await;
    plan.settings.rate_limit.burst = NonZeroU32::new(3).expect("not zero");
    plan.settings.rate_limit.refill_per_second = NonZeroU32::new(2).expect("not zero");
    (plan.start(), asked)
}

async fn one(front: &Front, tenant: &str) -> Reply {
    ask(
        front.addr,
        &["GET /v1/links HTTP/1.1", &front.bearer(tenant)],
        b"",
    )
    .await
}

#[tokio::test]
async fn a_tenant_uses_up_its_bucket_and_gets_it_back_with_time() {
    let (front, asked) = front().await;
    for (left, reset) in [(2, 1), (1, 1), (0, 2)] {
        let reply = one(&front, "acme").await;
        assert_eq!(
            (reply.status, reply.header("ratelimit-policy")),
            (200, Some("\"tenant\";q=3;w=2"))
        );
        assert_eq!(
            reply.header("ratelimit"),
            Some(format!("\"tenant\";r={left};t={reset}").as_str())
        );
    }
    let refused = one(&front, "acme").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "too_many_requests")
    );
    assert_eq!(
        refused.header("retry-after"),
        Some("1"),
        "half a second, rounded up"
    );
    assert_eq!(refused.header("ratelimit"), Some("\"tenant\";r=0;t=2"));
    assert_eq!(refused.json()["retryable"], true);
    assert_eq!(
        asked.load(std::sync::atomic::Ordering::SeqCst),
        3,
        "the upstream is spared"
    );

    front.advance(499);
    assert_eq!(one(&front, "acme").await.status, 429);
    front.advance(1);
    assert_eq!(one(&front, "acme").await.status, 200, "one token has come back");
    assert_eq!(one(&front, "acme").await.status, 429);
}

#[tokio::test]
async fn one_tenant_cannot_use_up_another_ones_bucket() {
    let (front, _) = front().await;
    for _ in 0..5 {
        one(&front, "acme").await;
    }
    assert_eq!(one(&front, "acme").await.status, 429);
    let other = one(&front, "globex").await;
    assert_eq!(
        (other.status, other.header("ratelimit")),
        (200, Some("\"tenant\";r=2;t=1"))
    );
    let metrics = crate::client::get(front.admin, "/metrics").await.text();
    assert!(
        metrics.contains("gateway_rate_limited_total{tenant=\"acme\"} 3"),
        "{metrics}"
    );
    assert!(!metrics.contains("globex"));
}

#[tokio::test]
async fn a_failing_upstream_is_told_with_the_limits_too() {
    let front = Front::before(upstreams::down().await).await;
    let reply = one(&front, "acme").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("ratelimit"), Some("\"tenant\";r=1999;t=1"));
}

#[tokio::test]
async fn a_new_tenant_for_whom_there_is_no_bucket_is_not_told_that_it_asked_too_often() {
    let (upstream, _) = upstreams::counting_echo().await;
    let mut plan = Plan::with(upstream).await;
    plan.settings.rate_limit.refill_per_second = NonZeroU32::MIN;
    plan.settings.rate_limit.keys_max = NonZeroUsize::MIN;
    let front = plan.start();
    assert_eq!(one(&front, "acme").await.status, 200);
    let refused = one(&front, "globex").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "rate_limiter_full")
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["retryable"], true);
    assert_eq!(
        refused.header("ratelimit"),
        None,
        "nothing is known of its bucket"
    );
    let metrics = crate::client::get(front.admin, "/metrics").await.text();
    assert!(
        metrics.contains("gateway_refused_total{upstream=\"shortener\",code=\"rate_limiter_full\"} 1"),
        "{metrics}"
    );
    assert!(
        !metrics.contains("gateway_rate_limited_total{tenant="),
        "{metrics}"
    );
    front.advance(1_000);
    assert_eq!(one(&front, "globex").await.status, 200);
}
