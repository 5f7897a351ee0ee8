//! Receivers that do their worst: each costs what the bounds say, and nothing else.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use outbound::{AddressKind, Answer, Outbound, OutboundError, OutboundSettings, Trust};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::receiver::{Answers, Receiver, request};

const BODY: &str = r#"{"type":"ping"}"#;
/// Far above the bounds below, far below for ever.
const PATIENCE: Duration = Duration::from_secs(5);

fn bounds() -> OutboundSettings {
    OutboundSettings {
        open_loopback: true,
        connect_timeout_ms: 200,
        total_timeout_ms: 300,
        body_wait_ms: 200,
        body_bytes_max: 100,
        ..OutboundSettings::default()
    }
}

async fn post(url: &str) -> Result<Answer, OutboundError> {
    let outbound = Outbound::new(bounds(), Answers::always(&["127.0.0.1"]), Trust::System);
    let begun = Instant::now();
    let answer = outbound.post(url, HeaderMap::new(), Bytes::from(BODY)).await;
    assert!(
        begun.elapsed() < PATIENCE,
        "no receiver holds us longer than the bounds"
    );
    answer
}

async fn answered(mut stream: TcpStream, head: &str, body: &str) {
    request(&mut stream, BODY).await;
    let _gone = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await;
    let _gone = stream.shutdown().await;
}

#[tokio::test]
async fn an_honest_receiver_gets_the_request_once_and_its_answer_is_read() {
    let (told, mut heard) = tokio::sync::mpsc::channel(1);
    let receiver = Receiver::start(move |mut stream| {
        let told = told.clone();
        async move {
            told.send(request(&mut stream, BODY).await).await.unwrap();
            let answer = "HTTP/1.1 202 Accepted\r\ncontent-length: 4\r\n\r\nfine";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let answer = post(&receiver.url()).await.unwrap();
    assert_eq!(
        (answer.status, &answer.body[..], answer.whole),
        (202, &b"fine"[..], true)
    );
    let sent = heard.recv().await.unwrap();
    assert!(sent.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{sent}");
    let host = format!("host: localhost:{}", receiver.address.port());
    assert!(sent.to_lowercase().contains(&host), "{sent}");
}

#[tokio::test]
async fn one_that_never_answers_costs_the_deadline() {
    let receiver = Receiver::start(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    assert_eq!(post(&receiver.url()).await.unwrap_err().code(), "timeout");
}

#[tokio::test]
async fn one_that_drips_its_head_costs_the_deadline_too() {
    let receiver = Receiver::start(|mut stream| async move {
        let mut steps = tokio::time::interval(Duration::from_millis(20));
        for byte in b"HTTP/1.1 200 OK\r\nx-slow: "
            .iter()
            .chain(std::iter::repeat(&b'a'))
        {
            steps.tick().await;
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    })
    .await;
    assert_eq!(post(&receiver.url()).await.unwrap_err().code(), "timeout");
}

#[tokio::test]
async fn of_a_body_that_drips_or_never_ends_the_status_counts() {
    let dripping = Receiver::start(|mut stream| async move {
        request(&mut stream, BODY).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nslow";
        let _gone = stream.write_all(head.as_bytes()).await;
        std::future::pending::<()>().await;
    })
    .await;
    let answer = post(&dripping.url()).await.unwrap();
    assert_eq!(
        (answer.status, &answer.body[..], answer.whole),
        (200, &b"slow"[..], false)
    );
    let endless = Receiver::start(|mut stream| async move {
        request(&mut stream, BODY).await;
        let _gone = stream.write_all(b"HTTP/1.1 500 Oh\r\n\r\n").await;
        while stream.write_all(&[b'x'; 4_096]).await.is_ok() {}
    })
    .await;
    let answer = post(&endless.url()).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.len(), answer.whole),
        (500, 100, false)
    );
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_nobody_goes_there() {
    let inside = Receiver::start(|stream| answered(stream, "HTTP/1.1 200 OK", "secret")).await;
    for status in [301, 302, 303, 307, 308] {
        let to = inside.address;
        let receiver = Receiver::start(move |stream| async move {
            let head = format!("HTTP/1.1 {status} Moved\r\nlocation: http://{to}/");
            answered(stream, &head, "").await;
        })
        .await;
        assert_eq!(post(&receiver.url()).await, Err(OutboundError::Redirect(status)));
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn one_that_hangs_up_or_says_too_much_is_a_broken_exchange() {
    let many = "x: y\r\n".repeat(100);
    let long = format!("x-long: {}", "a".repeat(64 * 1_024));
    for head in [
        String::new(),
        "HTTP/1.1 200 OK\r\nx-cut: in the mid".to_owned(),
        "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
        format!("HTTP/1.1 200 OK\r\n{long}\r\n\r\n"),
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned(),
    ] {
        let told = head.clone();
        let receiver = Receiver::start(move |mut stream| {
            let head = told.clone();
            async move {
                request(&mut stream, BODY).await;
                let _gone = stream.write_all(head.as_bytes()).await;
                let _gone = stream.shutdown().await;
            }
        })
        .await;
        let error = post(&receiver.url()).await.unwrap_err();
        assert_eq!(error.code(), "exchange_broken", "{head:.60}");
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let receiver = Receiver::start(|_stream| async {}).await;
    let url = receiver.url();
    drop(receiver);
    assert_eq!(post(&url).await.unwrap_err().code(), "unreachable");
}

/// The name leads elsewhere between the look and the next: what was looked at is what is called, and each call looks.
#[tokio::test]
async fn a_name_that_is_rebound_to_this_machine_reaches_nobody() {
    let inside = Receiver::start(|stream| answered(stream, "HTTP/1.1 200 OK", "secret")).await;
    let answers = Answers::one_by_one(&[&["93.184.215.14"], &["127.0.0.1"]]);
    let settings = OutboundSettings {
        open_loopback: false,
        ports: vec![inside.address.port()],
        ..bounds()
    };
    let outbound = Outbound::new(settings, answers.clone(), Trust::System);
    let url = format!("https://rebound.example.com:{}/", inside.address.port());
    outbound.check(&url).await.unwrap();
    let refused = outbound.post(&url, HeaderMap::new(), Bytes::from(BODY)).await;
    assert_eq!(refused, Err(OutboundError::Address(AddressKind::Loopback)));
    assert_eq!((answers.asked(), inside.connections()), (2, 0));
}

#[tokio::test]
async fn one_exchange_asks_once_and_connects_to_that_answer() {
    let first = Receiver::start(|stream| answered(stream, "HTTP/1.1 204 Done", "")).await;
    // The second answer leads to nobody: were it asked for, the call would fail.
    let answers = Answers::one_by_one(&[&["127.0.0.1"], &["127.99.99.99"]]);
    let outbound = Outbound::new(bounds(), answers.clone(), Trust::System);
    let answer = outbound
        .post(&first.url(), HeaderMap::new(), Bytes::from(BODY))
        .await;
    assert_eq!(answer.unwrap().status, 204);
    assert_eq!((answers.asked(), first.connections()), (1, 1));
}

#[tokio::test]
async fn no_more_exchanges_run_than_may() {
    let receiver = Receiver::start(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let settings = OutboundSettings {
        exchanges_max: 1,
        ..bounds()
    };
    let outbound = Outbound::new(settings, Answers::always(&["127.0.0.1"]), Trust::System);
    let url = receiver.url();
    let post = || outbound.post(&url, HeaderMap::new(), Bytes::from(BODY));
    let (first, second) = tokio::join!(post(), post());
    assert_eq!(first.unwrap_err().code(), "timeout");
    assert_eq!(second, Err(OutboundError::Saturated));
    assert_eq!(
        post().await.unwrap_err().code(),
        "timeout",
        "the place is free again"
    );
}
