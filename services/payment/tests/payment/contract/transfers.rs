//! Transactions and batches.

use idempotency::Outcome;
use identity::Tenant;
use payment::ledger::{Account, AccountKind, Command, Direction, Id, JournalKind, Refusal};
use payment::store::ledger::{BATCH_MAX, Batch};

use super::{Engine, race};
use crate::books::{
    CASH, NOW_MS, account, balance, batch, commit, create, fresh, hold, id, keyed, open_books, posting,
    sums_to_zero, tenant, transact, transfer,
};

pub(super) async fn a_transfer_moves_money_and_stands_after_reopening(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let told = Command {
        details: r#"{"description":"Kaffee ☕ \" \\ \u0000"}"#.to_owned(),
        ..transfer(10, 2, 3, 40)
    };
    let settled = fresh(commit(&*ledger, told.clone()).await);
    assert_eq!(settled.journal.details, told.details);
    assert_eq!(
        (settled.journal.kind, settled.journal.at_ms),
        (JournalKind::Transfer, NOW_MS)
    );
    let again = engine.open().await;
    assert_eq!(balance(&again, 2).await, (60, 0, 0));
    assert_eq!(balance(&again, 3).await, (40, 0, 0));
    assert_eq!(
        again.journal(&tenant(), id(10)).await.unwrap(),
        Some(settled.journal)
    );
    assert_eq!(again.journal(&tenant(), id(11)).await.unwrap(), None);
    let entries = again
        .entries(&tenant(), id(3), 0..u64::MAX, None, 9)
        .await
        .unwrap();
    let [entry] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert_eq!(
        (entry.seq, entry.line, entry.direction),
        (1, 1, Direction::Credit)
    );
    assert_eq!(
        (entry.balance_after, entry.journal_id, entry.at_ms),
        (-40, id(10), NOW_MS)
    );
}

pub(super) async fn what_is_refused_moves_nothing(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let yen = Account {
        currency: "JPY".parse().unwrap(),
        ..account(4, AccountKind::Asset)
    };
    create(&*ledger, yen).await;
    let heads = ledger.chain_heads().await.unwrap();
    let (one, two) = (Direction::Debit, Direction::Credit);
    let unbalanced = vec![posting(2, one, 5, "EUR"), posting(3, two, 4, "EUR")];
    let mixed = vec![
        posting(2, one, 5, "EUR"),
        posting(3, two, 5, "EUR"),
        posting(2, one, 5, "EUR"),
        posting(99, two, 5, "EUR"),
    ];
    let cases = [
        (
            transfer(10, 2, 3, 101),
            Refusal::InsufficientFunds { account_id: id(2) },
        ),
        (
            transfer(11, 2, 98, 1),
            Refusal::AccountNotFound { account_id: id(98) },
        ),
        (
            transfer(12, 2, 4, 1),
            Refusal::CurrencyMismatch { account_id: id(4) },
        ),
        (
            transact(13, JournalKind::Transaction, unbalanced),
            Refusal::Unbalanced,
        ),
        (
            transact(14, JournalKind::Transaction, mixed),
            Refusal::AccountNotFound { account_id: id(99) },
        ),
    ];
    for (command, refusal) in cases {
        let number = command.id;
        assert_eq!(commit(&*ledger, command).await, Err(refusal));
        assert_eq!(ledger.journal(&tenant(), number).await.unwrap(), None);
    }
    assert_eq!(balance(&ledger, 2).await, (100, 0, 0));
    assert_eq!(balance(&ledger, 3).await, (0, 0, 0));
    assert_eq!(ledger.chain_heads().await.unwrap(), heads);
}

pub(super) async fn tenants_do_not_see_one_another(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let other = Tenant::parse("other").unwrap();
    let of_other = |command: Command| Command {
        tenant: other.clone(),
        ..command
    };
    let stranger = Account {
        tenant: other.clone(),
        ..account(7, AccountKind::Asset)
    };
    create(&*ledger, stranger).await;
    assert_eq!(
        commit(&*ledger, of_other(transfer(10, 7, 2, 1))).await,
        Err(Refusal::AccountNotFound { account_id: id(2) })
    );
    fresh(commit(&*ledger, hold(11, 2, 3, 50)).await);
    let found = commit(&*ledger, of_other(crate::books::capture(12, 11, None, false))).await;
    assert_eq!(found, Err(Refusal::HoldNotFound { hold_id: id(11) }));
    fresh(commit(&*ledger, transfer(13, 2, 3, 1)).await);
    let found = commit(&*ledger, of_other(crate::books::reverse(14, 13, None))).await;
    assert_eq!(found, Err(Refusal::TransferNotFound { journal_id: id(13) }));
    assert_eq!(ledger.journal(&other, id(13)).await.unwrap(), None);
    assert_eq!(ledger.hold(&other, id(11)).await.unwrap(), None);
    assert!(
        ledger
            .entries(&other, id(2), 0..u64::MAX, None, 9)
            .await
            .unwrap()
            .is_empty()
    );
    // The same ids are another row there, also in one batch.
    let mine = Account {
        tenant: other.clone(),
        ..account(8, AccountKind::Equity)
    };
    create(&*ledger, mine).await;
    let both = vec![of_other(transfer(20, 7, 8, 1)), transfer(20, 2, 3, 1)];
    let outcomes = ledger.commit(&batch(both)).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

pub(super) async fn crossing_transfers_do_not_stand_in_each_others_way(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 10_000), (3, 10_000), (4, 10_000)]).await;
    let pairs = [(2, 3), (3, 2), (3, 4), (4, 2), (2, 4), (4, 3)];
    let outcomes = race(engine, 48, move |ledger, i| async move {
        let (debit, credit) = pairs[usize::try_from(i).unwrap() % pairs.len()];
        // Two legs a batch, so that a batch locks more than one pair.
        let legs = vec![
            transfer(1_000 + i, debit, credit, 3),
            transfer(2_000 + i, credit, debit, 2),
        ];
        ledger
            .commit(&batch(legs))
            .await
            .unwrap()
            .into_iter()
            .all(|outcome| outcome.is_ok())
    })
    .await;
    assert!(outcomes.iter().all(|done| *done));
    let mut total = 0;
    for number in [2, 3, 4] {
        total += balance(&ledger, number).await.0;
    }
    assert_eq!(total, 30_000);
    assert!(sums_to_zero(&ledger, None).await);
}

pub(super) async fn racing_takers_never_take_more_than_there_is(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let outcomes = race(engine, 30, |ledger, i| async move {
        commit(&*ledger, transfer(100 + i, 2, 3, 7)).await
    })
    .await;
    let taken = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(taken, 14, "14 times 7 is 98");
    let refused = Err(Refusal::InsufficientFunds { account_id: id(2) });
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.is_ok() || *outcome == refused)
    );
    assert_eq!(balance(&ledger, 2).await, (2, 0, 0));
    assert_eq!(balance(&ledger, 3).await, (98, 0, 0));
    let entries = ledger
        .entries(&tenant(), id(2), 0..u64::MAX, None, 99)
        .await
        .unwrap();
    assert!(
        entries.iter().all(|entry| entry.balance_after <= 0),
        "never below zero on its side"
    );
}

pub(super) async fn write_skew_over_two_holds_and_a_transfer_cannot_happen(engine: &dyn Engine) {
    // Each alone leaves enough; no two of them do. What is read to decide is what is locked, so they cannot pass one another.
    for round in 0..4 {
        let ledger = engine.open().await;
        let (payer, payee) = (10 + round * 10, 11 + round * 10);
        if round == 0 {
            open_books(&*ledger, &[(payer, 0), (payee, 0)]).await;
        } else {
            create(&*ledger, crate::books::wallet(payer)).await;
            create(&*ledger, crate::books::wallet(payee)).await;
        }
        fresh(commit(&*ledger, transfer(500 + round, CASH, payer, 100)).await);
        let outcomes = race(engine, 3, move |ledger, i| async move {
            let number = 1_000 + round * 10 + i;
            let command = match i {
                0 => transfer(number, payer, payee, 60),
                _ => hold(number, payer, payee, 60),
            };
            commit(&*ledger, command).await.is_ok()
        })
        .await;
        assert_eq!(outcomes.iter().filter(|done| **done).count(), 1, "{outcomes:?}");
        let (posted, out, _) = balance(&ledger, payer).await;
        assert_eq!(posted - out, 40);
    }
}

pub(super) async fn together_is_whole_or_nothing(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let together = |commands| Batch {
        together: true,
        ..batch(commands)
    };
    let too_much = vec![
        keyed(transfer(10, 2, 3, 40), "a", "40"),
        keyed(transfer(11, 2, 3, 61), "b", "61"),
        keyed(transfer(12, 2, 3, 1), "c", "1"),
    ];
    let refusals = [
        Refusal::NotAlone,
        Refusal::InsufficientFunds { account_id: id(2) },
        Refusal::NotAlone,
    ];
    let repeated = |refusal: &Refusal| Err(Refusal::Repeated(Box::new(refusal.clone())));
    let first = ledger.commit(&together(too_much.clone())).await.unwrap();
    assert_eq!(first, refusals.clone().map(Err));
    let again = ledger.commit(&together(too_much.clone())).await.unwrap();
    assert_eq!(again, refusals.each_ref().map(repeated));
    assert_eq!(balance(&ledger, 2).await, (100, 0, 0));
    assert_eq!(
        commit(&*ledger, too_much[0].clone()).await,
        repeated(&Refusal::NotAlone),
        "and by its own key"
    );
    let fits = vec![transfer(13, 2, 3, 40), transfer(14, 2, 3, 60)];
    let outcomes = ledger.commit(&together(fits)).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(balance(&ledger, 3).await, (100, 0, 0));
}

pub(super) async fn a_batch_of_the_largest_size_is_one_link(engine: &dyn Engine) {
    let ledger = engine.open().await;
    let wallets: Vec<(u64, i64)> = (0..20).map(|i| (100 + i, 0)).collect();
    open_books(&*ledger, &wallets).await;
    let before = ledger.chain_heads().await.unwrap();
    let number = |i: usize| u64::try_from(i).unwrap();
    let commands: Vec<Command> = (0..BATCH_MAX)
        .map(|i| {
            let command = transfer(10_000 + number(i), CASH, 100 + number(i) % 20, 1 + (i % 7) as i64);
            keyed(command, &format!("key {i}"), "one")
        })
        .collect();
    let whole = Batch {
        shard: 3,
        ..batch(commands)
    };
    let outcomes = ledger.commit(&whole).await.unwrap();
    assert_eq!(outcomes.len(), BATCH_MAX);
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(Outcome::Fresh(_))))
    );
    let replayed = ledger.commit(&whole).await.unwrap();
    for (first, second) in outcomes.iter().zip(&replayed) {
        let (Ok(first), Ok(Outcome::Replayed(second))) = (first, second) else {
            panic!("{first:?} {second:?}");
        };
        assert_eq!(first.get(), second);
    }
    let after = ledger.chain_heads().await.unwrap();
    assert_eq!(after[3].link, before[3].link + 1);
    let links = ledger.links(3, before[3].link, 9).await.unwrap();
    assert_eq!((links.len(), links[0].digests.len()), (1, BATCH_MAX));
    let rows = ledger.link_rows(3, after[3].link).await.unwrap();
    assert_eq!(rows.len(), BATCH_MAX);
    assert!(
        rows.iter()
            .zip(10_000..)
            .all(|(row, number)| row.journal.id == id(number))
    );
    assert!(sums_to_zero(&ledger, None).await);
}

pub(super) async fn a_transaction_of_a_thousand_postings_is_whole(engine: &dyn Engine) {
    let ledger = engine.open().await;
    let wallets: Vec<(u64, i64)> = (0..9).map(|i| (100 + i, 0)).collect();
    open_books(&*ledger, &wallets).await;
    let mut postings = vec![posting(CASH, Direction::Debit, 999, "EUR")];
    postings.extend((0..999).map(|i| posting(100 + i % 9, Direction::Credit, 1, "EUR")));
    let settled = fresh(commit(&*ledger, transact(10, JournalKind::Transaction, postings.clone())).await);
    assert_eq!(settled.journal.postings, postings);
    assert_eq!(
        ledger.journal(&tenant(), id(10)).await.unwrap(),
        Some(settled.journal)
    );
    assert_eq!(balance(&ledger, 104).await, (111, 0, 0));
    let entries = ledger
        .entries(&tenant(), id(104), 0..u64::MAX, None, 999)
        .await
        .unwrap();
    assert_eq!(entries.len(), 111);
    assert!(
        entries
            .iter()
            .zip(1..)
            .all(|(entry, seq)| entry.seq == seq && entry.balance_after == -seq)
    );
}

pub(super) async fn the_largest_amounts_come_back_and_overflow_is_refused(engine: &dyn Engine) {
    let ledger = engine.open().await;
    let max = i64::MAX;
    for number in [1, 2, 3, max.cast_unsigned()] {
        create(&*ledger, account(number, AccountKind::Asset)).await;
    }
    let largest = Command {
        id: Id::from_u64(max.cast_unsigned()).unwrap(),
        ..transfer(1, max.cast_unsigned(), 2, max)
    };
    let settled = fresh(commit(&*ledger, largest).await);
    assert_eq!(
        ledger.journal(&tenant(), settled.journal.id).await.unwrap(),
        Some(settled.journal)
    );
    assert_eq!(
        balance(&ledger, max.cast_unsigned()).await,
        (i128::from(max), 0, 0)
    );
    assert_eq!(balance(&ledger, 2).await, (-i128::from(max), 0, 0));
    let overflow = |number| {
        Err(Refusal::BalanceOverflow {
            account_id: id(number),
        })
    };
    assert_eq!(
        commit(&*ledger, transfer(10, max.cast_unsigned(), 1, 1)).await,
        overflow(max.cast_unsigned())
    );
    assert_eq!(commit(&*ledger, transfer(11, 1, 2, 2)).await, overflow(2));
    // Sums of what each fits may pass 64 bits: the trial balance is exact all the same.
    fresh(commit(&*ledger, transfer(12, 3, 1, max)).await);
    let lines = ledger.trial_balance(&tenant(), None).await.unwrap();
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(
        (line.accounts, line.debits, line.credits),
        (4, 2 * i128::from(max), 2 * i128::from(max))
    );
    let held = hold(13, 1, 2, max);
    fresh(commit(&*ledger, held).await);
    assert_eq!(commit(&*ledger, hold(14, 1, 2, 1)).await, overflow(1));
}

pub(super) async fn an_id_is_given_once(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let outcomes = race(engine, 8, |ledger, i| async move {
        // Alternating actions: all rows of the journal share their ids.
        let command = if i % 2 == 0 {
            transfer(10, 2, 3, 1)
        } else {
            hold(10, 2, 3, 1)
        };
        commit(&*ledger, command).await
    })
    .await;
    let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(made, 1);
    let taken = Err(Refusal::IdTaken { id: id(10) });
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.is_ok() || *outcome == taken)
    );
    let (posted, out, _) = balance(&ledger, 2).await;
    assert_eq!(posted - out, 99);
    let twice = vec![transfer(11, 2, 3, 1), transfer(11, 2, 3, 1)];
    let outcomes = ledger.commit(&batch(twice)).await.unwrap();
    assert!(outcomes[0].is_ok());
    assert_eq!(outcomes[1], Err(Refusal::IdTaken { id: id(11) }));
}

pub(super) async fn all_or_nothing_an_id_is_the_first_ones_that_wants_it(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let together = async |commands: Vec<Command>| {
        let batch = Batch {
            together: true,
            ..batch(commands)
        };
        ledger.commit(&batch).await.unwrap()
    };
    // The first fails, and yet the second does not get the id: whoever names it means the first.
    let first_fails = vec![
        hold(10, 2, 3, 101),
        hold(10, 2, 3, 1),
        crate::books::capture(11, 10, None, false),
        transfer(12, 2, 3, 1),
    ];
    let refused: Vec<Refusal> = together(first_fails)
        .await
        .into_iter()
        .map(Result::unwrap_err)
        .collect();
    let expected = [
        Refusal::InsufficientFunds { account_id: id(2) },
        Refusal::IdTaken { id: id(10) },
        Refusal::HoldNotFound { hold_id: id(10) },
        Refusal::NotAlone,
    ];
    assert_eq!(refused, expected);
    // A repeat makes nothing: the id that it brings is another's to take, and to be named by.
    let again = |number| keyed(transfer(number, 2, 3, 1), "first", "");
    fresh(commit(&*ledger, again(20)).await);
    let with_a_repeat = vec![
        again(30),
        transfer(30, 2, 3, 7),
        crate::books::reverse(31, 30, Some(3)),
    ];
    let answers = together(with_a_repeat).await;
    let replays: Vec<bool> = answers
        .iter()
        .map(|answer| answer.as_ref().unwrap().is_replay())
        .collect();
    assert_eq!(replays, [true, false, false]);
    assert_eq!(balance(&ledger, 3).await.0, 5);
}

pub(super) async fn an_exchange_goes_through_two_currencies(engine: &dyn Engine) {
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 1_000)]).await;
    let dollars = |number, kind| Account {
        currency: "USD".parse().unwrap(),
        ..account(number, kind)
    };
    create(&*ledger, dollars(20, AccountKind::Liability)).await;
    create(&*ledger, account(30, AccountKind::Equity)).await;
    create(&*ledger, dollars(31, AccountKind::Equity)).await;
    let exchange = Command {
        details: r#"{"rate":"1.1"}"#.to_owned(),
        ..transact(
            10,
            JournalKind::Transaction,
            vec![
                posting(2, Direction::Debit, 1_000, "EUR"),
                posting(30, Direction::Credit, 1_000, "EUR"),
                posting(31, Direction::Debit, 1_100, "USD"),
                posting(20, Direction::Credit, 1_100, "USD"),
            ],
        )
    };
    fresh(commit(&*ledger, exchange).await);
    assert_eq!(balance(&ledger, 20).await, (1_100, 0, 0));
    assert_eq!(balance(&ledger, 31).await, (-1_100, 0, 0));
    assert!(sums_to_zero(&ledger, None).await);
}
