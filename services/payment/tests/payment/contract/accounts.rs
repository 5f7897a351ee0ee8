//! Accounts: made, changed, listed, closed.

use idempotency::Outcome;
use identity::Tenant;
use payment::ledger::{Account, AccountKind, NewAccount, Refusal, part_of};
use payment::store::ledger::{AccountChange, AccountFilter, ChangeRefused};

use super::{Engine, race};
use crate::books::{
    CASH, NOW_MS, account, balance, batch, claim, commit, create, fresh, hold, id, open_books, tenant,
    transfer, void, wallet,
};

pub(super) async fn an_account_is_made_once_and_found_again(engine: &dyn Engine) {
    let ledger = engine.open().await;
    let made = Account {
        name: Some("Ann’s wallet".to_owned()),
        metadata: r#"{"colour":"grün"}"#.to_owned(),
        ..wallet(i64::MAX.cast_unsigned())
    };
    let new = NewAccount {
        account: made.clone(),
        claim: None,
    };
    let outcome = ledger.create_account(&new, NOW_MS).await.unwrap();
    assert_eq!(outcome, Ok(Outcome::Fresh(made.clone())));
    let again = engine.open().await;
    assert_eq!(
        again.account(&tenant(), made.id).await.unwrap(),
        Some(made.clone())
    );
    assert_eq!(
        again.create_account(&new, NOW_MS).await.unwrap(),
        Err(Refusal::IdTaken { id: made.id })
    );
    let other = Tenant::parse("other").unwrap();
    assert_eq!(again.account(&other, made.id).await.unwrap(), None);
    assert_eq!(balance(&again, made.id.as_u64()).await, (0, 0, 0));
    assert!(again.balance(&other, made.id).await.unwrap().is_empty());
}

pub(super) async fn a_key_makes_one_account_and_shows_it_as_it_was_made(engine: &dyn Engine) {
    let outcomes = race(engine, 8, |ledger, i| async move {
        // Each copy would have its own id: one of them is the account's.
        let new = NewAccount {
            account: wallet(100 + i),
            claim: Some(claim("create", "a wallet")),
        };
        ledger.create_account(&new, NOW_MS).await.unwrap().unwrap()
    })
    .await;
    let fresh: Vec<&Account> = outcomes
        .iter()
        .filter(|o| !o.is_replay())
        .map(Outcome::get)
        .collect();
    assert_eq!(fresh.len(), 1);
    assert!(outcomes.iter().all(|outcome| outcome.get() == fresh[0]));
    let ledger = engine.open().await;
    let listed = ledger
        .accounts(&tenant(), &AccountFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(listed, [fresh[0].clone()]);
    let change = AccountChange {
        name: Some(Some("renamed".to_owned())),
        metadata: Some(r#"{"a":1}"#.to_owned()),
        close: true,
    };
    let changed = ledger
        .change_account(&tenant(), fresh[0].id, &change, NOW_MS + 1)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(changed.closed_at_ms, Some(NOW_MS + 1));
    let replay = NewAccount {
        account: wallet(200),
        claim: Some(claim("create", "a wallet")),
    };
    let shown = ledger.create_account(&replay, NOW_MS).await.unwrap();
    assert_eq!(shown, Ok(Outcome::Replayed(fresh[0].clone())));
    let other = NewAccount {
        claim: Some(claim("create", "another wallet")),
        ..replay
    };
    assert_eq!(
        ledger.create_account(&other, NOW_MS).await.unwrap(),
        Err(Refusal::KeyReused)
    );
    // A refusal is remembered, too.
    let taken = NewAccount {
        account: fresh[0].clone(),
        claim: Some(claim("taken", "the same id")),
    };
    let refusal = Refusal::IdTaken { id: fresh[0].id };
    let again = Refusal::Repeated(Box::new(refusal.clone()));
    for said in [refusal, again] {
        assert_eq!(ledger.create_account(&taken, NOW_MS).await.unwrap(), Err(said));
    }
}

pub(super) async fn accounts_are_listed_by_id_and_filter(engine: &dyn Engine) {
    let ledger = engine.open().await;
    let yen = Account {
        currency: "JPY".parse().unwrap(),
        ..account(30, AccountKind::Asset)
    };
    let foreign = Account {
        tenant: Tenant::parse("other").unwrap(),
        ..wallet(15)
    };
    for made in [wallet(20), account(10, AccountKind::Asset), yen, foreign] {
        create(&*ledger, made).await;
    }
    let list = async |filter: AccountFilter, after: Option<u64>, limit| {
        let found = ledger
            .accounts(&tenant(), &filter, after.map(id), limit)
            .await
            .unwrap();
        found
            .iter()
            .map(|account| account.id.as_u64())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(AccountFilter::default(), None, 2).await, [10, 20]);
    assert_eq!(list(AccountFilter::default(), Some(20), 2).await, [30]);
    let assets = AccountFilter {
        kind: Some(AccountKind::Asset),
        currency: None,
    };
    assert_eq!(list(assets.clone(), None, 9).await, [10, 30]);
    let euros = AccountFilter {
        currency: Some("EUR".parse().unwrap()),
        ..assets
    };
    assert_eq!(list(euros, None, 9).await, [10]);
}

pub(super) async fn an_account_with_a_balance_or_holds_is_not_closed(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let close = AccountChange {
        close: true,
        ..AccountChange::default()
    };
    let change = async |number| {
        ledger
            .change_account(&tenant(), id(number), &close, NOW_MS)
            .await
            .unwrap()
    };
    assert_eq!(change(99).await, Err(ChangeRefused::NotFound));
    assert_eq!(change(2).await, Err(ChangeRefused::NotEmpty));
    fresh(commit(&*ledger, hold(10, 2, 3, 100)).await);
    assert_eq!(
        change(3).await,
        Err(ChangeRefused::NotEmpty),
        "it is about to be paid"
    );
    fresh(commit(&*ledger, void(11, 10)).await);
    fresh(commit(&*ledger, transfer(12, 2, CASH, 100)).await);
    let closed = change(2).await.unwrap();
    assert_eq!(closed.closed_at_ms, Some(NOW_MS));
    assert_eq!(change(2).await.unwrap(), closed, "closed once");
    let refused = Refusal::AccountClosed { account_id: id(2) };
    assert_eq!(
        commit(&*ledger, transfer(13, CASH, 2, 1)).await,
        Err(refused.clone())
    );
    assert_eq!(commit(&*ledger, hold(14, CASH, 2, 1)).await, Err(refused.clone()));
    assert_eq!(
        commit(&*ledger, crate::books::reverse(15, 12, None)).await,
        Err(refused)
    );
}

pub(super) async fn closing_races_with_postings_and_one_is_first(engine: &dyn Engine) {
    let ledger = engine.open().await;
    let wallets: Vec<(u64, i64)> = (0..8).map(|i| (100 + i, 0)).collect();
    open_books(&*ledger, &wallets).await;
    let outcomes = race(engine, 16, |ledger, i| async move {
        let number = 100 + i / 2;
        if i % 2 == 0 {
            return commit(&*ledger, transfer(1_000 + i, CASH, number, 5))
                .await
                .is_ok();
        }
        let close = AccountChange {
            close: true,
            ..AccountChange::default()
        };
        ledger
            .change_account(&tenant(), id(number), &close, NOW_MS)
            .await
            .unwrap()
            .is_ok()
    })
    .await;
    for (pair, number) in outcomes.chunks(2).zip(100..) {
        assert_ne!(
            pair[0], pair[1],
            "either the posting or the closing of {number} was first"
        );
        let posted = if pair[0] { 5 } else { 0 };
        assert_eq!(balance(&ledger, number).await, (posted, 0, 0));
    }
}

pub(super) async fn a_split_account_sums_over_its_parts(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 0)]).await;
    let split = Account {
        parts: 4,
        ..account(50, AccountKind::Income)
    };
    create(&*ledger, split).await;
    let outcomes = race(engine, 24, |ledger, i| async move {
        commit(&*ledger, transfer(100 + i, CASH, 50, 10)).await.is_ok()
    })
    .await;
    assert!(outcomes.iter().all(|done| *done));
    assert_eq!(balance(&ledger, 50).await, (240, 0, 0));
    let parts = ledger.balance(&tenant(), id(50)).await.unwrap();
    assert_eq!(parts.len(), 4);
    assert!(
        parts.iter().all(|part| part.posted == -60 && part.entries == 6),
        "{parts:?}"
    );
    fresh(commit(&*ledger, hold(203, CASH, 50, 7)).await);
    assert_eq!(balance(&ledger, 50).await, (240, 0, 7));
    fresh(commit(&*ledger, crate::books::capture(302, 203, None, false)).await);
    assert_eq!(balance(&ledger, 50).await, (247, 0, 0));
}

/// Under little load ids are made one at a time, and all end in the same bits.
pub(super) async fn lone_snowflakes_spread_over_the_parts_of_a_split_account(engine: &dyn Engine) {
    const LONE: u64 = 1_000;
    let ledger = engine.open().await;
    open_books(&*ledger, &[]).await;
    let split = Account {
        parts: 8,
        ..account(50, AccountKind::Income)
    };
    create(&*ledger, split).await;
    let snowflake = |ms: u64| ((86_400_000 + ms) << 22) | (7 << 12);
    let transfers = (0..LONE).map(|ms| transfer(snowflake(ms), CASH, 50, 1));
    let outcomes = ledger.commit(&batch(transfers.collect())).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok));
    let parts = ledger.balance(&tenant(), id(50)).await.unwrap();
    let entries: Vec<i64> = parts.iter().map(|part| part.entries).collect();
    assert_eq!(entries.iter().sum::<i64>(), 1_000);
    assert!(
        entries.iter().all(|entries| *entries >= 62),
        "of 125 each: {entries:?}"
    );
    for (part, stored) in (0..).zip(&parts) {
        let mine = (0..LONE).filter(|ms| part_of(id(snowflake(*ms)), 8) == part);
        assert_eq!(
            stored.entries,
            i64::try_from(mine.count()).unwrap(),
            "part {part}"
        );
    }
    // A hold is on the part of its own id, and so says whoever looks from outside.
    let placed = snowflake(LONE);
    fresh(commit(&*ledger, hold(placed, CASH, 50, 7)).await);
    let held = ledger.balance(&tenant(), id(50)).await.unwrap();
    assert_eq!(held[usize::from(part_of(id(placed), 8))].hold_credits, 7);
    let report = payment::verify::verify(&engine.url()).await.unwrap();
    assert!(report.is_sound(), "{report}");
}
