//! One effect, one answer: the key, the fingerprint, and copies of a request that meet in one process.

use http::{HeaderMap, HeaderValue};
use idempotency::{
    Fingerprint, IdempotencyError, IdempotencyKey, IdempotencySettings, InFlight, Outcome, RECORD_TTL_MS_MIN,
    RunError,
};
use problem::Problem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

type Flights = InFlight<&'static str, u32>;
type Ran = Result<Outcome<u32>, RunError<&'static str>>;

const BODY: &[u8] = br#"{"url":"https://example.com"}"#;

fn asked() -> Fingerprint {
    Fingerprint::of("POST", "/v1/links", BODY)
}

fn flights() -> Arc<Flights> {
    Arc::new(InFlight::new(IdempotencySettings::default()))
}

/// Lets every other task of this single-threaded runtime run until it waits.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A request that goes to the store and stays there until its gate opens.
fn held(flights: &Arc<Flights>) -> (tokio::task::JoinHandle<Ran>, oneshot::Sender<Ran>) {
    let (open, gate) = oneshot::channel::<Ran>();
    let flights = Arc::clone(flights);
    let first = tokio::spawn(async move {
        let work = || async move {
            match gate.await.expect("the test opens the gate") {
                Ok(outcome) => Ok(outcome),
                Err(RunError::Work(error)) => Err(error),
                Err(RunError::Idempotency(_)) => unreachable!("a test's work is not refused"),
            }
        };
        flights.run("acme/ann/k", asked(), work).await
    });
    (first, open)
}

#[test]
fn a_key_is_1_to_255_visible_ascii_characters() {
    for good in [
        "k",
        "order-7f3a",
        "\"quoted\"",
        "a:b/c?d=é".trim_end_matches("é"),
        &"x".repeat(255),
    ] {
        assert_eq!(IdempotencyKey::parse(good).expect(good).as_str(), good);
    }
    for bad in [
        "",
        " ",
        "a b",
        " a",
        "a\t",
        "a\n",
        "ä",
        "\u{7f}",
        &"x".repeat(256),
    ] {
        assert_eq!(
            IdempotencyKey::parse(bad),
            Err(IdempotencyError::MalformedKey),
            "{bad:?}"
        );
    }
}

#[test]
fn the_header_may_be_missing_but_not_doubled_or_unreadable() {
    let mut headers = HeaderMap::new();
    assert_eq!(IdempotencyKey::from_headers(&headers), Ok(None));
    headers.insert("idempotency-key", HeaderValue::from_static("k1"));
    let key = IdempotencyKey::from_headers(&headers)
        .expect("one good key")
        .expect("is there");
    assert_eq!(key.to_string(), "k1");
    headers.append("idempotency-key", HeaderValue::from_static("k1"));
    assert_eq!(
        IdempotencyKey::from_headers(&headers),
        Err(IdempotencyError::MalformedKey)
    );
    headers.insert(
        "idempotency-key",
        HeaderValue::from_bytes(b"\xff").expect("a header may carry it"),
    );
    assert_eq!(
        IdempotencyKey::from_headers(&headers),
        Err(IdempotencyError::MalformedKey)
    );
}

#[test]
fn a_fingerprint_tells_method_route_and_body_apart() {
    assert_eq!(asked(), Fingerprint::of("POST", "/v1/links", BODY));
    for other in [
        Fingerprint::of("PUT", "/v1/links", BODY),
        Fingerprint::of("POST", "/v1/link", BODY),
        Fingerprint::of("POST", "/v1/links", b"{}"),
        // The same bytes, parted elsewhere.
        Fingerprint::of("POST/v1", "/links", BODY),
        Fingerprint::of("POST", "/v1/links{", &BODY[1..]),
    ] {
        assert_ne!(asked(), other);
    }
}

#[test]
fn a_fingerprint_survives_the_store() {
    assert_eq!(Fingerprint::from_bytes(asked().as_bytes()), Some(asked()));
    assert_eq!(Fingerprint::from_bytes(&asked().as_bytes()[1..]), None);
}

#[test]
fn each_refusal_is_the_problem_that_the_architecture_names() {
    let retry_after = Duration::from_secs(1);
    let cases = [
        (
            IdempotencyError::MalformedKey,
            400,
            "idempotency_key_malformed",
            false,
        ),
        (IdempotencyError::Mismatch, 422, "idempotency_key_reused", false),
        (
            IdempotencyError::InFlight { retry_after },
            409,
            "idempotency_in_flight",
            true,
        ),
        (
            IdempotencyError::Overloaded { retry_after },
            503,
            "idempotency_overloaded",
            true,
        ),
    ];
    for (error, status, code, retryable) in cases {
        let document = Problem::from(error).document();
        assert_eq!(
            (document.status, document.code.as_str(), document.retryable),
            (status, code, retryable)
        );
        assert_eq!(error.retryable(), retryable);
    }
    assert_eq!(RECORD_TTL_MS_MIN, 86_400_000);
}

#[tokio::test]
async fn copies_join_the_first_and_get_its_answer() {
    let flights = flights();
    let (first, open) = held(&flights);
    settle().await;
    let ran = Arc::new(AtomicU32::new(0));
    let copies: Vec<_> = (0..50)
        .map(|_| {
            let (flights, ran) = (Arc::clone(&flights), Arc::clone(&ran));
            tokio::spawn(async move {
                let work = || async move {
                    ran.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, &str>(Outcome::Fresh(0))
                };
                flights.run("acme/ann/k", asked(), work).await
            })
        })
        .collect();
    settle().await;
    open.send(Ok(Outcome::Fresh(7)))
        .expect("the first waits at its gate");
    assert_eq!(first.await.expect("ran"), Ok(Outcome::Fresh(7)));
    for copy in copies {
        assert_eq!(copy.await.expect("ran"), Ok(Outcome::Replayed(7)));
    }
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    let again = flights.run("acme/ann/k", asked(), || async {
        Ok::<_, &str>(Outcome::Fresh(8))
    });
    assert_eq!(again.await, Ok(Outcome::Fresh(8)), "nothing is left in flight");
}

#[tokio::test]
async fn a_copy_with_another_body_is_refused_at_once() {
    let flights = flights();
    let (_first, _open) = held(&flights);
    settle().await;
    let other = Fingerprint::of("POST", "/v1/links", b"{}");
    let refused: Ran = flights
        .run("acme/ann/k", other, || async { Ok(Outcome::Fresh(0)) })
        .await;
    assert_eq!(refused, Err(RunError::Idempotency(IdempotencyError::Mismatch)));
}

#[tokio::test]
async fn the_same_key_of_somebody_else_is_another_key() {
    let flights = flights();
    let (_first, _open) = held(&flights);
    settle().await;
    let ran: Ran = flights
        .run("acme/bob/k", asked(), || async { Ok(Outcome::Fresh(8)) })
        .await;
    assert_eq!(ran, Ok(Outcome::Fresh(8)));
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_waited_long_enough_is_told_to_come_back() {
    let flights = flights();
    let (_first, _open) = held(&flights);
    settle().await;
    let refused: Ran = flights
        .run("acme/ann/k", asked(), || async { Ok(Outcome::Fresh(0)) })
        .await;
    let retry_after = Duration::from_secs(1);
    assert_eq!(
        refused,
        Err(RunError::Idempotency(IdempotencyError::InFlight { retry_after }))
    );
}

#[tokio::test]
async fn when_the_first_fails_a_copy_takes_over_and_the_others_join_it() {
    let flights = flights();
    let (first, open) = held(&flights);
    settle().await;
    let ran = Arc::new(AtomicU32::new(0));
    let copies: Vec<_> = (0..10)
        .map(|_| {
            let (flights, ran) = (Arc::clone(&flights), Arc::clone(&ran));
            tokio::spawn(async move {
                let work = || async move {
                    ran.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    Ok::<_, &str>(Outcome::Fresh(9))
                };
                flights.run("acme/ann/k", asked(), work).await
            })
        })
        .collect();
    settle().await;
    open.send(Err(RunError::Work("the disk is full")))
        .expect("the first waits at its gate");
    assert_eq!(first.await.expect("ran"), Err(RunError::Work("the disk is full")));
    for copy in copies {
        assert_eq!(*copy.await.expect("ran").expect("a copy took over").get(), 9);
    }
    assert_eq!(ran.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_first_that_is_cancelled_or_panics_strands_nobody() {
    let flights = flights();
    for how in ["cancelled", "panicked"] {
        let (first, open) = held(&flights);
        settle().await;
        let copy = {
            let flights = Arc::clone(&flights);
            tokio::spawn(async move {
                flights
                    .run("acme/ann/k", asked(), || async {
                        Ok::<_, &str>(Outcome::Fresh(5))
                    })
                    .await
            })
        };
        settle().await;
        if how == "cancelled" {
            first.abort();
        } else {
            drop(open); // the work's `expect` panics
        }
        assert_eq!(copy.await.expect("ran"), Ok(Outcome::Fresh(5)), "{how}");
        assert!(first.await.is_err(), "{how}");
        let again = flights.run("acme/ann/k", asked(), || async {
            Ok::<_, &str>(Outcome::Fresh(6))
        });
        assert_eq!(
            again.await,
            Ok(Outcome::Fresh(6)),
            "{how}: nothing is left in flight"
        );
    }
}

#[tokio::test]
async fn more_keys_in_flight_than_allowed_are_refused() {
    let settings = IdempotencySettings {
        in_flight_max: 1,
        ..IdempotencySettings::default()
    };
    let flights: Arc<Flights> = Arc::new(InFlight::new(settings));
    let (first, open) = held(&flights);
    settle().await;
    let refused: Ran = flights
        .run("acme/ann/k2", asked(), || async { Ok(Outcome::Fresh(0)) })
        .await;
    let retry_after = Duration::from_secs(1);
    assert_eq!(
        refused,
        Err(RunError::Idempotency(IdempotencyError::Overloaded {
            retry_after
        }))
    );
    open.send(Ok(Outcome::Fresh(1)))
        .expect("the first waits at its gate");
    assert_eq!(first.await.expect("ran"), Ok(Outcome::Fresh(1)));
    let ran: Ran = flights
        .run("acme/ann/k2", asked(), || async { Ok(Outcome::Fresh(2)) })
        .await;
    assert_eq!(ran, Ok(Outcome::Fresh(2)));
}
