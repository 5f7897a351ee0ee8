//! The payment service and, every fourth time, its PostgreSQL are killed with SIGKILL under the load of money that the embedded platform's own trial has.

use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use testkit::engines::{Kind, OwnEngine, fresh_name};
use tokio::time::Instant;

use super::money_fleet::MoneyFleet;
use crate::payment::crash::{KILLS, life, trials};
use crate::payment::money::{self, Clients};

/// Of so many kills one is PostgreSQL's.
const POSTGRES_EVERY: usize = 4;
/// How long it may take until payment has its database back.
const BACK_WITHIN: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payment_and_its_postgresql_are_killed_under_load_and_money_moves_once_or_not_at_all() {
    let test = "payment_and_its_postgresql_are_killed_under_load_and_money_moves_once_or_not_at_all";
    let _turn = crate::turn::shared().await;
    for seed in 1..=trials() {
        if !trial(test, seed).await {
            return;
        }
    }
}

/// False after skipping aloud.
async fn trial(test: &str, seed: u64) -> bool {
    let Some(mut postgres) = OwnEngine::start(Kind::Postgres, test).await else {
        return false;
    };
    let Some(nats) = OwnEngine::start(Kind::Nats, test).await else {
        return false;
    };
    let database = format!("{}?schema={}", postgres.url(), fresh_name("payment"));
    let mut fleet = MoneyFleet::start(&database, &nats.url()).await;
    let token = fleet.token().await;
    let clients = Clients::start(&fleet.gateway.url(), &token, "money-killed", seed).await;
    let mut rng = StdRng::seed_from_u64(seed);
    for kill in 0..KILLS {
        tokio::time::sleep(life(&mut rng)).await;
        let dying = Instant::now();
        // A server that was killed takes seconds to come back: by turns it would be most of the trial.
        if kill % POSTGRES_EVERY == POSTGRES_EVERY - 1 {
            postgres.kill();
            postgres.restart().await;
        } else {
            fleet.payment.kill().await;
            fleet.payment.restart().await;
        }
        fleet.until_ready(BACK_WITHIN).await;
        println!("kill {}: ready again after {:?}", kill + 1, dying.elapsed());
    }
    let operations = clients.stop().await;
    println!("seed {seed}: {KILLS} kills, {} attempts", operations.len());
    let (payment, processor) = fleet.told();
    money::judge("money-killed", &operations, payment, processor).await;
    true
}
