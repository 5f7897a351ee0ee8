//! Settlements: by day, whole, and wrong on purpose.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::service::Service;

#[tokio::test]
async fn a_settlement_has_what_moved_on_its_day_and_is_published_after_it() {
    let service = Service::start().await;
    let id = service.captured("a").await["id"].as_str().unwrap().to_owned();
    service
        .post(&format!("charges/{id}/refunds"), "r", &json!({"amount": "200"}))
        .await;
    let open = service.get("settlements/2026-11-22").await;
    assert_eq!(open.json()["code"], "settlement_not_published");
    service.clock.advance(Duration::from_hours(24));
    service.captured("b").await;
    assert_eq!(
        service.get("settlements/2026-11-22").await.status,
        StatusCode::NOT_FOUND
    );
    service.clock.advance(Duration::from_mins(1));
    let settled = service.get("settlements/2026-11-22").await;
    assert_eq!(settled.status, StatusCode::OK);
    let text = settled.text();
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap(),
        "charge_id,reference,kind,amount,currency,fee,at"
    );
    let mut kinds: Vec<String> = lines.map(str::to_owned).collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            format!("{id},a,capture,700,EUR,0,2026-11-22T00:00:00.000Z"),
            format!("{id},a,refund,200,EUR,0,2026-11-22T00:00:00.000Z"),
        ]
    );
    let listed = service.get("settlements").await.json();
    assert_eq!(
        listed,
        json!({"settlements": [{"date": "2026-11-22", "movements": 2}]})
    );
    service
        .faults(&json!({"settlement_wrong_amount_ppm": 1_000_000}))
        .await;
    let wrong = service.get("settlements/2026-11-22").await.text();
    assert!(
        wrong.contains(",capture,701,") && wrong.contains(",refund,201,"),
        "{wrong}"
    );
    assert_eq!(service.get("settlements/2026-02-30").await.status.as_u16(), 422);
    service.stop().await;
}
