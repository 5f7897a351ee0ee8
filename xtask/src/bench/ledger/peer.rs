//! `pgbench`, tpcb-like, on the same server.

use crate::run::{command, passes, prints};

use super::server::{Database, program};

/// A database of its own, filled once.
pub(super) struct Peer(Database);

impl Peer {
    pub(super) fn prepare(scale: u32) -> Result<Self, String> {
        let peer = Self(Database::fresh("bench_pgbench")?);
        let scale = scale.to_string();
        let mut fill = command(program("pgbench")?);
        fill.args(["-i", "-q", "-s", &scale]);
        passes(fill.args(peer.0.arguments()))?;
        Ok(peer)
    }

    /// Transactions a second.
    pub(super) fn run(&self, seconds: u32) -> Result<f64, String> {
        let mut pgbench = command(program("pgbench")?);
        pgbench.args(["-n", "-M", "prepared", "-c", "16", "-j", "2"]);
        pgbench.args(["-T", &seconds.to_string()]);
        let printed = prints(pgbench.args(self.0.arguments()))?;
        let tps = printed
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        tps.ok_or(format!("pgbench printed no rate:\n{printed}"))
    }
}
