//! The audit chain as the port shows it.

use clock::SystemClock;
use payment::chain::{GENESIS, digest_of, link_hash};
use payment::ledger::{AccountKind, SHARDS};
use payment::store::ledger::{Batch, CLOCK_AHEAD_MS_MAX, Ledger, SEAL_AHEAD_MS_MAX};

use super::{Engine, race};
use crate::books::{
    CASH, NOW_MS, account, batch, capture, commit, commit_at, create, fresh, hold, id, open_books, tenant,
    transfer,
};

/// Recomputes all links of all shards from what the port gives; says how many there are.
async fn verify(ledger: &dyn Ledger) -> i64 {
    let mut total = 0;
    for head in ledger.chain_heads().await.unwrap() {
        let (mut prev_hash, mut at_ms, mut number) = (GENESIS, 0, 0);
        loop {
            let links = ledger.links(head.shard, number, 5).await.unwrap();
            if links.is_empty() {
                break;
            }
            for link in links {
                number += 1;
                assert_eq!((link.shard, link.link), (head.shard, number), "no gap");
                assert_eq!(link.prev_hash, prev_hash);
                assert!(link.at_ms >= at_ms);
                let mut digests = Vec::new();
                let rows = ledger.link_rows(head.shard, number).await.unwrap();
                for (row, ord) in rows.iter().zip(0..) {
                    assert_eq!((row.ord, row.journal.at_ms), (ord, link.at_ms));
                    digests.push(digest_of(&row.journal, &row.entries).unwrap());
                }
                assert_eq!(digests, link.digests);
                let at = i64::try_from(link.at_ms).unwrap();
                assert_eq!(link_hash(head.shard, number, at, &prev_hash, &digests), link.hash);
                (prev_hash, at_ms) = (link.hash, link.at_ms);
            }
        }
        assert_eq!((head.link, head.hash, head.at_ms), (number, prev_hash, at_ms));
        total += number;
    }
    total
}

pub(super) async fn links_are_gapless_and_verify_as_they_are_read_back(engine: &dyn Engine) {
    let ledger = engine.open().await;
    let heads = ledger.chain_heads().await.unwrap();
    assert_eq!(heads.len(), usize::try_from(SHARDS).unwrap());
    assert!(heads.iter().all(|head| head.link == 0 && head.hash == GENESIS));
    open_books(&*ledger, &[(2, 1_000), (3, 0)]).await;
    let outcomes = race(engine, 32, |ledger, i| async move {
        let commands = match i % 4 {
            0 => vec![transfer(100 + i, 2, 3, 1), transfer(200 + i, CASH, 2, 2)],
            1 => vec![hold(300 + i, 2, 3, 5)],
            // Refused: no row, no link.
            2 => vec![transfer(400 + i, 3, 2, 10_000)],
            _ => vec![transfer(500 + i, 2, 3, 1), transfer(600 + i, 3, 2, 10_000)],
        };
        let batch = Batch {
            shard: i16::try_from(i % 2).unwrap(),
            ..batch(commands)
        };
        ledger.commit(&batch).await.unwrap().iter().any(Result::is_ok)
    })
    .await;
    let with_rows = outcomes.iter().filter(|any| **any).count();
    assert_eq!(with_rows, 24);
    fresh(commit(&*ledger, capture(700, 301, None, false)).await);
    // One before: money for wallet 2.
    assert_eq!(verify(&*ledger).await, 24 + 2);
}

pub(super) async fn times_never_go_back_whatever_clocks_say(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 1_000), (3, 0)]).await;
    create(&*ledger, account(4, AccountKind::Asset)).await;
    let at = async |number: u64, now_ms| {
        let settled = fresh(commit_at(&*ledger, transfer(number, 2, 3, 1), now_ms).await);
        settled.journal.at_ms
    };
    assert_eq!(at(80, NOW_MS + 50).await, NOW_MS + 50);
    // Another shard, a clock that is behind: the account's own time holds.
    assert_eq!(at(81, NOW_MS + 10).await, NOW_MS + 50);
    // The shard's time holds for accounts that were never touched.
    let other = fresh(commit_at(&*ledger, transfer(88, 4, CASH, 1), NOW_MS + 10).await);
    assert_eq!(other.journal.at_ms, NOW_MS + 50);
    ledger.seal(NOW_MS + 60).await.unwrap();
    assert_eq!(at(82, NOW_MS + 60).await, NOW_MS + 61);
    let heads = ledger.chain_heads().await.unwrap();
    assert!(heads.iter().all(|head| head.sealed_ms == NOW_MS + 60));
    ledger.seal(NOW_MS).await.unwrap();
    assert_eq!(
        ledger.chain_heads().await.unwrap(),
        heads,
        "a seal is never taken back"
    );
    let entries = ledger
        .entries(&tenant(), id(3), 0..u64::MAX, None, 9)
        .await
        .unwrap();
    assert!(entries.is_sorted_by_key(|entry| (entry.at_ms, entry.seq)));
    verify(&*ledger).await;
}

pub(super) async fn clocks_that_are_far_ahead_do_nothing(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    // A server goes by its own clock, a file by the one that it was given.
    let now_ms = SystemClock::shared().unix_ms().max(NOW_MS);
    let heads = ledger.chain_heads().await.unwrap();
    let minute_ms = 60_000;
    let early = Batch {
        now_ms: now_ms + CLOCK_AHEAD_MS_MAX + minute_ms,
        ..batch(vec![transfer(10, 2, 3, 1)])
    };
    for refused in [
        ledger.commit(&early).await.map(drop),
        ledger.forget_claims(early.now_ms, 9).await.map(drop),
        ledger.seal(now_ms + SEAL_AHEAD_MS_MAX + minute_ms).await,
        ledger.seal(u64::MAX >> 1).await,
    ] {
        let error = refused.unwrap_err();
        assert!(!error.is_unknown() && !error.retryable(), "{error}");
    }
    assert_eq!(ledger.chain_heads().await.unwrap(), heads);
    assert!(commit_at(&*ledger, transfer(10, 2, 3, 1), NOW_MS).await.is_ok());
}

pub(super) async fn nothing_accepted_makes_no_link(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 10), (3, 0)]).await;
    let before = ledger.chain_heads().await.unwrap();
    let refused = vec![transfer(10, 2, 3, 11), transfer(11, 2, 3, 12)];
    assert!(
        ledger
            .commit(&batch(refused))
            .await
            .unwrap()
            .iter()
            .all(Result::is_err)
    );
    assert!(ledger.commit(&batch(Vec::new())).await.unwrap().is_empty());
    assert_eq!(ledger.chain_heads().await.unwrap(), before);
}
