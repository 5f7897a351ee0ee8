//! A card number, wherever it stands in a request, is written to no log: not even to one that takes everything.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use clock::SystemClock;
use config::Secret;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

use crate::engines::Folder;
use crate::till::{Answer, Opening, Stub, Till, payment};

/// Everything that is said in the service, of every level and target.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Fields(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        event.record(&mut Fields(&mut text));
        text.push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

const CARD: &str = "4242424242424242";
const DRESSED: &str = "4242-4242-4242-4242";
const FULL_WIDTH: &str = "\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}";

/// Whether a group of the card's digits stands there: alone, in whatever dress, or eight and more among others. Four among the digits of an id of a
/// request are chance.
fn has_trace(text: &str) -> bool {
    let is_group = |word: &str| word.len() >= 4 && CARD.contains(word);
    let mut words = text.split(|char: char| !char.is_ascii_alphanumeric());
    text.contains("42424242") || text.contains('\u{ff14}') || words.any(is_group)
}

fn refused(answer: &Answer) {
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (422, &json!("card_number_refused")),
        "{answer:?}"
    );
    // As `Debug` writes the headers, and as they came.
    assert!(
        !has_trace(&format!("{answer:?}")) && !has_trace(&answer.body.to_string()),
        "{answer:?}"
    );
}

async fn send_cards(till: &Till) {
    let good = payment("tok_visa").to_string();
    for header in ["idempotency-key", "x-request-id"] {
        for card in [CARD, DRESSED] {
            let key = ("idempotency-key", "card");
            let headers = if header == key.0 {
                vec![(header, card)]
            } else {
                vec![key, (header, card)]
            };
            refused(&till.send("POST", "/v1/payments", &headers, &good).await);
        }
    }
    let mut worded = payment("tok_visa");
    worded["description"] = json!(format!("card {DRESSED}"));
    let broken = format!("{{\"number\": \"{CARD}");
    let token = payment(CARD);
    for body in [worded.to_string(), broken.clone(), token.to_string()] {
        refused(&till.post_text("card", "/v1/payments", &body).await);
        refused(&till.post_text("card", "/v1/payments/1/refunds", &body).await);
    }
    send_cards_elsewhere(till).await;
    for path in [
        format!("/v1/payments?card={CARD}"),
        format!("/v1/payments?account_id={CARD}"),
        format!("/v1/payments?cursor={DRESSED}"),
        format!("/v1/payments/{CARD}"),
        format!("/v1/payments/{CARD}/receipt"),
        format!("/v1/{CARD}"),
    ] {
        let headers = [("x-request-id", DRESSED), ("user-agent", CARD), ("cookie", CARD)];
        let answer = till.send("GET", &path, &headers, "").await;
        assert!(answer.status < 500, "{answer:?}");
        assert!(!has_trace(&format!("{:?}", answer.headers)), "{answer:?}");
    }
    let answer = till
        .send("POST", "/v1/processor-webhooks", &[("webhook-id", CARD)], &broken)
        .await;
    assert_eq!(answer.status, 401, "{answer:?}");
}

/// To the books and to the webhooks, which judge fields and not bodies.
async fn send_cards_elsewhere(till: &Till) {
    let transfer =
        json!({"debit_account_id": "1001", "credit_account_id": "1002", "amount": "1", "currency": "EUR"});
    let lines = json!({"postings": [
        {"account_id": "1001", "direction": "debit", "amount": "1", "currency": "EUR"},
        {"account_id": "1002", "direction": "credit", "amount": "1", "currency": "EUR"},
    ]});
    for (path, body) in [
        ("/v1/transfers", &transfer),
        ("/v1/holds", &transfer),
        ("/v1/transactions", &lines),
        ("/v1/transfers/1/reversal", &json!({})),
    ] {
        for key in [CARD, DRESSED, "order-4242_4242_4242_4242"] {
            refused(&till.post(key, path, body).await);
        }
        for dressed in [
            "4242/4242/4242/4242",
            "4242\u{a0}4242\u{200b}4242\u{3000}4242",
            FULL_WIDTH,
        ] {
            let mut described = body.clone();
            described["description"] = json!(dressed);
            if path != "/v1/transfers/1/reversal" && path != "/v1/holds" {
                refused(&till.post("described", path, &described).await);
            }
        }
    }
    let mut keyed = transfer.clone();
    keyed["idempotency_key"] = json!(CARD);
    refused(
        &till
            .post("batch", "/v1/transfers/batch", &json!({"transfers": [keyed]}))
            .await,
    );
    let url = "https://shop.example.com/hooks";
    for body in [
        json!({"url": format!("{url}/{CARD}")}),
        json!({"url": format!("{url}?card=4242%204242%204242%204242")}),
        json!({"url": url, "description": DRESSED}),
        json!({"url": url, "description": FULL_WIDTH}),
    ] {
        refused(&till.post("hook", "/v1/webhook-endpoints", &body).await);
        let text = body.to_string();
        refused(&till.send("PATCH", "/v1/webhook-endpoints/1", &[], &text).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_number_is_logged_nowhere_whatever_part_of_a_request_it_stands_in() {
    let (_stub, url) = Stub::start().await;
    let (folder, said) = (Folder::fresh(), Everything::default());
    let opening = Opening {
        folder: &folder,
        url: &url,
        clock: SystemClock::shared(),
        logs: Some(Dispatch::new(said.clone())),
    };
    let till = Till::open(opening, |settings| {
        settings.processor.api_key = Secret::new("a-secret-that-only-tests-know-here");
        settings.saga.poll_interval_ms = 50;
    })
    .await;
    till.open_accounts().await;
    let mut told = payment("tok_visa");
    told["payer"] = json!({"name": "Ada Lovelace", "email": "ada@example.org"});
    let made = till.post("good", "/v1/payments", &told).await;
    till.settled(made.body["id"].as_str().unwrap(), &["captured"])
        .await;
    send_cards(&till).await;
    let said = said.0.lock().unwrap();
    assert!(
        said.contains("a step of a payment ended"),
        "the log is taken: {said}"
    );
    assert_eq!(said.lines().find(|line| has_trace(line)), None);
    for secret in ["Lovelace", "ada@example.org", "a-secret-that-only"] {
        let line = said.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}
