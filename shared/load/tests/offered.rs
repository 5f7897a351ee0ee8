//! Load on a real socket: honest about stalls, drops and lost answers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use load::{Arrivals, HttpClient, HttpSettings, Plan, run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Answers each request of each connection with `answer`; nothing at all when it is empty.
async fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                    if answer == "close" {
                        return;
                    }
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    url
}

fn client(url: &str) -> HttpClient {
    let settings = HttpSettings {
        deadline: Duration::from_millis(300),
        answer_bytes_max: 100,
        ..Default::default()
    };
    HttpClient::new(url, settings).unwrap()
}

#[tokio::test]
async fn requests_are_answered_and_counted() {
    let url = server("HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 2\r\n\r\nok").await;
    let client = client(&url);
    let answer = client.get("/x?y=1").await.unwrap();
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.header("location"),
            &answer.body[..]
        ),
        (302, Some("/there"), &b"ok"[..])
    );

    let plan = Plan {
        arrivals: Arrivals::Constant { per_second: 1_000.0 },
        count_max: 100,
        ..Plan::default()
    };
    let summary = run(plan, &clock::SystemClock::shared(), move |_| {
        let client = client.clone();
        async move { client.get("/").await.is_ok() }
    })
    .await;
    assert_eq!(
        (summary.due, summary.succeeded, summary.failed),
        (100, 100, 0),
        "{summary}"
    );
    assert_eq!(summary.latencies.count(), 100);
}

#[tokio::test]
async fn a_request_never_sent_is_told_from_a_lost_answer() {
    let lost = client(&server("close").await).get("/").await.unwrap_err();
    assert_eq!(
        (lost.code(), lost.outcome_is_unknown()),
        ("answer_lost", true),
        "{lost}"
    );
    let silent = client(&server("").await).get("/").await.unwrap_err();
    assert_eq!(
        (silent.code(), silent.outcome_is_unknown()),
        ("deadline_exceeded", true),
        "{silent}"
    );
    let large = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{}",
        "x".repeat(900)
    );
    let large = client(&server(large.leak()).await).get("/").await.unwrap_err();
    assert_eq!(large.code(), "answer_too_large", "{large}");

    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = client(&format!("http://{closed}")).get("/").await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.outcome_is_unknown()),
        ("not_sent", false),
        "{refused}"
    );
}

#[tokio::test]
async fn a_stall_counts_for_everyone_who_was_due_during_it() {
    let clock = clock::ManualClock::at(0);
    let shared: clock::SharedClock = clock.clone();
    // The first operation stalls the generator itself for a second of its clock: later ones are sent late.
    let plan = Plan {
        arrivals: Arrivals::Constant { per_second: 100.0 },
        count_max: 50,
        ..Plan::default()
    };
    let stall = move |arrival: load::Arrival| {
        if arrival.index == 0 {
            clock.advance(Duration::from_secs(1));
        }
        std::future::ready(true)
    };
    let summary = run(plan, &shared, stall).await;
    assert_eq!(summary.succeeded, 50);
    assert!(
        summary.latencies.quantile(0.5) >= Duration::from_millis(500),
        "{summary}"
    );
    assert!(
        summary.lateness_longest >= Duration::from_millis(500),
        "{summary}"
    );
}

#[tokio::test]
async fn arrivals_beyond_the_bound_are_dropped_and_counted() {
    let plan = Plan {
        arrivals: Arrivals::Constant { per_second: 10_000.0 },
        count_max: 20,
        in_flight_max: 3,
        ..Plan::default()
    };
    let summary = run(plan, &clock::SystemClock::shared(), |_| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        true
    })
    .await;
    assert_eq!(
        (summary.due, summary.succeeded + summary.dropped),
        (20, 20),
        "{summary}"
    );
    assert!(summary.dropped > 0, "{summary}");
}
