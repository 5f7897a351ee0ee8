//! The figures, and the section of the page.

use std::collections::BTreeMap;

use super::super::load::Offered;
use super::super::median;
use super::super::page::Section;
use super::growth::Grown;
use super::load::Arm;

/// Transfers a second, by arm, a value a round.
#[derive(Default)]
pub(super) struct Figures(BTreeMap<&'static str, Vec<f64>>);

impl Figures {
    pub(super) fn add(&mut self, arm: &'static str, rate: f64) {
        self.0.entry(arm).or_default().push(rate);
    }

    pub(super) fn of(&self, arm: &str) -> &[f64] {
        self.0.get(arm).map_or(&[], Vec::as_slice)
    }

    pub(super) fn print_round(&self, round: u32) {
        for (arm, rates) in &self.0 {
            println!(
                "{round:>5} {arm:>32} {:>9.0}",
                rates.last().copied().unwrap_or(f64::NAN)
            );
        }
    }

    fn median(&self, arm: &str) -> f64 {
        median(self.of(arm))
    }
}

pub(super) fn section(figures: &Figures, offered: &Offered, resident_mb: f64) -> Section {
    let peer = figures.median("pgbench");
    let names = std::iter::once("pgbench").chain(Arm::ALL.iter().map(|arm| arm.name()));
    let rows = names
        .map(|name| {
            let rate = figures.median(name);
            vec![
                name.to_owned(),
                format!("{rate:.0}"),
                format!("{:.2}", rate / peer),
            ]
        })
        .collect();
    let of = |arm: Arm| figures.median(arm.name());
    Section {
        title: "Transfers",
        command: "cargo xtask bench ledger".to_owned(),
        means: "Transfers a second at the payment role itself, each durable, with an idempotency record and in the audit chain, beside\n\
                `pgbench` (tpcb-like, prepared, 16 clients) on the same PostgreSQL in the same run, each arm\n\
                after a checkpoint and with no vacuum under way. Server, client and database share two cores in every arm.",
        columns: vec!["", "per s", "of pgbench"],
        rows,
        findings: vec![
            format!(
                "batches: {:.1} times pgbench (promised: 10)",
                of(Arm::Batches) / peer
            ),
            format!(
                "one by one: {:.2} times pgbench (promised: 1.5)",
                of(Arm::Singles) / peer
            ),
            format!(
                "the chain costs {:.0} % of the batches and {:.0} % of one by one (promised: 10)",
                100.0 * (1.0 - of(Arm::Batches) / of(Arm::UnchainedBatches)),
                100.0 * (1.0 - of(Arm::Singles) / of(Arm::UnchainedSingles))
            ),
            format!(
                "all on one account: {:.2} of the same over all accounts (promised: 0.9)",
                of(Arm::Hot) / of(Arm::Singles)
            ),
            format!(
                "two processes on ten accounts, 64 clients each: {:.2} of one with 64, {:.2} of one with all 128 (promised: 0.9); with 32 \
                 each, so that half as many go into a commit, {:.2} of one with 64",
                of(Arm::TenAtTwo) / of(Arm::TenAtOne),
                of(Arm::TenAtTwo) / of(Arm::TenDoubled),
                of(Arm::TenHalved) / of(Arm::TenAtOne)
            ),
            format!(
                "at 70 % of the one by one: p50 {:.1} ms, p99 {:.1} ms from when each was due (promised: 50); {} not answered with 2xx; the \
                 generator itself {:.1} ms late",
                offered.p50_us / 1_000.0,
                offered.p99_us / 1_000.0,
                offered.refused,
                offered.own_p99_us / 1_000.0
            ),
            format!("the process on PostgreSQL had {resident_mb:.0} MB resident at the end"),
        ],
    }
}

pub(super) fn grown(grown: &Grown) -> Section {
    let resident: Vec<String> = grown.resident_mb.iter().map(|mb| format!("{mb:.0}")).collect();
    Section {
        title: "A ledger of millions",
        command: format!("cargo xtask bench ledger --transfers {}", grown.transfers),
        means: "Transfers in batches until there are so many; then balances a second in a ledger of ten thousand entries, by those in this one.",
        columns: vec!["", "cost in the large ledger, of that in the small one"],
        rows: vec![
            vec!["balance now".to_owned(), format!("{:.2}", grown.balance_cost)],
            vec![
                "balance as of a moment half-way".to_owned(),
                format!("{:.2}", grown.as_of_cost),
            ],
        ],
        findings: vec![
            format!("{} transfers, {} entries", grown.transfers, 2 * grown.transfers),
            format!("MB resident on the way: {}", resident.join(", ")),
            format!(
                "balance {:.2}, as of {:.2} of what they cost among ten thousand entries (promised: 2)",
                grown.balance_cost, grown.as_of_cost
            ),
        ],
    }
}
