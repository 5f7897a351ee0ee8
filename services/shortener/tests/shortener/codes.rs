//! Generated codes: each once, whatever happens.

use std::collections::HashSet;
use std::sync::Arc;

use http::Method;
use proptest::prelude::*;
use serde_json::json;
use shortener::codes::CodeAllocator;
use shortener::link::{Code, GENERATED_CODES};
use shortener::permutation::{CodeKey, Permutation};

use crate::contract::Fixture;
use crate::engines::embedded_only;
use crate::harness::{Service, Setup, execute};

async fn fixture(test: &str) -> Fixture {
    let fixture = if testkit::engines::are_real() {
        Fixture::cql(test).await
    } else {
        Fixture::sqlite(test).await
    };
    fixture.unwrap()
}

proptest! {
    #[test]
    fn two_counters_never_share_a_code(
        key in any::<[u8; 32]>(),
        one in 0..GENERATED_CODES,
        other in 0..GENERATED_CODES,
    ) {
        let permutation = Permutation::new(&CodeKey::from_bytes(key), GENERATED_CODES);
        let (first, second) = (Code::generated(permutation.apply(one)), Code::generated(permutation.apply(other)));
        prop_assert_eq!(one == other, first == second);
        prop_assert!(first.is_generated_shape());
    }

    #[test]
    fn every_small_domain_is_permuted(key in any::<[u8; 32]>(), size in 1_u64..300) {
        let permutation = Permutation::new(&CodeKey::from_bytes(key), size);
        let hit: HashSet<u64> = (0..size).map(|value| permutation.apply(value)).collect();
        prop_assert_eq!(hit.len() as u64, size);
        prop_assert!(hit.iter().all(|value| *value < size));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn allocators_that_share_a_store_never_give_the_same_code() {
    let fixture = fixture("codes").await;
    let key = CodeKey::generate();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        // Small ranges, so that they are leased again and again.
        let allocator = Arc::new(CodeAllocator::new(fixture.store.clone(), &key, 7));
        for _ in 0..4 {
            let allocator = Arc::clone(&allocator);
            tasks.spawn(async move {
                let mut codes = Vec::new();
                for _ in 0..50 {
                    codes.push(allocator.next().await.unwrap());
                }
                codes
            });
        }
    }
    let codes: Vec<Code> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(codes.iter().collect::<HashSet<_>>().len(), 800);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_range_at_a_restart_is_never_given() {
    let fixture = fixture("codes").await;
    let key = CodeKey::generate();
    let mut seen = HashSet::new();
    for _ in 0..5 {
        let allocator = CodeAllocator::new(fixture.store.clone(), &key, 1_000);
        assert!(seen.insert(allocator.next().await.unwrap()));
        assert!(seen.insert(allocator.next().await.unwrap()));
    }
    assert_eq!(
        fixture.store.lease_counters(1, GENERATED_CODES).await.unwrap(),
        5_000..5_001
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_code_costs_the_rest_of_its_own_range_and_of_no_other() {
    let fixture = fixture("codes").await;
    let allocator = CodeAllocator::new(fixture.store.clone(), &CodeKey::generate(), 10);
    let taken = allocator.next().await.unwrap();
    let also_taken = allocator.next().await.unwrap();
    let mut seen = HashSet::from([taken, also_taken]);
    for code in [taken, also_taken, taken] {
        allocator.give_up(&code).await;
        assert!(seen.insert(allocator.next().await.unwrap()));
    }
    assert_eq!(
        fixture.store.lease_counters(1, GENERATED_CODES).await.unwrap(),
        20..21
    );
}

/// As if this process had leased the first range before links were imported into it.
async fn with_the_first_codes_leased_again(service: Service) -> Service {
    let (folder, clock) = service.stop().await;
    let file = folder.path().join("shortener.db");
    execute(&file, "UPDATE code_space SET next_counter = 0 WHERE id = 1").await;
    Setup::at(folder).clock(clock).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_whose_generated_code_is_taken_gets_another_one() {
    if embedded_only("it changes the file of the code space") {
        return;
    }
    let service = Service::start().await;
    let asked = json!({"url": "https://example.com/"});
    let mut codes = HashSet::new();
    // More in a row than are tried one by one.
    for _ in 0..12 {
        assert!(codes.insert(service.make(asked.clone()).await["code"].to_string()));
    }
    let service = with_the_first_codes_leased_again(service).await;
    assert!(codes.insert(service.make(asked.clone()).await["code"].to_string()));
    let service = with_the_first_codes_leased_again(service).await;
    let batch = json!({"items": [asked, asked]});
    let made = service
        .send(Method::POST, "/v1/link-batches", &batch)
        .await
        .json();
    for row in made["items"].as_array().unwrap() {
        assert_eq!(row["status"], 201, "{row}");
        assert!(codes.insert(row["link"]["code"].to_string()), "{row}");
    }
    assert_eq!(codes.len(), 15);
}
