//! What is known of people: never in clear, rotated, erased for good; on every engine.

use std::sync::Arc;

use identity::Tenant;
use payment::store::vault::{self as rows, SealedRecord};
use payment::vault::{Opened, Vault, VaultError, VaultKey, open_master};

use crate::fresh_database::Fresh;

const NAME: &str = "payer";
const ADA: &[u8] = br#"{"name":"Ada Lovelace","email":"ada@example.com"}"#;

fn tenant(name: &str) -> Tenant {
    Tenant::parse(name).unwrap()
}

fn vault(fresh: &Fresh, master: &VaultKey) -> Vault {
    let store = rows::open(&fresh.database);
    Vault::new(store, master.clone(), fresh.shared_clock())
}

fn contains(all: &[u8], text: &[u8]) -> bool {
    let hex: String = text.iter().map(|byte| format!("{byte:02x}")).collect();
    all.windows(text.len()).any(|part| part == text)
        || all
            .windows(hex.len())
            .any(|part| part.eq_ignore_ascii_case(hex.as_bytes()))
}

#[tokio::test]
async fn what_is_sealed_opens_and_stands_nowhere_in_clear() {
    for fresh in Fresh::each("what_is_sealed_opens_and_stands_nowhere_in_clear").await {
        let (vault, acme) = (vault(&fresh, &VaultKey::generate()), tenant("acme"));
        assert_eq!(vault.open(&acme, "ada", NAME).await.unwrap(), Opened::Absent);
        vault.seal(&acme, "ada", NAME, ADA).await.unwrap();
        let opened = vault.open(&acme, "ada", NAME).await.unwrap();
        assert_eq!(opened, Opened::Record(ADA.to_vec()));
        assert_eq!(vault.open(&acme, "ada", "other").await.unwrap(), Opened::Absent);
        assert_eq!(
            vault.open(&tenant("bcme"), "ada", NAME).await.unwrap(),
            Opened::Absent
        );
        let everything = fresh.everything().await;
        assert!(
            contains(&everything, b"ada"),
            "the person's id is no secret, and proves that this looks at the rows"
        );
        for secret in [&b"Lovelace"[..], b"ada@example.com"] {
            assert!(!contains(&everything, secret));
        }
        fresh.remove().await;
    }
}

#[tokio::test]
async fn rotating_a_tenants_key_changes_every_wrapped_key_and_what_opens_stays_the_same() {
    for fresh in Fresh::each("rotating_a_tenants_key").await {
        let (vault, acme) = (vault(&fresh, &VaultKey::generate()), tenant("acme"));
        let store = rows::open(&fresh.database);
        // More than one step of a rotation takes.
        let persons: Vec<String> = (0..205).map(|number| format!("person-{number}")).collect();
        for person in &persons {
            vault.seal(&acme, person, NAME, person.as_bytes()).await.unwrap();
        }
        vault.seal(&tenant("bcme"), "ada", NAME, ADA).await.unwrap();
        let before = store.person(&acme, "person-7").await.unwrap().unwrap();
        let sealed_before = store.record(&acme, "person-7", NAME).await.unwrap().unwrap();
        let rotated = vault.rotate(&acme).await.unwrap().expect("it has a key");
        assert_eq!((rotated.version, rotated.rewrapped), (2, 205));
        let after = store.person(&acme, "person-7").await.unwrap().unwrap();
        assert_eq!(after.tenant_version, 2);
        assert_ne!(after.wrapped, before.wrapped);
        let sealed_after = store.record(&acme, "person-7", NAME).await.unwrap().unwrap();
        assert_eq!(sealed_after, sealed_before, "no record is touched");
        let versions: Vec<u32> = store
            .tenant_keys(&acme)
            .await
            .unwrap()
            .iter()
            .map(|key| key.version)
            .collect();
        assert_eq!(versions, [2], "the former key is gone");
        for person in &persons {
            let opened = vault.open(&acme, person, NAME).await.unwrap();
            assert_eq!(opened, Opened::Record(person.as_bytes().to_vec()));
        }
        assert_eq!(
            vault.open(&tenant("bcme"), "ada", NAME).await.unwrap(),
            Opened::Record(ADA.to_vec())
        );
        let nobody = tenant("nobody");
        assert_eq!(vault.rotate(&nobody).await.unwrap(), None);
        assert!(
            store.tenant_keys(&nobody).await.unwrap().is_empty(),
            "and none is made"
        );
        fresh.remove().await;
    }
}

#[tokio::test]
async fn a_rotation_that_was_cut_short_is_finished_by_the_next_and_sealing_goes_on_meanwhile() {
    for fresh in Fresh::each("a_rotation_that_was_cut_short").await {
        let master = VaultKey::generate();
        let (vault, acme) = (vault(&fresh, &master), tenant("acme"));
        vault.seal(&acme, "ada", NAME, ADA).await.unwrap();
        // As far as a rotation came that died after its first step.
        let store = rows::open(&fresh.database);
        let place = payment::vault::Place::TenantKey("acme", 2);
        let key = rows::TenantKey {
            version: 2,
            wrapped: master.wrap_new(place).1,
        };
        assert!(store.add_tenant_key(&acme, &key, 1).await.unwrap());
        assert!(!store.drop_tenant_keys(&acme, 2).await.unwrap(), "it is in use");
        vault.seal(&acme, "bob", NAME, b"bob").await.unwrap();
        assert_eq!(
            vault.open(&acme, "ada", NAME).await.unwrap(),
            Opened::Record(ADA.to_vec())
        );
        let (rotating, sealing) = (vault.clone(), vault.clone());
        let rotations = tokio::spawn(async move {
            for _ in 0..5 {
                rotating.rotate(&tenant("acme")).await.unwrap();
            }
        });
        for number in 0..30 {
            let person = format!("person-{number}");
            sealing
                .seal(&acme, &person, NAME, person.as_bytes())
                .await
                .unwrap();
        }
        rotations.await.unwrap();
        for person in ["ada", "bob", "person-0", "person-29"] {
            assert!(
                matches!(vault.open(&acme, person, NAME).await.unwrap(), Opened::Record(_)),
                "{person}"
            );
        }
        fresh.remove().await;
    }
}

#[tokio::test]
async fn an_erased_person_is_gone_also_from_rows_that_are_put_back_and_may_come_back_as_somebody_new() {
    for fresh in Fresh::each("an_erased_person_is_gone").await {
        let (vault, acme) = (vault(&fresh, &VaultKey::generate()), tenant("acme"));
        let store = rows::open(&fresh.database);
        vault.seal(&acme, "ada", NAME, ADA).await.unwrap();
        vault.seal(&acme, "bob", NAME, b"bob").await.unwrap();
        let backup = store.record(&acme, "ada", NAME).await.unwrap().unwrap();
        assert!(vault.erase(&acme, "ada").await.unwrap());
        assert!(!vault.erase(&acme, "ada").await.unwrap(), "once is enough");
        assert!(!vault.erase(&acme, "nobody").await.unwrap());
        assert_eq!(vault.open(&acme, "ada", NAME).await.unwrap(), Opened::Erased);
        assert_eq!(store.record(&acme, "ada", NAME).await.unwrap(), None);
        assert!(
            !store.put_record(&acme, "ada", NAME, &backup, 1).await.unwrap(),
            "nothing is put back through the port"
        );
        assert!(matches!(
            vault.open(&acme, "bob", NAME).await.unwrap(),
            Opened::Record(_)
        ));
        vault.seal(&acme, "ada", NAME, b"somebody new").await.unwrap();
        assert_eq!(
            vault.open(&acme, "ada", NAME).await.unwrap(),
            Opened::Record(b"somebody new".to_vec())
        );
        // A row of a backup, put back at the database, as it was and under the new generation.
        let new = store.person(&acme, "ada").await.unwrap().unwrap();
        assert_eq!((backup.generation, new.generation), (1, 2));
        let forged = SealedRecord {
            generation: new.generation,
            sealed: backup.sealed.clone(),
        };
        assert!(store.put_record(&acme, "ada", NAME, &forged, 1).await.unwrap());
        let refused = vault.open(&acme, "ada", NAME).await.unwrap_err();
        assert_eq!(refused.code(), "vault_not_opened");
        fresh
            .run("UPDATE vault_record SET generation = 1 WHERE person = 'ada'")
            .await;
        assert_eq!(vault.open(&acme, "ada", NAME).await.unwrap(), Opened::Erased);
        fresh.remove().await;
    }
}

#[tokio::test]
async fn what_is_swapped_between_persons_tenants_or_records_does_not_open() {
    for fresh in Fresh::each("what_is_swapped").await {
        let vault = vault(&fresh, &VaultKey::generate());
        for (tenant_name, person, name) in [
            ("acme", "ada", "a"),
            ("acme", "ada", "b"),
            ("acme", "bob", "a"),
            ("bcme", "ada", "a"),
        ] {
            vault.seal(&tenant(tenant_name), person, name, ADA).await.unwrap();
        }
        for (owner, swap) in [
            ("acme", "UPDATE vault_record SET sealed = (SELECT sealed FROM vault_record WHERE tenant = 'acme' AND person = 'ada' AND name = 'b')
             WHERE tenant = 'acme' AND person = 'ada' AND name = 'a'"),
            ("acme", "UPDATE vault_record SET sealed = (SELECT sealed FROM vault_record WHERE tenant = 'acme' AND person = 'bob' AND name = 'a')
             WHERE tenant = 'acme' AND person = 'ada' AND name = 'a'"),
            ("acme", "UPDATE vault_record SET sealed = (SELECT sealed FROM vault_record WHERE tenant = 'bcme' AND person = 'ada' AND name = 'a')
             WHERE tenant = 'acme' AND person = 'ada' AND name = 'a'"),
            ("acme", "UPDATE vault_person SET wrapped = (SELECT wrapped FROM vault_person WHERE tenant = 'acme' AND person = 'bob')
             WHERE tenant = 'acme' AND person = 'ada'"),
            ("bcme", "UPDATE vault_tenant_key SET wrapped = (SELECT wrapped FROM vault_tenant_key WHERE tenant = 'acme') WHERE tenant = 'bcme'"),
        ] {
            let owner = tenant(owner);
            vault.seal(&owner, "ada", "a", ADA).await.unwrap();
            assert!(matches!(vault.open(&owner, "ada", "a").await.unwrap(), Opened::Record(_)));
            fresh.run(swap).await;
            let refused = vault.open(&owner, "ada", "a").await;
            assert!(matches!(refused, Err(VaultError::NotOpened(_))), "{swap}: {refused:?}");
        }
        fresh.remove().await;
    }
}

#[tokio::test]
async fn racing_first_records_of_a_person_are_all_kept_under_one_key() {
    for fresh in Fresh::each("racing_first_records").await {
        let vault = Arc::new(vault(&fresh, &VaultKey::generate()));
        let racers: Vec<_> = (0..12)
            .map(|number| {
                let vault = Arc::clone(&vault);
                tokio::spawn(async move {
                    let name = format!("record-{number}");
                    vault.seal(&tenant("acme"), "ada", &name, name.as_bytes()).await
                })
            })
            .collect();
        for racer in racers {
            racer.await.unwrap().unwrap();
        }
        for number in 0..12 {
            let name = format!("record-{number}");
            let opened = vault.open(&tenant("acme"), "ada", &name).await.unwrap();
            assert_eq!(opened, Opened::Record(name.into_bytes()));
        }
        fresh.remove().await;
    }
}

#[tokio::test]
async fn names_and_sizes_have_bounds() {
    let fresh = Fresh::each("names_and_sizes_have_bounds").await.remove(0);
    let (vault, acme) = (vault(&fresh, &VaultKey::generate()), tenant("acme"));
    for person in ["", "a b", "ä", &"x".repeat(129)] {
        let refused = vault.seal(&acme, person, NAME, ADA).await.unwrap_err();
        assert_eq!(refused.code(), "person_invalid", "{person:?}");
    }
    let refused = vault
        .seal(&acme, "ada", NAME, &vec![0; 20_000])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "record_too_large");
    fresh.remove().await;
}

#[tokio::test]
async fn the_master_key_is_made_once_and_another_or_a_lost_one_is_refused() {
    for fresh in Fresh::each("the_master_key_is_made_once").await {
        let (store, file) = (rows::open(&fresh.database), fresh.path("payment.key"));
        open_master("", &file, &*store).await.unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        open_master("", &file, &*store).await.unwrap();
        open_master(text.trim(), &fresh.path("none.key"), &*store)
            .await
            .unwrap();
        let other = "ab".repeat(32);
        let refused = open_master(&other, &file, &*store).await.unwrap_err();
        assert_eq!(refused.code(), "vault_key_mismatch");
        let refused = open_master("short", &file, &*store).await.unwrap_err();
        assert_eq!(refused.code(), "vault_key_setting_invalid");
        std::fs::remove_file(&file).unwrap();
        let refused = open_master("", &file, &*store).await.unwrap_err();
        assert_eq!(refused.code(), "vault_key_missing");
        assert!(!refused.to_string().contains(text.trim()));
        fresh.remove().await;
    }
}
