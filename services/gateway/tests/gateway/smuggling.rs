//! Requests made to be read in two ways.

use std::sync::atomic::Ordering;

use crate::client::{ask, raw};
use crate::front::Front;
use crate::upstreams;

#[tokio::test]
async fn connection_cannot_take_away_what_was_decided_on() {
    let (upstream, asked) = upstreams::counting_echo().await;
    let front = Front::before(upstream).await;
    let bearer = front.bearer("acme");
    for named in [
        "authorization",
        "close, Authorization",
        "cookie",
        "host",
        "x-forwarded-for",
        "x-request-id",
        "traceparent",
    ] {
        let lines = ["GET /v1/links HTTP/1.1", &bearer, &format!("Connection: {named}")];
        let reply = ask(front.addr, &lines, b"").await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "malformed_connection_header"),
            "{named}"
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_length_and_chunks_together_never_become_two_requests() {
    let (upstream, asked) = upstreams::counting_echo().await;
    let front = Front::before(upstream).await;
    let bearer = front.bearer("acme");
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for framing in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked", smuggled.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}", smuggled.len()),
    ] {
        let head = format!("POST /v1/links HTTP/1.1\r\nHost: x\r\n{bearer}\r\n{framing}\r\n\r\n");
        let reply = raw(front.addr, format!("{head}{smuggled}").as_bytes()).await;
        let before = asked.load(Ordering::SeqCst);
        if reply.status == 200 {
            let told = reply.json();
            assert_eq!(
                (told["target"].as_str(), told["body"].as_str()),
                (Some("/v1/links"), Some(""))
            );
            assert!(
                told["headers"]["content-length"].is_null() || told["headers"]["transfer-encoding"].is_null()
            );
        } else {
            assert_eq!(reply.status, 400);
            assert_eq!(before, 0);
        }
    }
}

#[tokio::test]
async fn odd_framing_is_refused_before_anything_is_forwarded() {
    let (upstream, asked) = upstreams::counting_echo().await;
    let front = Front::before(upstream).await;
    let bearer = front.bearer("acme");
    let framings = [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: +1",
        "Content-Length: 1, 2",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: xchunked",
        "Content-Length : 1",
        "X: a\r\n folded: b",
    ];
    for framing in framings {
        let head = format!("POST /v1/links HTTP/1.1\r\nHost: x\r\n{bearer}\r\n{framing}\r\n\r\n");
        let reply = raw(front.addr, format!("{head}0\r\n\r\n").as_bytes()).await;
        assert_eq!(reply.status, 400, "{framing}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn there_is_one_host() {
    let (upstream, asked) = upstreams::counting_echo().await;
    let front = Front::before(upstream).await;
    let bad = [
        "",
        "Host: a\r\nHost: b\r\n",
        "Host: a b\r\n",
        "Host: \r\n",
        "Host: a/b\r\n",
        "Host: a@b\r\n",
    ];
    for hosts in bad {
        let reply = raw(
            front.addr,
            format!("GET /code HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n").as_bytes(),
        )
        .await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "malformed_host"),
            "{hosts:?}"
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let absolute = b"GET http://named.example/code HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n";
    let told = raw(front.addr, absolute).await.json();
    assert_eq!(
        told["headers"]["host"][0], "named.example",
        "the target's name is the one that counts"
    );
    assert_eq!(told["target"], "/code");
}

#[tokio::test]
async fn a_body_on_a_get_stays_that_requests_body() {
    let front = Front::before(upstreams::echo().await).await;
    let body = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let lines = ["GET /code HTTP/1.1", &format!("Content-Length: {}", body.len())];
    let told = ask(front.addr, &lines, body).await.json();
    assert_eq!(told["body"].as_str().expect("a body").as_bytes(), body);
    assert_eq!(told["target"], "/code");
}
