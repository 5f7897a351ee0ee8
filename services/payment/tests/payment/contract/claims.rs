//! Idempotency records.

use idempotency::Outcome;
use payment::ledger::Refusal;

use super::{Engine, race};
use crate::books::{
    CASH, NOW_MS, balance, batch, capture, commit, commit_at, fresh, hold, id, keyed, open_books, tenant,
    transfer,
};

pub(super) async fn sixty_four_racing_copies_have_one_effect_and_one_answer(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 1_000), (3, 0)]).await;
    let outcomes = race(engine, 64, |ledger, i| async move {
        // Each copy brings a fresh id, as a service does.
        commit(&*ledger, keyed(transfer(100 + i, 2, 3, 10), "storm", "ten"))
            .await
            .unwrap()
    })
    .await;
    let fresh: Vec<_> = outcomes.iter().filter(|outcome| !outcome.is_replay()).collect();
    assert_eq!(fresh.len(), 1);
    assert!(outcomes.iter().all(|outcome| outcome.get() == fresh[0].get()));
    assert_eq!(balance(&ledger, 3).await, (10, 0, 0));
    let entries = ledger
        .entries(&tenant(), id(3), 0..u64::MAX, None, 9)
        .await
        .unwrap();
    assert_eq!(entries.len(), 1);
}

pub(super) async fn a_refusal_is_remembered_even_when_the_money_came(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 5), (3, 0)]).await;
    let pay = |number| keyed(transfer(number, 2, 3, 10), "pay", "ten");
    let refusal = Refusal::InsufficientFunds { account_id: id(2) };
    assert_eq!(commit(&*ledger, pay(10)).await, Err(refusal.clone()));
    fresh(commit(&*ledger, transfer(11, CASH, 2, 100)).await);
    let outcomes = race(engine, 8, move |ledger, i| async move {
        commit(&*ledger, pay(20 + i)).await
    })
    .await;
    let again = Err(Refusal::Repeated(Box::new(refusal)));
    assert!(outcomes.iter().all(|outcome| *outcome == again), "{outcomes:?}");
    assert_eq!(balance(&ledger, 3).await, (0, 0, 0));
    fresh(commit(&*ledger, keyed(transfer(30, 2, 3, 10), "pay again", "ten")).await);
}

pub(super) async fn a_key_for_another_request_is_refused(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let first = fresh(commit(&*ledger, keyed(transfer(10, 2, 3, 10), "key", "ten")).await);
    for _ in 0..2 {
        let other = keyed(transfer(11, 2, 3, 11), "key", "eleven");
        assert_eq!(commit(&*ledger, other).await, Err(Refusal::KeyReused));
    }
    let again = commit(&*ledger, keyed(transfer(12, 2, 3, 10), "key", "ten")).await;
    assert_eq!(
        again,
        Ok(Outcome::Replayed(first.clone())),
        "the record is the first's still"
    );
    let both = vec![
        keyed(transfer(13, 2, 3, 11), "key", "eleven"),
        keyed(transfer(14, 2, 3, 10), "key", "ten"),
    ];
    let answers = ledger.commit(&batch(both)).await.unwrap();
    assert_eq!(answers, [Err(Refusal::KeyReused), Ok(Outcome::Replayed(first))]);
    assert_eq!(balance(&ledger, 3).await, (10, 0, 0));
}

pub(super) async fn copies_within_a_batch_are_replays(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let commands = vec![
        keyed(transfer(10, 2, 3, 10), "a", "ten"),
        keyed(transfer(11, 2, 3, 10), "a", "ten"),
        keyed(transfer(12, 2, 3, 11), "a", "eleven"),
        keyed(transfer(13, 2, 3, 999), "b", "all"),
        keyed(transfer(14, 2, 3, 999), "b", "all"),
        transfer(15, 2, 3, 1),
    ];
    let mut outcomes = ledger.commit(&batch(commands)).await.unwrap();
    assert_eq!(outcomes.len(), 6);
    fresh(outcomes.remove(5));
    let refusal = Refusal::InsufficientFunds { account_id: id(2) };
    let again = Refusal::Repeated(Box::new(refusal.clone()));
    assert_eq!(outcomes[3..], [Err(refusal), Err(again)]);
    assert_eq!(outcomes[2], Err(Refusal::KeyReused));
    let first = fresh(outcomes.remove(0));
    assert_eq!(outcomes[0], Ok(Outcome::Replayed(first)));
    assert_eq!(balance(&ledger, 3).await, (11, 0, 0));
}

pub(super) async fn a_replayed_capture_shows_the_hold_as_it_was(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let steps = [
        keyed(hold(10, 2, 3, 50), "hold", ""),
        keyed(capture(11, 10, Some(20), false), "first", ""),
        keyed(capture(12, 10, None, false), "second", ""),
        keyed(crate::books::reverse(13, 12, Some(5)), "back", ""),
    ];
    let mut made = Vec::new();
    for step in &steps {
        made.push(fresh(commit(&*ledger, step.clone()).await));
    }
    let held: Vec<_> = made
        .iter()
        .map(|made| made.hold.as_ref().map(|hold| hold.captured))
        .collect();
    assert_eq!(held, [Some(0), Some(20), Some(50), None]);
    let again = engine.open().await;
    for (step, made) in steps.iter().zip(made) {
        assert_eq!(commit(&*again, step.clone()).await, Ok(Outcome::Replayed(made)));
    }
    assert_eq!(
        ledger.journal(&tenant(), id(12)).await.unwrap().unwrap().reversed,
        5
    );
}

pub(super) async fn claims_expire_and_are_forgotten(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    for number in 10..15 {
        let command = keyed(transfer(number, 2, 3, 1), &number.to_string(), "");
        fresh(commit(&*ledger, command).await);
    }
    let over_ms = NOW_MS + 1_000;
    let again = |number| keyed(transfer(number, 2, 3, 1), "10", "");
    let before = commit_at(&*ledger, again(20), over_ms - 1).await.unwrap();
    assert!(before.is_replay());
    // Its time is over: it counts no more, though nobody has forgotten it yet.
    assert!(!commit_at(&*ledger, again(21), over_ms).await.unwrap().is_replay());
    assert_eq!(ledger.forget_claims(over_ms - 1, 9).await.unwrap(), 0);
    assert_eq!(ledger.forget_claims(over_ms, 3).await.unwrap(), 3);
    let rest = ledger.forget_claims(over_ms, 9).await.unwrap();
    assert_eq!(
        rest, 2,
        "the one that was used again ends as late as its last use said"
    );
}
