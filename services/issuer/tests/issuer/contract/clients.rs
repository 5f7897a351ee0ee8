//! What [`issuer::store::Registry`] promises about tenants, clients and API keys.

use std::sync::Arc;

use identity::{Scopes, Tenant, User};
use issuer::store::{ApiKeyRecord, ClientRecord, Put, Store, TenantRecord};

use super::{Engine, race};

const SECRET: [u8; 8] = [5; 8];

fn named(text: &str) -> Tenant {
    Tenant::parse(text).unwrap()
}

fn user(text: &str) -> User {
    User::parse(text).unwrap()
}

fn tenant(id: &str) -> TenantRecord {
    TenantRecord {
        id: named(id),
        display_name: format!("{id}, \"the\" cömpany"),
        created_ms: 1,
    }
}

fn client(tenant: &str, name: &str) -> ClientRecord {
    ClientRecord {
        id: user(&format!("oc_{tenant}.{name}")),
        tenant: named(tenant),
        name: user(name),
        scopes: Scopes::parse("links:read links:write").unwrap(),
        created_ms: 2,
        disabled_ms: None,
    }
}

fn key(id: &str, of: &ClientRecord) -> ApiKeyRecord {
    ApiKeyRecord {
        id: id.to_owned(),
        client_id: of.id.clone(),
        hash: [3; 32],
        secret_id: SECRET,
        created_ms: 3,
        expires_ms: None,
        revoked_ms: None,
    }
}

/// A store with one tenant and one client.
async fn with_client(engine: &dyn Engine) -> (Arc<dyn Store>, ClientRecord) {
    let store = engine.open().await;
    let bot = client("acme", "bot");
    assert_eq!(store.put_tenant(&tenant("acme"), 9).await.unwrap(), Put::Made);
    assert_eq!(store.put_client(&bot, 9).await.unwrap(), Put::Made);
    (store, bot)
}

async fn put(store: &dyn Store, key: &ApiKeyRecord) {
    assert_eq!(store.put_api_key(key, 100, 0).await.unwrap(), Put::Made);
}

pub(crate) async fn a_tenant_is_made_once_and_found_again(engine: &dyn Engine) {
    let store = engine.open().await;
    assert_eq!(store.tenant(&named("acme")).await.unwrap(), None);
    assert_eq!(store.put_tenant(&tenant("acme"), 2).await.unwrap(), Put::Made);
    let other = TenantRecord {
        display_name: "other".into(),
        ..tenant("acme")
    };
    assert_eq!(store.put_tenant(&other, 2).await.unwrap(), Put::Known);
    assert_eq!(
        store.tenant(&named("acme")).await.unwrap(),
        Some(tenant("acme")),
        "as it was"
    );
    assert_eq!(
        store.put_tenant(&tenant("ACME"), 2).await.unwrap(),
        Put::Made,
        "another name"
    );
    assert_eq!(store.put_tenant(&tenant("third"), 2).await.unwrap(), Put::Full);
    assert_eq!(
        store.put_tenant(&tenant("acme"), 2).await.unwrap(),
        Put::Known,
        "also when it is full"
    );
}

pub(crate) async fn a_client_belongs_to_a_tenant_and_its_name_is_the_tenants_own(engine: &dyn Engine) {
    let (store, bot) = with_client(engine).await;
    let stray = client("nobody", "bot");
    assert_eq!(store.put_client(&stray, 9).await.unwrap(), Put::Orphan);
    let namesake = ClientRecord {
        id: user("oc_second"),
        ..bot.clone()
    };
    assert_eq!(store.put_client(&namesake, 9).await.unwrap(), Put::Known);
    store.put_tenant(&tenant("globex"), 9).await.unwrap();
    let same_id = ClientRecord {
        id: bot.id.clone(),
        ..client("globex", "bot")
    };
    assert_eq!(store.put_client(&same_id, 9).await.unwrap(), Put::Known);
    let theirs = client("globex", "bot");
    assert_eq!(store.put_client(&theirs, 1).await.unwrap(), Put::Made);
    let second = client("globex", "second");
    assert_eq!(store.put_client(&second, 1).await.unwrap(), Put::Full);
    for (tenant, wanted) in [("acme", Some(bot)), ("globex", Some(theirs)), ("nobody", None)] {
        assert_eq!(store.client(&named(tenant), &user("bot")).await.unwrap(), wanted);
    }
}

pub(crate) async fn a_disabled_client_keeps_its_time_until_it_is_enabled(engine: &dyn Engine) {
    let (store, bot) = with_client(engine).await;
    let (acme, name) = (named("acme"), user("bot"));
    for (set, wanted) in [
        (Some(7), Some(7)),
        (Some(8), Some(7)),
        (None, None),
        (Some(9), Some(9)),
    ] {
        assert!(store.disable_client(&acme, &name, set).await.unwrap());
        let found = store.client(&acme, &name).await.unwrap().unwrap();
        assert_eq!(found.disabled_ms, wanted);
    }
    assert!(
        !store
            .disable_client(&named("globex"), &name, Some(1))
            .await
            .unwrap()
    );
    assert!(!store.disable_client(&acme, &user("x"), Some(1)).await.unwrap());
    put(&*store, &key("k", &bot)).await;
    let (_, seen) = store.api_key("k").await.unwrap().unwrap();
    assert_eq!(seen.disabled_ms, Some(9), "whoever looks a key up sees it");
}

pub(crate) async fn a_key_is_found_with_its_client(engine: &dyn Engine) {
    let (store, bot) = with_client(engine).await;
    let made = ApiKeyRecord {
        hash: std::array::from_fn(|at| u8::try_from(at * 8).unwrap()),
        expires_ms: Some(50),
        ..key("k", &bot)
    };
    put(&*store, &made).await;
    assert_eq!(
        store.put_api_key(&made, 100, 0).await.unwrap(),
        Put::Known,
        "as a repeat after an unknown outcome would find it"
    );
    let stray = key("s", &client("acme", "stray"));
    assert_eq!(store.put_api_key(&stray, 100, 0).await.unwrap(), Put::Orphan);
    assert_eq!(store.api_key("k").await.unwrap(), Some((made, bot)));
    assert_eq!(store.api_key("K").await.unwrap(), None);
    assert_eq!(store.api_key("").await.unwrap(), None);
}

pub(crate) async fn a_key_is_revoked_by_its_own_tenant_alone_and_once(engine: &dyn Engine) {
    let (store, bot) = with_client(engine).await;
    store.put_tenant(&tenant("globex"), 9).await.unwrap();
    put(&*store, &key("k", &bot)).await;
    let revoked = async || store.api_key("k").await.unwrap().unwrap().0.revoked_ms;
    assert!(!store.revoke_api_key(&named("globex"), "k", 6).await.unwrap());
    assert_eq!(revoked().await, None);
    assert!(store.revoke_api_key(&named("acme"), "k", 7).await.unwrap());
    assert!(store.revoke_api_key(&named("acme"), "k", 8).await.unwrap());
    assert_eq!(revoked().await, Some(7), "the first time stays");
    assert!(!store.revoke_api_key(&named("acme"), "x", 7).await.unwrap());
}

pub(crate) async fn keys_are_listed_newest_first_and_by_their_own_tenant_alone(engine: &dyn Engine) {
    let (store, bot) = with_client(engine).await;
    let other = client("acme", "other");
    store.put_client(&other, 9).await.unwrap();
    store.put_tenant(&tenant("globex"), 9).await.unwrap();
    let theirs = client("globex", "bot");
    store.put_client(&theirs, 9).await.unwrap();
    put(&*store, &key("x", &theirs)).await;
    for (id, created_ms, of) in [
        ("B", 10, &bot),
        ("a", 10, &other),
        ("c", 30, &bot),
        ("d", 20, &other),
    ] {
        let made = ApiKeyRecord {
            created_ms,
            ..key(id, of)
        };
        put(&*store, &made).await;
    }
    store.revoke_api_key(&named("acme"), "d", 40).await.unwrap();
    let ids = async |limit| {
        let listed = store.api_keys(&named("acme"), limit).await.unwrap();
        listed
            .into_iter()
            .map(|(key, client)| format!("{}@{}", key.id, client.name))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(10).await,
        ["c@bot", "d@other", "B@bot", "a@other"],
        "ties by the bytes of the id"
    );
    assert_eq!(ids(2).await, ["c@bot", "d@other"]);
    assert_eq!(ids(0).await, [] as [&str; 0]);
}

pub(crate) async fn only_live_keys_count_against_the_limit(engine: &dyn Engine) {
    let (store, bot) = with_client(engine).await;
    let expiring = ApiKeyRecord {
        expires_ms: Some(100),
        ..key("expiring", &bot)
    };
    put(&*store, &expiring).await;
    put(&*store, &key("forever", &bot)).await;
    let add = async |id: &str, now_ms| store.put_api_key(&key(id, &bot), 2, now_ms).await.unwrap();
    assert_eq!(add("more", 99).await, Put::Full);
    assert_eq!(add("more", 100).await, Put::Made, "one expired");
    assert_eq!(add("again", 100).await, Put::Full);
    store
        .revoke_api_key(&named("acme"), "forever", 100)
        .await
        .unwrap();
    assert_eq!(add("again", 100).await, Put::Made, "one was revoked");
}

pub(crate) async fn racing_for_the_last_place_fills_it_once(engine: &dyn Engine) {
    let (store, bot) = with_client(engine).await;
    let made = |puts: Vec<Put>| puts.into_iter().filter(|put| *put == Put::Made).count();
    let tenants = race(engine, 10, |store: Arc<dyn Store>, i| async move {
        store.put_tenant(&tenant(&format!("t{i}")), 4).await.unwrap()
    });
    assert_eq!(made(tenants.await), 3, "one was there");
    let clients = race(engine, 10, |store: Arc<dyn Store>, i| async move {
        store
            .put_client(&client("acme", &format!("c{i}")), 4)
            .await
            .unwrap()
    });
    assert_eq!(made(clients.await), 3, "one was there");
    let one = race(engine, 10, |store: Arc<dyn Store>, i| async move {
        let namesake = ClientRecord {
            id: user(&format!("oc_{i}")),
            ..client("acme", "same")
        };
        store.put_client(&namesake, 100).await.unwrap()
    });
    assert_eq!(made(one.await), 1, "a name is one client's");
    let of = bot.clone();
    let keys = race(engine, 10, move |store: Arc<dyn Store>, i| {
        let key = key(&format!("k{i}"), &of);
        async move { store.put_api_key(&key, 4, 0).await.unwrap() }
    });
    assert_eq!(made(keys.await), 4);
    assert_eq!(store.api_keys(&bot.tenant, 100).await.unwrap().len(), 4);
}

pub(crate) async fn dead_keys_are_forgotten_and_live_ones_are_not(engine: &dyn Engine) {
    let (store, bot) = with_client(engine).await;
    for (id, expires_ms, revoked_ms) in [
        ("live", None, None),
        ("expires", Some(20), None),
        ("revoked", None, Some(10)),
        ("both", Some(99), Some(30)),
    ] {
        let made = ApiKeyRecord {
            expires_ms,
            revoked_ms,
            ..key(id, &bot)
        };
        put(&*store, &made).await;
    }
    assert_eq!(store.forget_api_keys(9).await.unwrap(), 0);
    assert_eq!(store.forget_api_keys(20).await.unwrap(), 2);
    assert_eq!(store.forget_api_keys(u64::MAX >> 1).await.unwrap(), 1);
    let left = store.api_keys(&bot.tenant, 10).await.unwrap();
    assert_eq!(left, [(key("live", &bot), bot)]);
}

pub(crate) async fn live_keys_of_another_secret_are_counted(engine: &dyn Engine) {
    let (store, bot) = with_client(engine).await;
    let foreign = async |secret: Option<&[u8; 8]>| store.foreign_api_keys(secret, 10).await.unwrap();
    assert_eq!(foreign(None).await, 0);
    for (id, secret_id, expires_ms, revoked_ms) in [
        ("mine", SECRET, None, None),
        ("theirs", [6; 8], None, None),
        ("expired", [6; 8], Some(10), None),
        ("revoked", [6; 8], None, Some(1)),
    ] {
        let made = ApiKeyRecord {
            secret_id,
            expires_ms,
            revoked_ms,
            ..key(id, &bot)
        };
        put(&*store, &made).await;
    }
    assert_eq!(foreign(Some(&SECRET)).await, 1);
    assert_eq!(foreign(Some(&[7; 8])).await, 2);
    assert_eq!(
        foreign(None).await,
        2,
        "without any secret every live key is foreign"
    );
}

pub(crate) async fn the_largest_names_and_times_come_back(engine: &dyn Engine) {
    let store = engine.open().await;
    let (largest, longest) = (u64::try_from(i64::MAX).unwrap(), "x".repeat(64));
    let tenant = TenantRecord {
        id: named(&longest),
        display_name: "\u{10ffff}".repeat(200),
        created_ms: largest,
    };
    let client = ClientRecord {
        id: user(&longest),
        tenant: named(&longest),
        name: user(&longest),
        scopes: Scopes::of((0..32).map(|i| format!("{i:064}"))).unwrap(),
        created_ms: largest,
        disabled_ms: Some(largest),
    };
    let key = ApiKeyRecord {
        id: longest.clone(),
        client_id: client.id.clone(),
        hash: [255; 32],
        secret_id: [255; 8],
        created_ms: largest,
        expires_ms: Some(largest),
        revoked_ms: Some(largest),
    };
    assert_eq!(store.put_tenant(&tenant, u32::MAX).await.unwrap(), Put::Made);
    assert_eq!(store.put_client(&client, u32::MAX).await.unwrap(), Put::Made);
    assert_eq!(
        store.put_api_key(&key, u32::MAX, largest).await.unwrap(),
        Put::Made
    );
    assert_eq!(store.tenant(&tenant.id).await.unwrap(), Some(tenant));
    let found = store.api_keys(&client.tenant, u32::MAX).await.unwrap();
    assert_eq!(found, [(key, client)]);
}
