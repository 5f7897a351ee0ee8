//! Faults of the processor times the steps it does, over HTTP, and the death of the process in the middle of each. The core's own tests go through
//! every interleaving; this shows that the service does what the core says.

use config::Secret;
use payment::Settings;

use crate::engines::Folder;
use crate::till::{Charge, Stub, Till, eventually};

fn impatient(settings: &mut Settings) {
    settings.processor.api_key = Secret::new("a-secret-that-only-tests-know-here");
    settings.processor.timeout_ms = 300;
    settings.commits.deadline_ms = 4_000;
    settings.saga.lease_ms = 5_000;
    settings.saga.poll_interval_ms = 50;
    settings.saga.retry_pause_ms = 20;
    settings.saga.retry_pause_ms_max = 100;
    settings.saga.settle_ms = 300;
}

/// Ledger and processor say the same of these payments.
async fn assert_agreement(till: &Till, stub: &Stub, payments: &[(String, String)]) {
    let mut net = 0;
    for (token, id) in payments {
        let shown = till.get(&format!("/v1/payments/{id}")).await;
        let charge = stub.charge(id);
        let at_processor = charge.as_ref().map_or(0, Charge::net);
        let refunded: i64 = shown["refunded"].as_str().unwrap().parse().unwrap();
        let in_ledger = match shown["state"].as_str().unwrap() {
            "failed" => 0,
            _ => 700 - refunded,
        };
        assert_eq!(at_processor, in_ledger, "{token}: {shown:#} {charge:?}");
        assert_ne!(
            charge.map(|charge| charge.status()),
            Some("authorized"),
            "{token}: {shown:#}"
        );
        net += in_ledger;
    }
    assert_eq!(till.balance("1001").await, (1_000_000 - net, 0));
    assert_eq!(till.balance("1002").await, (net, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_at_the_processor_with_every_fault_ends_with_ledger_and_processor_in_agreement() {
    let (stub, url) = Stub::start().await;
    let folder = Folder::fresh();
    let till = Till::start(&folder, &url, impatient).await;
    till.open_accounts().await;
    let mut payments = Vec::new();
    for scene in ["authorize", "capture", "capture_refused__void"] {
        for fault in ["refused", "done", "notdone", "broken"] {
            let token = format!("tok_{scene}_{fault}");
            let id = till.pay(&token, &token).await;
            payments.push((token, id));
        }
    }
    for (token, id) in &payments {
        let refused = token.contains("refused");
        let state = if refused { "failed" } else { "captured" };
        let shown = till.settled(id, &["failed", "captured"]).await;
        assert_eq!(shown["state"], state, "{token}: {shown:#}");
    }
    assert_agreement(&till, &stub, &payments).await;
    let mut refunds = Vec::new();
    for fault in ["refused", "done", "notdone", "broken"] {
        let token = format!("tok_refunds_{fault}");
        let id = till.pay(&token, &token).await;
        till.settled(&id, &["captured"]).await;
        let path = format!("/v1/payments/{id}/refunds");
        let made = till
            .post(
                &format!("back-{fault}"),
                &path,
                &serde_json::json!({"amount": "200"}),
            )
            .await;
        assert_eq!(made.status, 202, "{made:?}");
        refunds.push((token, id));
    }
    for (token, id) in &refunds {
        eventually(token, async || {
            let shown = till.get(&format!("/v1/payments/{id}")).await;
            let expected = if token.ends_with("refused") {
                "refused"
            } else {
                "done"
            };
            shown["refunds"][0]["state"] == expected
        })
        .await;
    }
    payments.extend(refunds);
    assert_agreement(&till, &stub, &payments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_whose_process_is_killed_in_the_middle_of_a_step_are_carried_on_by_the_next_one() {
    let (stub, url) = Stub::start().await;
    let folder = Folder::fresh();
    let slow = |settings: &mut Settings| {
        impatient(settings);
        // Killed long before it gives up.
        settings.processor.timeout_ms = 4_000;
        settings.saga.settle_ms = 4_000;
    };
    let mut first = Till::start(&folder, &url, slow).await;
    first.open_accounts().await;
    let mut payments = Vec::new();
    for scene in ["authorize", "capture", "capture_refused__void"] {
        for fault in ["done", "notdone"] {
            let token = format!("tok_{scene}_{fault}");
            let id = first.pay(&token, &token).await;
            payments.push((token, id));
        }
    }
    for (token, id) in &payments {
        let operation = token
            .trim_start_matches("tok_")
            .trim_start_matches("capture_refused__");
        let operation = operation.split('_').next().unwrap();
        eventually("the processor was asked", async || {
            stub.charge(id)
                .is_some_and(|charge| charge.asked.contains_key(operation))
        })
        .await;
    }
    first.kill();
    let second = Till::start(&folder, &url, impatient).await;
    for (token, id) in &payments {
        let shown = second.settled(id, &["failed", "captured"]).await;
        let state = if token.contains("refused") {
            "failed"
        } else {
            "captured"
        };
        assert_eq!(shown["state"], state, "{token}: {shown:#}");
        let steps = shown["steps"].as_array().unwrap();
        assert!(
            steps.iter().any(|step| step["outcome"] == "interrupted"),
            "{shown:#}"
        );
    }
    assert_agreement(&second, &stub, &payments).await;
}
