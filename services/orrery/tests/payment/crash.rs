//! `orrery up` is killed with SIGKILL again and again under load of money through the gateway, and restarted each time.
//!
//! Clients double, delay and abandon their requests as the drills' do, and ask again under the same key until they have an answer. What they saw is
//! held against the tables, the chain and the processor's books at the end.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use testkit::platform::{Options, Platform};
use tokio::time::Instant;

use super::money::{self, Clients, ENVIRONMENT};
use super::{PAYMENT, PROCESSOR, SCOPES};
use crate::platform::binary;

/// Kills of one trial.
pub(crate) const KILLS: usize = 20;

/// Trials of this run, each with chances of its own: 500 kills by night.
pub(crate) fn trials() -> u64 {
    if testkit::skips::nightly() { 25 } else { 1 }
}

/// How long a life lasts once everything is ready: decided by the seed, in the middle of anything.
pub(crate) fn life(rng: &mut StdRng) -> Duration {
    Duration::from_millis(rng.random_range(300..1_100))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_under_load_it_moves_money_once_or_not_at_all() {
    let _turn = crate::turn::shared().await;
    for seed in 1..=trials() {
        trial(seed).await;
    }
}

async fn trial(seed: u64) {
    let mut options = ENVIRONMENT
        .iter()
        .fold(Options::default().without_console(), |options, (name, value)| {
            options.env(name, value)
        });
    // Whoever was not answered is at the door while it starts.
    options.deadline = Duration::from_mins(1);
    let mut platform = Platform::start(binary(), options).await;
    let token = platform.token("acme", "ada", &SCOPES).await;
    let clients = Clients::start(&platform.url(), &token, "payment-crash", seed).await;
    let mut rng = StdRng::seed_from_u64(seed);
    for kill in 1..=KILLS {
        tokio::time::sleep(life(&mut rng)).await;
        platform.kill().await;
        let killed = Instant::now();
        platform.restart().await;
        println!("kill {kill}: ready again after {:?}", killed.elapsed());
    }
    let operations = clients.stop().await;
    println!("seed {seed}: {KILLS} kills, {} attempts", operations.len());
    let told = |place| money::told(&platform.api_url(place), platform.data(), &[]);
    money::judge("payment-crash", &operations, told(PAYMENT), told(PROCESSOR)).await;
}
