//! What [`issuer::store::Store`] promises about keys and codes.

use std::sync::Arc;

use identity::{Scopes, Tenant, User};
use issuer::store::{Grant, Identity, KeyRecord, Store};

use super::{Engine, race};

fn key(kid: &str, use_from_ms: u64) -> KeyRecord {
    KeyRecord {
        kid: kid.to_owned(),
        pkcs8: vec![7; 48],
        use_from_ms,
    }
}

fn grant(expires_ms: u64) -> Grant {
    Grant {
        client_id: "client".into(),
        redirect_uri: "http://127.0.0.1/cb".into(),
        challenge: "c".repeat(43),
        tenant: Tenant::parse("acme").unwrap(),
        user: User::parse("ada").unwrap(),
        scopes: Scopes::parse("links:read openid").unwrap(),
        nonce: None,
        expires_ms,
    }
}

pub(crate) async fn keys_are_kept_in_order_of_use(engine: &dyn Engine) {
    let store = engine.open().await;
    assert!(store.keys().await.unwrap().is_empty());
    assert!(store.append_key(None, &key("a", 10)).await.unwrap());
    assert!(
        !store.append_key(None, &key("b", 20)).await.unwrap(),
        "there is a key"
    );
    assert!(
        !store.append_key(Some("x"), &key("b", 20)).await.unwrap(),
        "x is not the newest"
    );
    assert!(
        !store.append_key(Some("a"), &key("b", 10)).await.unwrap(),
        "not later than the newest"
    );
    assert!(store.append_key(Some("a"), &key("b", 20)).await.unwrap());
    assert!(
        !store.append_key(Some("a"), &key("c", 30)).await.unwrap(),
        "a is not the newest any more"
    );
    assert_eq!(store.keys().await.unwrap(), [key("a", 10), key("b", 20)]);
    store.remove_key("b").await.unwrap();
    assert_eq!(store.keys().await.unwrap().len(), 2, "the newest stays");
    store.remove_key("a").await.unwrap();
    store.remove_key("a").await.unwrap();
    assert_eq!(store.keys().await.unwrap(), [key("b", 20)]);
}

/// The race of two issuers that rotate at once.
pub(crate) async fn racing_appends_have_one_winner(engine: &dyn Engine) {
    for after in [None, Some("first")] {
        let won = race(engine, 20, move |store: Arc<dyn Store>, i| async move {
            let kid = after.map_or("first".to_owned(), |_| format!("k{i}"));
            let from_ms = if after.is_none() { 1 } else { 10 + i };
            store.append_key(after, &key(&kid, from_ms)).await.unwrap()
        })
        .await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "after {after:?}");
    }
    assert_eq!(engine.open().await.keys().await.unwrap().len(), 2);
}

pub(crate) async fn a_code_is_taken_once_by_one(engine: &dyn Engine) {
    let store = engine.open().await;
    let code = [9; 32];
    assert!(store.put_code(&code, &grant(100), 10).await.unwrap());
    let taken = race(engine, 20, move |store: Arc<dyn Store>, _| async move {
        store.take_code(&code).await.unwrap()
    })
    .await;
    let taken: Vec<Grant> = taken.into_iter().flatten().collect();
    assert_eq!(taken, [grant(100)]);
    assert_eq!(store.take_code(&[8; 32]).await.unwrap(), None);
}

pub(crate) async fn racing_codes_stay_within_their_bound(engine: &dyn Engine) {
    let kept = race(engine, 20, |store: Arc<dyn Store>, i| async move {
        let code = [u8::try_from(i).unwrap(); 32];
        store.put_code(&code, &grant(100), 3).await.unwrap()
    })
    .await;
    assert_eq!(kept.iter().filter(|kept| **kept).count(), 3);
    assert_eq!(engine.open().await.forget_codes(100).await.unwrap(), 3);
}

pub(crate) async fn codes_are_bounded_and_forgotten(engine: &dyn Engine) {
    let store = engine.open().await;
    for i in 0..3 {
        assert!(
            store
                .put_code(&[i; 32], &grant(100 + u64::from(i)), 3)
                .await
                .unwrap()
        );
    }
    assert!(!store.put_code(&[3; 32], &grant(200), 3).await.unwrap(), "full");
    assert_eq!(store.forget_codes(99).await.unwrap(), 0);
    assert_eq!(store.forget_codes(101).await.unwrap(), 2);
    assert!(store.put_code(&[3; 32], &grant(200), 3).await.unwrap());
    assert_eq!(store.take_code(&[0; 32]).await.unwrap(), None);
    assert_eq!(store.take_code(&[2; 32]).await.unwrap(), Some(grant(102)));
}

pub(crate) async fn the_largest_values_come_back(engine: &dyn Engine) {
    let store = engine.open().await;
    let largest = Grant {
        client_id: "x".repeat(1_000),
        redirect_uri: "ü".repeat(2_000),
        tenant: Tenant::parse(&"t".repeat(64)).unwrap(),
        user: User::parse(&"u".repeat(64)).unwrap(),
        scopes: Scopes::of((0..32).map(|i| format!("{i:064}"))).unwrap(),
        nonce: Some("\u{0}'\";--\u{10ffff}".repeat(64)),
        expires_ms: u64::try_from(i64::MAX).unwrap(),
        ..grant(0)
    };
    assert!(store.put_code(&[255; 32], &largest, u32::MAX).await.unwrap());
    assert_eq!(store.take_code(&[255; 32]).await.unwrap(), Some(largest));
}

pub(crate) async fn the_identity_is_replaced_whole(engine: &dyn Engine) {
    let store = engine.open().await;
    assert_eq!(store.identity().await.unwrap(), None);
    for (issuer, audience) in [("http://127.0.0.1:1", "a"), ("http://127.0.0.1:2", "b")] {
        let identity = Identity {
            issuer: issuer.into(),
            audience: audience.into(),
        };
        store.set_identity(&identity).await.unwrap();
        assert_eq!(store.identity().await.unwrap(), Some(identity));
    }
    store.probe().await.unwrap();
}

pub(crate) async fn what_was_written_is_there_after_reopening(engine: &dyn Engine) {
    let store = engine.open().await;
    assert!(store.append_key(None, &key("a", 10)).await.unwrap());
    assert!(store.put_code(&[1; 32], &grant(100), 10).await.unwrap());
    store.close().await;
    assert!(store.keys().await.is_err(), "closed");
    let store = engine.open().await;
    assert_eq!(store.keys().await.unwrap(), [key("a", 10)]);
    assert_eq!(store.take_code(&[1; 32]).await.unwrap(), Some(grant(100)));
}
