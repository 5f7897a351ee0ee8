//! Reversals.

use payment::ledger::{Direction, JournalKind, Refusal};

use super::{Engine, race};
use crate::books::{
    CASH, balance, capture, commit, fresh, hold, id, open_books, posting, reverse, tenant, transact, transfer,
};

pub(super) async fn a_reversal_points_at_what_it_reverses(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0), (4, 0)]).await;
    fresh(commit(&*ledger, transfer(10, 2, 3, 60)).await);
    let part = fresh(commit(&*ledger, reverse(11, 10, Some(20))).await);
    assert_eq!(
        (part.journal.kind, part.journal.refers_to),
        (JournalKind::Reversal, Some(id(10)))
    );
    let turned = [
        posting(2, Direction::Credit, 20, "EUR"),
        posting(3, Direction::Debit, 20, "EUR"),
    ];
    assert_eq!(part.journal.postings, turned);
    assert_eq!(
        ledger.journal(&tenant(), id(10)).await.unwrap().unwrap().reversed,
        20
    );
    let exceeds = |remaining: &str| Refusal::ReversalExceeds {
        journal_id: id(10),
        remaining: remaining.to_owned(),
    };
    assert_eq!(
        commit(&*ledger, reverse(12, 10, Some(41))).await,
        Err(exceeds("40"))
    );
    fresh(commit(&*ledger, reverse(13, 10, None)).await);
    assert_eq!(commit(&*ledger, reverse(14, 10, None)).await, Err(exceeds("0")));
    assert_eq!(balance(&ledger, 2).await, (100, 0, 0));
    // A capture is reversed, what placed the hold is not, nor a reversal.
    fresh(commit(&*ledger, hold(20, 2, 3, 10)).await);
    fresh(commit(&*ledger, capture(21, 20, None, false)).await);
    let not = |number| {
        Err(Refusal::NotReversible {
            journal_id: id(number),
        })
    };
    assert_eq!(commit(&*ledger, reverse(22, 20, None)).await, not(20));
    assert_eq!(commit(&*ledger, reverse(23, 13, None)).await, not(13));
    fresh(commit(&*ledger, reverse(24, 21, None)).await);
    // A bigger one is reversed whole, and once.
    let three = vec![
        posting(CASH, Direction::Debit, 30, "EUR"),
        posting(3, Direction::Credit, 10, "EUR"),
        posting(4, Direction::Credit, 20, "EUR"),
    ];
    fresh(commit(&*ledger, transact(30, JournalKind::Transaction, three)).await);
    assert_eq!(commit(&*ledger, reverse(31, 30, Some(5))).await, not(30));
    fresh(commit(&*ledger, reverse(32, 30, None)).await);
    let twice = commit(&*ledger, reverse(33, 30, None)).await;
    assert_eq!(twice.unwrap_err().code(), "reversal_exceeds");
    assert_eq!(balance(&ledger, 4).await, (0, 0, 0));
    // What was spent since cannot be taken back.
    fresh(commit(&*ledger, transfer(40, 2, 3, 50)).await);
    fresh(commit(&*ledger, transfer(41, 3, 4, 50)).await);
    let gone = Err(Refusal::InsufficientFunds { account_id: id(3) });
    assert_eq!(commit(&*ledger, reverse(42, 40, None)).await, gone);
}

pub(super) async fn racing_partial_reversals_never_exceed_the_transfer(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 500)]).await;
    fresh(commit(&*ledger, transfer(10, 2, 3, 50)).await);
    let outcomes = race(engine, 16, |ledger, i| async move {
        commit(&*ledger, reverse(100 + i, 10, Some(7))).await
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 7);
    assert_eq!(
        ledger.journal(&tenant(), id(10)).await.unwrap().unwrap().reversed,
        49
    );
    assert_eq!(balance(&ledger, 2).await, (99, 0, 0));
    assert_eq!(balance(&ledger, 3).await, (501, 0, 0));
}
