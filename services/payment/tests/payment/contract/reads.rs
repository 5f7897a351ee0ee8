//! Reads: as of a moment, by page, summed.

use payment::ledger::{Account, AccountKind, Entry};
use payment::store::ledger::{Batch, EntryCursor, Ledger};

use super::{Engine, race};
use crate::books::{
    CASH, NOW_MS, account, batch, commit_at, create, fresh, id, open_books, sums_to_zero, tenant, transfer,
};

fn cursor(entry: &Entry) -> EntryCursor {
    EntryCursor {
        at_ms: entry.at_ms,
        part: entry.part,
        seq: entry.seq,
    }
}

/// All pages of a range, `limit` at a time.
async fn all(ledger: &dyn Ledger, number: u64, range: std::ops::Range<u64>, limit: u32) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    loop {
        let after = found.last().map(cursor);
        let page = ledger
            .entries(&tenant(), id(number), range.clone(), after, limit)
            .await
            .unwrap();
        assert!(page.len() <= usize::try_from(limit).unwrap());
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

/// All pages from the last entry back, `limit` at a time.
async fn latest(ledger: &dyn Ledger, number: u64, limit: u32) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    loop {
        let before = found.last().map(cursor);
        let page = ledger
            .latest_entries(&tenant(), id(number), before, limit)
            .await
            .unwrap();
        assert!(page.len() <= usize::try_from(limit).unwrap());
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

pub(super) async fn a_sealed_moment_stays_as_it_is_while_writers_race(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100_000), (3, 0)]).await;
    let outcomes = race(engine, 24, |ledger, i| async move {
        // Clocks that differ, and one that stands at the moment that others seal.
        let moment_ms = NOW_MS + (i % 5) * 3;
        if i % 3 == 0 {
            ledger.seal(moment_ms).await.unwrap();
            let first = ledger.balance_as_of(&tenant(), id(3), moment_ms).await.unwrap();
            let entries = all(&*ledger, 3, 0..moment_ms + 1, 4).await;
            return Some((moment_ms, first, entries));
        }
        for step in 0..4 {
            let command = transfer(1_000 + i * 10 + step, 2, 3, 1);
            fresh(commit_at(&*ledger, command, moment_ms).await);
        }
        None
    })
    .await;
    for (moment_ms, then, entries) in outcomes.into_iter().flatten() {
        let now = ledger.balance_as_of(&tenant(), id(3), moment_ms).await.unwrap();
        assert_eq!(now, then, "as of {moment_ms}");
        assert_eq!(all(&*ledger, 3, 0..moment_ms + 1, 9).await, entries);
        let last = entries
            .last()
            .map_or((0, 0), |entry| (entry.balance_after, entry.seq));
        assert_eq!((now[0].posted, now[0].entries), last);
        assert!(sums_to_zero(&ledger, Some(moment_ms)).await);
    }
    let before = ledger.balance_as_of(&tenant(), id(3), 1).await.unwrap();
    assert_eq!((before[0].posted, before[0].entries), (0, 0));
    assert!(
        ledger
            .balance_as_of(&tenant(), id(99), NOW_MS)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(super) async fn entries_are_paged_under_ties_and_concurrent_writes(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100_000), (3, 0)]).await;
    // Many of one batch share their time.
    let tied: Vec<_> = (0..30).map(|i| transfer(100 + i, 2, 3, 1)).collect();
    let _ = ledger.commit(&batch(tied)).await.unwrap();
    let outcomes = race(engine, 8, |ledger, i| async move {
        if i % 2 == 0 {
            for step in 0..10 {
                let command = transfer(1_000 + i * 10 + step, 2, 3, 1);
                fresh(commit_at(&*ledger, command, NOW_MS + step % 3).await);
            }
            return Vec::new();
        }
        all(&*ledger, 3, 0..u64::MAX, 7).await
    })
    .await;
    for read in outcomes.iter().filter(|read| !read.is_empty()) {
        assert!(read.len() >= 30);
        assert!(
            read.iter().zip(1..).all(|(entry, seq)| entry.seq == seq),
            "none twice, none left out"
        );
    }
    let whole = all(&*ledger, 3, 0..u64::MAX, 7).await;
    assert_eq!(whole.len(), 70);
    let (from_ms, until_ms) = (NOW_MS + 1, NOW_MS + 2);
    let within: Vec<Entry> = whole
        .iter()
        .filter(|entry| (from_ms..until_ms).contains(&entry.at_ms))
        .cloned()
        .collect();
    assert_eq!(all(&*ledger, 3, from_ms..until_ms, 3).await, within);
    assert!(all(&*ledger, 3, until_ms + 10..u64::MAX, 3).await.is_empty());
}

pub(super) async fn entries_of_a_split_account_are_paged_in_order(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[]).await;
    let split = Account {
        parts: 5,
        ..account(50, AccountKind::Income)
    };
    create(&*ledger, split).await;
    for step in 0..40_u64 {
        // Ids that come to some parts more often than to others, and times that repeat.
        let command = transfer(100 + step * step, CASH, 50, 1);
        fresh(commit_at(&*ledger, command, NOW_MS + step / 7).await);
    }
    let whole = all(&*ledger, 50, 0..u64::MAX, 100).await;
    assert_eq!(whole.len(), 40);
    assert!(whole.is_sorted_by_key(|entry| (entry.at_ms, entry.part, entry.seq)));
    let turned: Vec<Entry> = whole.iter().rev().cloned().collect();
    for limit in [1, 3, 7] {
        assert_eq!(all(&*ledger, 50, 0..u64::MAX, limit).await, whole);
        assert_eq!(latest(&*ledger, 50, limit).await, turned);
    }
    let range = NOW_MS + 2..NOW_MS + 4;
    let within: Vec<Entry> = whole
        .iter()
        .filter(|entry| range.contains(&entry.at_ms))
        .cloned()
        .collect();
    assert_eq!(all(&*ledger, 50, range, 3).await, within);
    ledger.seal(NOW_MS + 3).await.unwrap();
    let then = ledger.balance_as_of(&tenant(), id(50), NOW_MS + 3).await.unwrap();
    assert_eq!(then.len(), 5);
    let posted: i64 = then.iter().map(|part| part.posted).sum();
    let entries = whole.iter().filter(|entry| entry.at_ms <= NOW_MS + 3).count();
    assert_eq!(posted, -i64::try_from(entries).unwrap());
}

pub(super) async fn the_trial_balance_is_zero_now_and_then(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 50)]).await;
    create(&*ledger, account(4, AccountKind::Expense)).await;
    let later_ms = NOW_MS + 10;
    let later = Batch {
        now_ms: later_ms,
        ..batch(vec![transfer(10, 4, 2, 7), transfer(11, 2, CASH, 20)])
    };
    assert!(ledger.commit(&later).await.unwrap().iter().all(Result::is_ok));
    ledger.seal(later_ms).await.unwrap();
    let columns = async |as_of_ms| {
        let lines = ledger.trial_balance(&tenant(), as_of_ms).await.unwrap();
        lines
            .iter()
            .map(|line| (line.kind, line.accounts, line.debits, line.credits))
            .collect::<Vec<_>>()
    };
    let now = [
        (AccountKind::Asset, 1, 130, 0),
        (AccountKind::Liability, 2, 0, 137),
        (AccountKind::Expense, 1, 7, 0),
    ];
    let then = [
        (AccountKind::Asset, 1, 150, 0),
        (AccountKind::Liability, 2, 0, 150),
        (AccountKind::Expense, 1, 0, 0),
    ];
    assert_eq!(columns(None).await, now);
    assert_eq!(columns(Some(later_ms)).await, now);
    assert_eq!(columns(Some(later_ms - 1)).await, then);
    let other = identity::Tenant::parse("other").unwrap();
    assert!(ledger.trial_balance(&other, None).await.unwrap().is_empty());
}
