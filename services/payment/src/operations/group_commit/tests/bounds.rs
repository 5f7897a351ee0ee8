//! How much goes in a commit, and what waits for the next.

use super::*;
use crate::ledger::{Amount, Direction, NewTransaction, Posting};

#[tokio::test]
async fn commits_and_the_queue_are_bounded_by_what_commands_weigh() {
    let posting = Posting {
        account_id: Id::from_u64(1).unwrap(),
        direction: Direction::Debit,
        amount: Amount::from_minor(1).unwrap(),
        currency: "EUR".parse().unwrap(),
    };
    let heavy = |id, postings| Command {
        action: Action::Transact(NewTransaction {
            kind: JournalKind::Transaction,
            postings: vec![posting; postings],
        }),
        ..command(id)
    };
    let bench = Bench::new(0, |settings| {
        settings.lanes = 1;
        settings.batch_max = 10;
        settings.queue_max = 40;
    });
    let mut sent = vec![bench.send(vec![heavy(1, 1_000)], false)];
    bench.until(1, 0).await;
    // Ten transfers' worth, then what no longer fits, then more than a commit has room for, which goes by itself.
    for (place, next) in [heavy(2, 2), heavy(3, 18), command(4), heavy(5, 40), command(6)]
        .into_iter()
        .enumerate()
    {
        sent.push(bench.send(vec![next], false));
        bench.until(1, place + 1).await;
    }
    let refused = bench.send(vec![heavy(7, 20)], false).await.unwrap().unwrap_err();
    assert!(matches!(refused, LedgerError::Busy), "{refused}");
    bench.ledger.gate.add_permits(10);
    for sent in sent {
        sent.await.unwrap().unwrap();
    }
    assert_eq!(bench.sizes(), [1, 2, 1, 1, 1]);
    assert_eq!(bench.commits.0.queue().weight, 0);
}

#[tokio::test]
async fn a_second_user_of_an_id_waits_for_the_next_commit() {
    let bench = Bench::new(0, |settings| settings.lanes = 1);
    let mut sent = vec![bench.send(vec![command(1)], false)];
    bench.until(1, 0).await;
    for commands in [
        vec![asking(7, 100, "x")],
        vec![asking(8, 101, "x"), asking(7, 102, "x")],
        vec![asking(9, 103, "x")],
        vec![asking(7, 104, "x")],
    ] {
        let waiting = bench.commits.0.queue().waiting + commands.len();
        sent.push(bench.send(commands, false));
        bench.until(1, waiting).await;
    }
    bench.ledger.gate.add_permits(10);
    for sent in sent {
        sent.await.unwrap().unwrap();
    }
    // Ids 1; 7 and 9; 8 and 7; 7.
    assert_eq!(bench.sizes(), [1, 2, 2, 1]);
}
