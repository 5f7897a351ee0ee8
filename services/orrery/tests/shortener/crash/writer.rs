//! Sessions that go on over all lives of the platform, and know what answers they are owed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::clients::{Claim, Client, Followed};

/// How often a redirect may be refused at the end, and how long is waited each time.
const REFUSALS_MAX: u32 = 40;
const REFUSED_FOR: std::time::Duration = std::time::Duration::from_millis(250);

/// Aliases that all writers want.
const ALIASES: u32 = 12;
/// Between two requests of a writer.
const THINK_MS: std::ops::Range<u64> = 1..15;
/// Rounds in which a writer tries to get an answer once the platform is up again.
const SETTLE_ROUNDS: usize = 100;

/// One session that makes, reads, changes and deletes links, one request at a time, over all lives of the platform.
pub(crate) struct Writer {
    session: u64,
    rng: StdRng,
    wishes: u64,
    /// Claims that were sent and have no answer yet.
    owed: Vec<Claim>,
    /// Claims that were acknowledged, with the code they got.
    acknowledged: Vec<(Claim, String)>,
}

impl Writer {
    pub(crate) fn new(session: u64) -> Self {
        let rng = StdRng::seed_from_u64(session);
        Self {
            session,
            rng,
            wishes: 0,
            owed: Vec::new(),
            acknowledged: Vec::new(),
        }
    }

    /// Works until it is over, first on the answers it is owed.
    pub(crate) async fn work(mut self, client: Client, over: Arc<AtomicBool>) -> Self {
        self.retry_owed(&client).await;
        while !over.load(Ordering::Relaxed) {
            self.step(&client).await;
            let think = Duration::from_millis(self.rng.random_range(THINK_MS));
            tokio::time::sleep(think).await;
        }
        self
    }

    /// Makes links that are left alone from then on, and gives their codes.
    pub(crate) async fn make_links(&mut self, client: &Client, count: usize) -> Vec<String> {
        while self.acknowledged.len() < count {
            let claim = self.wish(None);
            self.claim(client, claim).await;
        }
        self.acknowledged.iter().map(|(_, code)| code.clone()).collect()
    }

    /// How many links it was told it has made.
    pub(crate) fn links(&self) -> usize {
        self.acknowledged.len()
    }

    /// Gets the answers it is owed.
    async fn settle(&mut self, client: &Client) {
        for _ in 0..SETTLE_ROUNDS {
            if self.has_settled() {
                return;
            }
            self.retry_owed(client).await;
        }
    }

    pub(crate) fn has_settled(&self) -> bool {
        self.owed.is_empty()
    }

    /// Of each of them what [`settle`](Self::settle) and [`look_at_everything`](Self::look_at_everything) do, side by side: sessions know nothing of
    /// each other. `client` says by place through which.
    pub(crate) async fn all_look_at_everything(
        writers: &mut Vec<Self>,
        client: impl Fn(usize) -> Client,
        repeats_max: usize,
    ) {
        let looking: Vec<_> = writers
            .drain(..)
            .enumerate()
            .map(|(place, mut writer)| {
                let client = client(place);
                tokio::spawn(async move {
                    writer.settle(&client).await;
                    writer.look_at_everything(&client, repeats_max).await;
                    writer
                })
            })
            .collect();
        for writer in looking {
            writers.push(writer.await.expect("the writer looked at everything"));
        }
    }

    /// Follows all its generated links and repeats some of its claims; the history tells what came of it.
    async fn look_at_everything(&mut self, client: &Client, repeats_max: usize) {
        for (claim, code) in &self.acknowledged {
            if claim.alias.is_none() {
                // Caches are cold after the kills, and the store is spared: a refusal says when to come again.
                let mut followed = client.follow(self.session, code).await;
                for _ in 0..REFUSALS_MAX {
                    if matches!(followed, Followed::There | Followed::Nowhere) {
                        break;
                    }
                    tokio::time::sleep(REFUSED_FOR).await;
                    followed = client.follow(self.session, code).await;
                }
                assert!(
                    matches!(followed, Followed::There | Followed::Nowhere),
                    "the platform is up"
                );
            }
        }
        let repeated = self.acknowledged.choose_multiple(&mut self.rng, repeats_max);
        for (claim, _) in repeated {
            let owed = client.claim(self.session, claim).await == Err(true);
            assert!(!owed, "the platform is up, yet {} got no answer", claim.intent);
        }
    }

    async fn step(&mut self, client: &Client) {
        let alias = format!("wanted-{}", self.rng.random_range(0..ALIASES));
        match self.rng.random_range(0..20) {
            0..6 => {
                let claim = self.wish(None);
                self.claim(client, claim).await;
            }
            6..8 => {
                if let Some((claim, _)) = self.acknowledged.choose(&mut self.rng).cloned() {
                    _ = client.claim(self.session, &claim).await;
                }
            }
            8..11 => {
                let claim = self.wish(Some(alias));
                self.claim(client, claim).await;
            }
            11..14 => client.read(self.session, &alias).await,
            14..16 => {
                let url = self.new_url();
                client.change(self.session, &alias, Some(&url)).await;
            }
            16..17 => client.change(self.session, &alias, None).await,
            _ => _ = client.follow(self.session, &alias).await,
        }
    }

    async fn retry_owed(&mut self, client: &Client) {
        for claim in std::mem::take(&mut self.owed) {
            self.claim(client, claim).await;
        }
    }

    async fn claim(&mut self, client: &Client, claim: Claim) {
        match client.claim(self.session, &claim).await {
            Ok(code) => self.acknowledged.push((claim, code)),
            Err(true) => self.owed.push(claim),
            Err(false) => {}
        }
    }

    fn wish(&mut self, alias: Option<String>) -> Claim {
        let url = self.new_url();
        Claim {
            intent: format!("wish-{}-{}", self.session, self.wishes),
            alias,
            url,
        }
    }

    /// No two are alike, so that what is seen tells who wrote it.
    fn new_url(&mut self) -> String {
        self.wishes += 1;
        format!("https://example.com/{}/{}", self.session, self.wishes)
    }
}
