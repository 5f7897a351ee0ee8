//! Clicks, from a redirect into the counts.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use streams::Event;
use telemetry::{OtlpProtocol, Telemetry, TelemetrySettings};
use testkit::otlp::OtlpReceiver;

use crate::engines::embedded_only;
use crate::harness::{Blocked, Service, Setup, eventually, execute};

#[tokio::test(flavor = "multi_thread")]
async fn every_followed_link_is_counted_and_a_look_is_not() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "counted"}))
        .await;
    service
        .make(json!({"url": "https://example.com/", "alias": "other"}))
        .await;
    for _ in 0..250 {
        assert_eq!(service.get("/counted").await.status, 302);
    }
    assert_eq!(
        service.request(Method::HEAD, "/counted", &[], "").await.status,
        302
    );
    service.get("/other").await;
    service.get("/no-such-link").await;
    let link = service.clicked("counted", 250).await;
    assert!(link["last_click_at"].as_str().unwrap() >= link["created_at"].as_str().unwrap());
    service.clicked("other", 1).await;
    // The store tells of a sum before the worker is told that it is stored.
    eventually("each click is counted once", async || {
        service.metric(r#"shortener_clicks_total{step="counted"}"#).await == 251
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_that_wait_are_appended_before_the_service_stops_and_counted_by_the_next() {
    let setup = Setup::new()
        .await
        .change(|settings| settings.clicks.flush_interval_ms = 600_000);
    let service = setup.start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "drained"}))
        .await;
    for _ in 0..40 {
        service.get("/drained").await;
    }
    let service = service.restart().await;
    service.clicked("drained", 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stalls_delays_counting_and_nothing_else() {
    if embedded_only("the stream is a file that somebody locks") {
        return;
    }
    let setup = Setup::new()
        .await
        .change(|settings| settings.sqlite.write_deadline_ms = 300);
    let service = setup.start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "stalled"}))
        .await;
    let blocked = Blocked::new(service.folder.path().join("streams.db")).await;
    for _ in 0..30 {
        assert_eq!(service.get("/stalled").await.status, 302);
    }
    blocked.release().await;
    service.clicked("stalled", 30).await;
}

/// The store is locked by somebody else, then holds a schema that the statements do not fit, until an event has been tried far more
/// often than a failing one is.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_for_longer_than_an_events_deliveries_costs_no_click() {
    const DELIVERIES_MAX: u32 = 2;
    if embedded_only("the store is a file that somebody locks, and whose schema he breaks") {
        return;
    }
    // The schema is made while writes have their usual time.
    let (folder, clock) = Service::start().await.stop().await;
    let setup = Setup::at(folder).clock(clock).change(|settings| {
        settings.consumer.deliveries_max = DELIVERIES_MAX;
        settings.consumer.backoff_ms = 1;
        settings.sqlite.write_deadline_ms = 300;
    });
    let service = setup.start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "patient"}))
        .await;
    let file = service.folder.path().join("shortener.db");
    let follow_until_failed = async || {
        for _ in 0..20 {
            assert_eq!(service.get("/patient").await.status, 302);
        }
        let before = service.failed_counts().await;
        eventually("the event was tried often", async || {
            service.failed_counts().await > before + 5 * u64::from(DELIVERIES_MAX)
        })
        .await;
    };
    assert_eq!(service.get("/patient").await.status, 302);
    service.clicked("patient", 1).await;

    let blocked = Blocked::new(file.clone()).await;
    follow_until_failed().await;
    blocked.release().await;
    service.clicked("patient", 21).await;

    execute(&file, "ALTER TABLE statistics_pages RENAME TO elsewhere").await;
    follow_until_failed().await;
    execute(&file, "ALTER TABLE elsewhere RENAME TO statistics_pages").await;
    service.clicked("patient", 41).await;
    let letters = r#"stream_dead_letters_total{stream="visits",group="statistics"}"#;
    assert_eq!(service.metric(letters).await, 0);
}

/// While processes of two versions run, the older ones publish their clicks as they always did.
#[tokio::test(flavor = "multi_thread")]
async fn clicks_of_an_older_version_count_once_beside_new_ones() {
    let setup = Setup::new().await.change(|settings| {
        settings.consumer.poll_ms = 50;
    });
    let settings = setup.settings.clone();
    let service = setup.start().await;
    let link = service
        .make(json!({"url": "https://example.com/", "alias": "both"}))
        .await;
    for _ in 0..5 {
        assert_eq!(service.get("/both").await.status, 302);
    }
    service.clicked("both", 5).await;

    let telemetry = Telemetry::new(
        "older",
        "test",
        &TelemetrySettings::default(),
        service.clock.clone(),
    );
    let log = shortener::open_log(&settings, &telemetry.unwrap(), &service.clock)
        .await
        .unwrap();
    let at_ms = service.clock.unix_ms();
    let clicks = json!({"links": [
        {"tenant": "acme", "link": link["id"], "code": "both", "from_ms": at_ms, "after_ms": [[0, 1], [7, 2]]}
    ]});
    let event = Event::new(
        "older-1",
        "/shortener",
        "orrery.links.clicked",
        "older-1",
        at_ms,
        &clicks,
    );
    let event = event.unwrap();
    for _ in 0..2 {
        log.publish("clicks", std::slice::from_ref(&event)).await.unwrap();
    }
    service.clicked("both", 8).await;
    service.get("/both").await;
    service.clicked("both", 9).await;

    let changed = json!({"tags": ["counted"]});
    let changed = service.send(Method::PATCH, "/v1/links/both", &changed).await;
    assert_eq!(changed.json()["clicks"], 9);
    let listed = service.send(Method::GET, "/v1/links", &Value::Null).await;
    assert_eq!(listed.json()["items"][0]["clicks"], 9);
    service.restart().await.clicked("both", 9).await;
}

/// The queue's length is told while nothing is flushed, for then it matters.
#[tokio::test(flavor = "multi_thread")]
async fn the_length_of_the_queue_says_how_many_clicks_wait() {
    let setup = Setup::new()
        .await
        .change(|settings| settings.clicks.flush_interval_ms = 600_000);
    let service = setup.start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "waiting"}))
        .await;
    for waiting in 1..=3 {
        service.get("/waiting").await;
        assert_eq!(service.metric("shortener_click_queue_length").await, waiting);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_drops_clicks_and_says_how_many_and_redirects_go_on() {
    let setup = Setup::new().await.change(|settings| {
        settings.clicks.queue_max = 10;
        settings.clicks.flush_interval_ms = 600_000;
    });
    let service = setup.start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "flooded"}))
        .await;
    for _ in 0..25 {
        assert_eq!(service.get("/flooded").await.status, 302);
    }
    assert_eq!(
        service.metric(r#"shortener_clicks_total{step="recorded"}"#).await,
        10
    );
    assert_eq!(
        service.metric(r#"shortener_clicks_total{step="dropped"}"#).await,
        15
    );
    service.restart().await.clicked("flooded", 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sampled_click_is_one_trace_from_the_request_to_the_count() {
    let receiver = Arc::new(OtlpReceiver::start());
    let telemetry = TelemetrySettings {
        otlp_endpoint: Some(receiver.http_endpoint()),
        otlp_protocol: OtlpProtocol::Http,
        otlp_flush_interval_ms: 20,
        sample_ratio: 0.0,
        ..TelemetrySettings::default()
    };
    let service = Setup {
        telemetry,
        ..Setup::new().await
    }
    .start()
    .await;
    service
        .make(json!({"url": "https://example.com/secret-path", "alias": "traced"}))
        .await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    for flags in ["01", "00"] {
        let traceparent = format!("00-{trace}-b7ad6b7169203331-{flags}");
        let headers = [("traceparent", traceparent.as_str())];
        service.request(Method::GET, "/traced", &headers, "").await;
    }
    service.clicked("traced", 2).await;
    let of_trace = || {
        receiver
            .spans()
            .into_iter()
            .filter(|span| span.trace_id == trace)
            .collect::<Vec<_>>()
    };
    eventually("the spans arrive", async || {
        of_trace().iter().any(|span| span.name == "process clicks")
    })
    .await;
    let spans = of_trace();
    let only = |name: &str| {
        let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(found.len(), 1, "{name}: {spans:?}");
        found[0]
    };
    let (server, send, process) = (only("GET /{code}"), only("send clicks"), only("process clicks"));
    assert_eq!(server.parent_span_id, "b7ad6b7169203331");
    assert_eq!(
        (&send.parent_span_id, &process.parent_span_id),
        (&server.span_id, &send.span_id)
    );
    assert_eq!(send.attributes["messaging.destination.name"], "visits");
    assert!(
        !receiver.everything().contains("secret-path"),
        "no span carries a link's URL"
    );
}
