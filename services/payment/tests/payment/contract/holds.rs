//! Holds.

use payment::ledger::{HoldState, JournalKind, Refusal};

use super::{Engine, race};
use crate::books::{
    NOW_MS, balance, batch, capture, commit, commit_at, expire, fresh, hold, id, open_books, sums_to_zero,
    tenant, transfer, void,
};

pub(super) async fn a_hold_is_captured_in_parts(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let placed = fresh(commit(&*ledger, hold(10, 2, 3, 80)).await);
    let then = placed.hold.unwrap();
    assert_eq!(
        (placed.journal.kind, placed.journal.hold_id),
        (JournalKind::Hold, Some(id(10)))
    );
    assert!(placed.journal.postings.is_empty());
    assert_eq!(
        (then.state, then.remaining(), then.created_at_ms),
        (HoldState::Open, 80, NOW_MS)
    );
    assert_eq!(balance(&ledger, 2).await, (100, 80, 0));
    assert_eq!(balance(&ledger, 3).await, (0, 0, 80));
    let first = fresh(commit(&*ledger, capture(11, 10, Some(30), false)).await);
    assert_eq!(
        (first.journal.kind, first.journal.hold_id),
        (JournalKind::Capture, Some(id(10)))
    );
    assert_eq!(first.journal.postings.len(), 2);
    assert_eq!(balance(&ledger, 2).await, (70, 50, 0));
    let exceeds = Refusal::CaptureExceedsHold {
        hold_id: id(10),
        remaining: "50".to_owned(),
    };
    assert_eq!(
        commit(&*ledger, capture(12, 10, Some(51), false)).await,
        Err(exceeds)
    );
    let last = fresh(commit(&*ledger, capture(13, 10, Some(10), true)).await)
        .hold
        .unwrap();
    assert_eq!(
        (last.state, last.captured, last.released),
        (HoldState::Captured, 40, 40)
    );
    assert_eq!(ledger.hold(&tenant(), id(10)).await.unwrap(), Some(last));
    assert_eq!(balance(&ledger, 2).await, (60, 0, 0));
    assert_eq!(balance(&ledger, 3).await, (40, 0, 0));
    let over = Err(Refusal::HoldNotOpen { hold_id: id(10) });
    assert_eq!(commit(&*ledger, capture(14, 10, None, false)).await, over);
    assert_eq!(commit(&*ledger, void(15, 10)).await, over);
    let unknown = Err(Refusal::HoldNotFound { hold_id: id(77) });
    assert_eq!(commit(&*ledger, void(16, 77)).await, unknown);
    let too_much = Err(Refusal::InsufficientFunds { account_id: id(2) });
    assert_eq!(commit(&*ledger, hold(17, 2, 3, 61)).await, too_much);
}

pub(super) async fn a_hold_under_a_taken_id_is_refused_and_nothing_else_is(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0), (4, 50)]).await;
    fresh(commit(&*ledger, hold(10, 2, 3, 80)).await);
    let taken = Err(Refusal::IdTaken { id: id(10) });
    assert_eq!(commit(&*ledger, hold(10, 4, 3, 5)).await, taken);
    // Folded with others, one of which is about the hold whose id it wants.
    for number in [20, 30] {
        let outcomes = ledger
            .commit(&batch(vec![
                transfer(number, 2, 3, 1),
                hold(10, 4, 3, 5),
                capture(number + 1, 10, Some(7), false),
                transfer(number + 2, 4, 3, 1),
            ]))
            .await
            .unwrap();
        let refused: Vec<_> = outcomes.iter().map(Result::is_err).collect();
        assert_eq!(refused, [false, true, false, false], "{outcomes:?}");
        assert_eq!(outcomes[1], taken);
    }
    assert_eq!(balance(&ledger, 2).await, (84, 66, 0));
    assert_eq!(balance(&ledger, 4).await, (48, 0, 0));
    let held = ledger.hold(&tenant(), id(10)).await.unwrap().unwrap();
    assert_eq!(
        (held.credit_account_id, held.amount.minor(), held.captured),
        (id(3), 80, 14)
    );
    assert!(sums_to_zero(&ledger, None).await);
}

pub(super) async fn racing_captures_never_exceed_the_hold(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    fresh(commit(&*ledger, hold(10, 2, 3, 50)).await);
    let outcomes = race(engine, 16, |ledger, i| async move {
        commit(&*ledger, capture(100 + i, 10, Some(7), false)).await
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 7);
    let held = ledger.hold(&tenant(), id(10)).await.unwrap().unwrap();
    assert_eq!((held.captured, held.state), (49, HoldState::Open));
    assert_eq!(balance(&ledger, 3).await, (49, 0, 1));
    assert_eq!(balance(&ledger, 2).await, (51, 1, 0));
}

pub(super) async fn capture_void_and_expiry_race_and_the_hold_ends_once(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 1_000), (3, 0)]).await;
    for round in 0..8 {
        fresh(commit(&*ledger, hold(100 + round, 2, 3, 10)).await);
    }
    let outcomes = race(engine, 24, |ledger, i| async move {
        let (held, number) = (100 + i / 3, 1_000 + i);
        let (command, now_ms) = match i % 3 {
            0 => (capture(number, held, None, false), NOW_MS),
            1 => (void(number, held), NOW_MS),
            // Its clock says that the time is over.
            _ => (expire(number, held), NOW_MS + 1_000),
        };
        commit_at(&*ledger, command, now_ms).await
    })
    .await;
    let mut captured = 0;
    for (three, number) in outcomes.chunks(3).zip(100..) {
        assert_eq!(
            three.iter().filter(|outcome| outcome.is_ok()).count(),
            1,
            "{three:?}"
        );
        let held = ledger.hold(&tenant(), id(number)).await.unwrap().unwrap();
        let won = three.iter().position(Result::is_ok).unwrap();
        let state = [HoldState::Captured, HoldState::Voided, HoldState::Expired][won];
        assert_eq!((held.state, held.remaining()), (state, 0));
        captured += i128::from(held.captured);
    }
    assert_eq!(balance(&ledger, 3).await, (captured, 0, 0));
    assert_eq!(balance(&ledger, 2).await, (1_000 - captured, 0, 0));
    assert!(sums_to_zero(&ledger, None).await);
}

pub(super) async fn overdue_holds_are_found_and_expired(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    for number in [12, 11, 10] {
        fresh(commit(&*ledger, hold(number, 2, 3, 10)).await);
    }
    fresh(commit(&*ledger, void(20, 11)).await);
    let over_ms = NOW_MS + 1_000;
    assert!(ledger.overdue_holds(over_ms - 1, 9).await.unwrap().is_empty());
    let early = Err(Refusal::HoldNotExpired { hold_id: id(10) });
    assert_eq!(commit_at(&*ledger, expire(21, 10), over_ms - 1).await, early);
    let overdue = ledger.overdue_holds(over_ms, 9).await.unwrap();
    assert_eq!(overdue, [(tenant(), id(10)), (tenant(), id(12))]);
    assert_eq!(ledger.overdue_holds(over_ms, 1).await.unwrap().len(), 1);
    let late = Err(Refusal::HoldExpired { hold_id: id(10) });
    assert_eq!(
        commit_at(&*ledger, capture(22, 10, None, false), over_ms).await,
        late
    );
    for number in [10, 12] {
        let done = fresh(commit_at(&*ledger, expire(30 + number, number), over_ms).await);
        assert_eq!(done.hold.unwrap().state, HoldState::Expired);
    }
    assert!(ledger.overdue_holds(over_ms, 9).await.unwrap().is_empty());
    assert_eq!(balance(&ledger, 2).await, (100, 0, 0));
}

pub(super) async fn holds_are_listed_by_id_and_account(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 100), (4, 100)]).await;
    for (number, debit, credit) in [(13, 2, 3), (11, 3, 4), (12, 4, 2), (14, 3, 4)] {
        fresh(commit(&*ledger, hold(number, debit, credit, 1)).await);
    }
    let list = async |account: Option<u64>, after: Option<u64>, limit| {
        let found = ledger
            .holds(&tenant(), account.map(id), after.map(id), limit)
            .await
            .unwrap();
        found.iter().map(|hold| hold.id.as_u64()).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 3).await, [11, 12, 13]);
    assert_eq!(list(None, Some(13), 3).await, [14]);
    assert_eq!(list(Some(2), None, 9).await, [12, 13]);
    assert_eq!(list(Some(4), None, 2).await, [11, 12]);
    assert_eq!(list(Some(4), Some(12), 2).await, [14]);
    let latest = async |account, before: Option<u64>, limit| {
        let found = ledger
            .latest_holds(&tenant(), id(account), before.map(id), limit)
            .await
            .unwrap();
        found.iter().map(|hold| hold.id.as_u64()).collect::<Vec<_>>()
    };
    assert_eq!(latest(2, None, 9).await, [13, 12]);
    assert_eq!(latest(4, None, 2).await, [14, 12]);
    assert_eq!(latest(4, Some(12), 2).await, [11]);
    assert!(latest(4, Some(11), 2).await.is_empty());
}
