//! What [`issuer::store::Store`] promises, written once; a line an engine at the end.

use std::sync::Arc;

use clock::SharedClock;
use identity::{Scopes, Tenant, User};
use issuer::store::{Grant, Identity, KeyRecord, SqliteStore, Store};

use crate::service::{NOW_MS, telemetry};

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

async fn keys_are_kept_in_order_of_use(store: Arc<dyn Store>) {
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

async fn racing_appends_have_one_winner(store: Arc<dyn Store>) {
    let racers: Vec<_> = (0..20)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .append_key(None, &key(&format!("k{i}"), 10 + i))
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap());
    }
    assert_eq!((winners, store.keys().await.unwrap().len()), (1, 1));
}

async fn a_code_is_taken_once_by_one(store: Arc<dyn Store>) {
    let code = [9; 32];
    assert!(store.put_code(&code, &grant(100), 10).await.unwrap());
    let racers: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.take_code(&code).await.unwrap() })
        })
        .collect();
    let mut taken = Vec::new();
    for racer in racers {
        taken.extend(racer.await.unwrap());
    }
    assert_eq!(taken, [grant(100)]);
    assert_eq!(store.take_code(&[8; 32]).await.unwrap(), None);
}

async fn codes_are_bounded_and_forgotten(store: Arc<dyn Store>) {
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

async fn the_largest_values_come_back(store: Arc<dyn Store>) {
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

async fn the_identity_is_replaced_whole(store: Arc<dyn Store>) {
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

async fn open(folder: &std::path::Path) -> SqliteStore {
    let clock = clock::ManualClock::at(NOW_MS);
    let shared: SharedClock = clock.clone();
    let settings = sql::SqliteSettings::default();
    SqliteStore::new(
        sql::Sqlite::open(folder.join("issuer.db"), settings, telemetry(&clock), shared)
            .await
            .unwrap(),
    )
    .await
    .unwrap()
}

macro_rules! on_sqlite {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            use super::*;
            $(
                #[tokio::test]
                async fn $case() {
                    let folder = tempfile::tempdir().unwrap();
                    super::$case(Arc::new(open(folder.path()).await)).await;
                }
            )*
        }
    };
}

on_sqlite!(
    keys_are_kept_in_order_of_use,
    racing_appends_have_one_winner,
    a_code_is_taken_once_by_one,
    codes_are_bounded_and_forgotten,
    the_largest_values_come_back,
    the_identity_is_replaced_whole,
);

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    assert!(store.append_key(None, &key("a", 10)).await.unwrap());
    assert!(store.put_code(&[1; 32], &grant(100), 10).await.unwrap());
    store.close().await;
    let store = open(folder.path()).await;
    assert_eq!(store.keys().await.unwrap(), [key("a", 10)]);
    assert_eq!(store.take_code(&[1; 32]).await.unwrap(), Some(grant(100)));
}
