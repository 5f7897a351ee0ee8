//! Names whose servers do their worst.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use outbound::{Answer, Outbound, OutboundError, OutboundSettings, Trust};

use crate::receiver::{Answers, Silence};

const URL: &str = "https://hooks.example.com/";
/// Far above the bound on a look-up, far below that on an exchange.
const PATIENCE: Duration = Duration::from_secs(5);

fn bounds() -> OutboundSettings {
    OutboundSettings {
        resolve_timeout_ms: 100,
        lookups_max: 1,
        addresses_max: 2,
        total_timeout_ms: 60 * 60 * 1_000,
        ..OutboundSettings::default()
    }
}

async fn post(outbound: &Outbound) -> Result<Answer, OutboundError> {
    let post = outbound.post(URL, HeaderMap::new(), Bytes::from("{}"));
    tokio::time::timeout(PATIENCE, post)
        .await
        .expect("no name holds us longer than the bounds")
}

#[tokio::test]
async fn a_resolver_that_never_answers_costs_one_deadline_and_keeps_its_place() {
    let silence = Arc::new(Silence::default());
    let outbound = Outbound::new(bounds(), silence.clone(), Trust::System);
    assert_eq!(
        post(&outbound).await,
        Err(OutboundError::Timeout { stage: "resolving" })
    );
    assert_eq!(
        post(&outbound).await,
        Err(OutboundError::Saturated),
        "the first look-up is still under way"
    );
    assert_eq!(silence.asked(), 1, "so nobody was asked again");
    let check = tokio::time::timeout(PATIENCE, outbound.check(URL)).await;
    check
        .expect("neither does a check wait longer")
        .expect("what cannot be known now is judged when it is called");
}

#[tokio::test]
async fn a_look_up_that_ended_leaves_its_place() {
    let answers = Answers::always(&[]);
    let outbound = Outbound::new(bounds(), answers.clone(), Trust::System);
    for _ in 0..3 {
        assert_eq!(post(&outbound).await.unwrap_err().code(), "host_unresolved");
    }
    assert_eq!(answers.asked(), 3);
}

#[tokio::test]
async fn a_host_with_more_addresses_than_may_be_is_not_called() {
    let answers = Answers::always(&["93.184.215.14", "93.184.215.15", "93.184.215.16"]);
    let outbound = Outbound::new(bounds(), answers, Trust::System);
    let refused = post(&outbound).await.unwrap_err();
    assert_eq!(refused.code(), "host_unresolved");
    assert!(refused.to_string().contains("more than 2 addresses"), "{refused}");
}
