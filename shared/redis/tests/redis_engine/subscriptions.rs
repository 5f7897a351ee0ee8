//! Messages, and the honest word about those that were missed.

use bytes::Bytes;
use redis_engine::{Notice, RedisSettings, Subscription};

use crate::bench::{Bench, bench, in_time, settings, until};

fn watchful() -> RedisSettings {
    RedisSettings {
        probe_timeout_ms: 500,
        subscription_ping_ms: 20,
        ..settings()
    }
}

async fn next(subscription: &mut Subscription) -> Notice {
    in_time(subscription.next()).await
}

fn message(text: &str) -> Notice {
    Notice::Message(Bytes::copy_from_slice(text.as_bytes()))
}

async fn subscribed(bench: &Bench) -> Subscription {
    let mut subscription = bench.redis.subscribe("changes").expect("a URL");
    assert_eq!(next(&mut subscription).await, Notice::Ready);
    subscription
}

#[tokio::test]
async fn a_subscriber_hears_what_is_published_in_order_and_nothing_else() {
    let Some(bench) = bench("hears", settings()).await else {
        return;
    };
    let (mut one, mut two) = (subscribed(&bench).await, subscribed(&bench).await);
    assert_eq!(bench.redis.publish("other", b"x").await, Ok(0));
    for text in ["a", "", "c"] {
        assert_eq!(bench.redis.publish("changes", text.as_bytes()).await, Ok(2));
    }
    for subscription in [&mut one, &mut two] {
        for text in ["a", "", "c"] {
            assert_eq!(next(subscription).await, message(text));
        }
    }
    drop(two);
    until("who left is gone", async || {
        bench.redis.publish("changes", b"d").await == Ok(1)
    })
    .await;
}

#[tokio::test]
async fn prefixes_do_not_hear_each_other() {
    let Some(one) = bench("prefix_a", settings()).await else {
        return;
    };
    let Some(two) = bench("prefix_b", settings()).await else {
        return;
    };
    let _listening = subscribed(&one).await;
    assert_eq!(two.redis.publish("changes", b"x").await, Ok(0));
}

#[tokio::test]
async fn a_lost_connection_is_told_and_told_again_when_it_is_back() {
    let Some(bench) = bench("sub_cut", settings()).await else {
        return;
    };
    let mut subscription = subscribed(&bench).await;
    for _ in 0..2 {
        bench.proxy.cut();
        assert_eq!(next(&mut subscription).await, Notice::Lost);
        bench.proxy.heal();
        assert_eq!(next(&mut subscription).await, Notice::Ready);
        bench.until_up().await;
        assert_eq!(bench.redis.publish("changes", b"again").await, Ok(1));
        assert_eq!(next(&mut subscription).await, message("again"));
    }
}

#[tokio::test]
async fn a_connection_that_went_silent_is_told_though_nothing_broke_it() {
    let Some(bench) = bench("sub_silent", watchful()).await else {
        return;
    };
    let mut subscription = subscribed(&bench).await;
    // Behind the answer to the first ping, which is sent at once.
    let heard = bench.redis.publish("changes", b"a").await;
    assert_eq!((heard, next(&mut subscription).await), (Ok(1), message("a")));
    bench.proxy.stall();
    assert_eq!(next(&mut subscription).await, Notice::Lost);
    bench.proxy.heal();
    assert_eq!(next(&mut subscription).await, Notice::Ready);
}

#[tokio::test]
async fn a_subscription_made_while_redis_is_away_stands_as_soon_as_it_is_back() {
    let Some(bench) = bench("sub_later", settings()).await else {
        return;
    };
    bench.proxy.cut();
    let mut subscription = bench.redis.subscribe("changes").expect("a URL");
    bench.proxy.heal();
    assert_eq!(next(&mut subscription).await, Notice::Ready);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_to_begin_anew_and_hears_the_latest() {
    let few = RedisSettings {
        subscription_buffer_max: 4,
        ..settings()
    };
    let Some(bench) = bench("sub_slow", few).await else {
        return;
    };
    let mut slow = subscribed(&bench).await;
    for number in 0..50 {
        bench
            .redis
            .publish("changes", format!("{number}").as_bytes())
            .await
            .expect("published");
    }
    let mut heard = Vec::new();
    while heard.last() != Some(&message("49")) {
        heard.push(next(&mut slow).await);
    }
    let lost = heard.iter().filter(|notice| **notice == Notice::Lost).count();
    let messages = heard.len() - 2 * lost;
    assert!(messages == 50 || lost > 0, "{heard:?}");
    for pair in heard.windows(2) {
        assert!(pair[0] != Notice::Lost || pair[1] == Notice::Ready, "{heard:?}");
    }
}
