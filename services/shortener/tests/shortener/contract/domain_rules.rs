//! Rules on domains: kept by tenant, changed over the revision before.

use identity::Tenant;
use shortener::link::{Domain, DomainLists};
use shortener::store::domain_rules::{DomainRules, KeptRules};

use super::*;

fn rules(revision: u64, allow: &[&str], deny: &[&str]) -> KeptRules {
    let list = |domains: &[&str]| domains.iter().map(|text| Domain::parse(text).unwrap()).collect();
    KeptRules {
        lists: DomainLists {
            allow: list(allow),
            deny: list(deny),
        },
        revision,
    }
}

/// Sends each statement there is.
pub(super) async fn keep_and_change(store: &impl DomainRules, names: Names) {
    let tenant = names.tenant("acme");
    for revision in 1..=2 {
        let rules = rules(revision, &[], &["evil.example"]);
        assert!(store.replace_domain_rules(&tenant, &rules).await.unwrap());
        assert_eq!(store.domain_rules(&tenant).await.unwrap(), rules);
    }
}

pub(super) async fn rules_are_kept_whole_and_by_tenant(fixture: Fixture) {
    let (store, tenant) = (fixture.rules().await, fixture.names.tenant("acme"));
    assert_eq!(store.domain_rules(&tenant).await.unwrap(), KeptRules::default());
    let first = rules(1, &["example.com", "bücher.example"], &["evil.example"]);
    assert!(store.replace_domain_rules(&tenant, &first).await.unwrap());
    let second = rules(2, &[], &["evil.example", "10.0.0.1", "[::1]"]);
    assert!(store.replace_domain_rules(&tenant, &second).await.unwrap());
    let empty = rules(3, &[], &[]);
    for store in [fixture.rules().await, store] {
        assert_eq!(store.domain_rules(&tenant).await.unwrap(), second);
        let other = fixture.names.tenant("globex");
        assert_eq!(store.domain_rules(&other).await.unwrap(), KeptRules::default());
    }
    assert!(
        fixture
            .rules()
            .await
            .replace_domain_rules(&tenant, &empty)
            .await
            .unwrap()
    );
    assert_eq!(fixture.rules().await.domain_rules(&tenant).await.unwrap(), empty);
}

pub(super) async fn rules_are_changed_over_the_revision_before_and_the_same_change_twice_is_one(
    fixture: Fixture,
) {
    let (store, tenant) = (fixture.rules().await, fixture.names.tenant("acme"));
    let first = rules(1, &["a.example"], &[]);
    assert!(
        !store
            .replace_domain_rules(&tenant, &rules(2, &[], &[]))
            .await
            .unwrap()
    );
    assert!(
        !store
            .replace_domain_rules(&tenant, &rules(0, &[], &[]))
            .await
            .unwrap()
    );
    assert!(store.replace_domain_rules(&tenant, &first).await.unwrap());
    assert!(
        store.replace_domain_rules(&tenant, &first).await.unwrap(),
        "its answer may have been lost"
    );
    let other = rules(1, &["b.example"], &[]);
    assert!(!store.replace_domain_rules(&tenant, &other).await.unwrap());
    assert_eq!(store.domain_rules(&tenant).await.unwrap(), first);
}

pub(super) async fn of_racing_changes_of_rules_one_is_made_each_time(fixture: Fixture) {
    let tenant: Tenant = fixture.names.tenant("acme");
    for revision in 1..=3 {
        let mut changes = tokio::task::JoinSet::new();
        for number in 0..8 {
            let (store, tenant) = (fixture.rules().await, tenant.clone());
            let ours = rules(revision, &[&format!("host-{number}.example")], &[]);
            changes.spawn(async move {
                let made = eventually_answered(|| store.replace_domain_rules(&tenant, &ours)).await;
                made.then_some(ours)
            });
        }
        let made: Vec<KeptRules> = changes.join_all().await.into_iter().flatten().collect();
        assert_eq!(made.len(), 1, "revision {revision}");
        assert_eq!(
            fixture.rules().await.domain_rules(&tenant).await.unwrap(),
            made[0]
        );
    }
}

pub(super) async fn the_longest_lists_fit(fixture: Fixture) {
    let (store, tenant) = (fixture.rules().await, fixture.names.longest_tenant());
    let longest = |number: u32| format!("{number:04}.{0}.{0}.{0}.example", "d".repeat(60));
    let domains: Vec<String> = (0..1_000).map(longest).collect();
    let domains: Vec<&str> = domains.iter().map(String::as_str).collect();
    let kept = rules(1, &domains[..500], &domains[500..]);
    assert!(store.replace_domain_rules(&tenant, &kept).await.unwrap());
    assert_eq!(store.domain_rules(&tenant).await.unwrap(), kept);
}

pub(super) async fn rules_are_not_believed_empty_while_the_engine_is_away(fixture: Fixture) {
    let (store, tenant) = (fixture.rules().await, fixture.names.tenant("acme"));
    let first = rules(1, &[], &["evil.example"]);
    assert!(store.replace_domain_rules(&tenant, &first).await.unwrap());
    let cut = fixture.lost().await;
    let second = rules(2, &[], &["worse.example"]);
    assert!(store.replace_domain_rules(&tenant, &second).await.is_err());
    cut.release().await;
    assert!(settled(|| store.replace_domain_rules(&tenant, &second)).await);
    assert_eq!(settled(|| store.domain_rules(&tenant)).await, second);
}
