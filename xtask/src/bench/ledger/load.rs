//! What is sent: scripts for `wrk`, and a constant rate.

use std::path::{Path, PathBuf};

use super::super::load::{Offered, Script, offer_posts};
use super::{ACCOUNTS, BATCH, BATCH_CONNECTIONS, EMBEDDED, FIRST, OTHER, SECOND, SINGLE_CONNECTIONS};

/// Connections that ask for balances.
const READ_CONNECTIONS: u32 = 4;

/// One way to move money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arm {
    /// As many in a call as one takes, a tenth of them on ten hot accounts.
    Batches,
    /// One a request, over all accounts.
    Singles,
    /// One a request, all on one account.
    Hot,
    /// One a request, on ten accounts, at one process.
    TenAtOne,
    /// The same at two processes, each with as many connections.
    TenAtTwo,
    /// All of those connections at one process.
    TenDoubled,
    /// The same at two processes, half of the connections each.
    TenHalved,
    /// Batches that are not chained.
    UnchainedBatches,
    /// One a request, not chained.
    UnchainedSingles,
    /// Batches on SQLite.
    SqliteBatches,
    /// One a request on SQLite.
    SqliteSingles,
}

impl Arm {
    /// What is compared with each other runs side by side.
    pub(super) const ALL: [Self; 11] = [
        Self::Batches,
        Self::UnchainedBatches,
        Self::Singles,
        Self::UnchainedSingles,
        Self::Hot,
        Self::TenAtOne,
        Self::TenAtTwo,
        Self::TenDoubled,
        Self::TenHalved,
        Self::SqliteBatches,
        Self::SqliteSingles,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Batches => "batches of 8,190",
            Self::Singles => "one by one",
            Self::Hot => "all on one account",
            Self::TenAtOne => "ten accounts, one process",
            Self::TenAtTwo => "ten accounts, two processes",
            Self::TenDoubled => "the same clients at one process",
            Self::TenHalved => "two processes, half the clients",
            Self::UnchainedBatches => "batches without the chain",
            Self::UnchainedSingles => "one by one without the chain",
            Self::SqliteBatches => "SQLite: batches of 8,190",
            Self::SqliteSingles => "SQLite: one by one",
        }
    }

    /// Transfers a second.
    pub(super) fn run(self, lua: &Lua, round: u32, seconds: u32) -> Result<f64, String> {
        let run = format!("{}-{round}", self as u8);
        match self {
            Self::Batches => lua.batches(FIRST, &run, seconds),
            Self::UnchainedBatches => lua.batches(OTHER, &run, seconds),
            Self::UnchainedSingles => lua.singles(OTHER, &run, ACCOUNTS, SINGLE_CONNECTIONS, seconds),
            Self::SqliteBatches => lua.batches(EMBEDDED, &run, seconds),
            Self::Singles => lua.singles(FIRST, &run, ACCOUNTS, SINGLE_CONNECTIONS, seconds),
            Self::SqliteSingles => lua.singles(EMBEDDED, &run, ACCOUNTS, SINGLE_CONNECTIONS, seconds),
            Self::Hot => lua.singles(FIRST, &run, 1, SINGLE_CONNECTIONS, seconds),
            Self::TenAtOne => lua.singles(FIRST, &run, 10, SINGLE_CONNECTIONS, seconds),
            Self::TenAtTwo => lua.at_two(&run, SINGLE_CONNECTIONS, seconds),
            Self::TenDoubled => lua.singles(FIRST, &run, 10, 2 * SINGLE_CONNECTIONS, seconds),
            Self::TenHalved => lua.at_two(&run, SINGLE_CONNECTIONS / 2, seconds),
        }
    }
}

/// Scripts that make a new key for each transfer.
pub(super) struct Lua {
    folder: PathBuf,
    token: String,
}

impl Lua {
    pub(super) fn new(folder: &Path, token: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            token: token.to_owned(),
        }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn batches(&self, base: u16, run: &str, seconds: u32) -> Result<f64, String> {
        let item = r#"{"debit_account_id":"%d","credit_account_id":"%d","amount":"%d","currency":"EUR"}"#;
        let text = format!(
            "{}\nfunction request()\n  n = n + 1\n  local all = {{}}\n  for i = 1, {BATCH} do\n    local hot = i % 10 == 0\n    \
             local debit = hot and math.random(1, 10) or math.random(11, {ACCOUNTS})\n    local credit = math.random(11, {ACCOUNTS})\n    \
             if credit == debit then credit = debit % {ACCOUNTS} + 1 end\n    \
             all[i] = string.format('{item}', debit, credit, math.random(1, 900))\n  end\n  \
             wrk.headers['Idempotency-Key'] = key .. n\n  \
             return wrk.format('POST', nil, nil, '{{\"transfers\":[' .. table.concat(all, ',') .. ']}}')\nend\n",
            self.head(run)
        );
        let script = Script::of(self.folder.join(format!("batch-{run}.lua")), &text)?;
        let sent = script.run_anywhere(base + 20, "/v1/transfers/batch", (BATCH_CONNECTIONS, seconds))?;
        rate(run, &sent, BATCH)
    }

    /// Debits of the first `spread` accounts, credits of any other: one is a hot account.
    fn singles(
        &self,
        base: u16,
        run: &str,
        spread: u32,
        connections: u32,
        seconds: u32,
    ) -> Result<f64, String> {
        let item = r#"{"debit_account_id":"%d","credit_account_id":"%d","amount":"%d","currency":"EUR"}"#;
        let credit_to = if spread == ACCOUNTS {
            ACCOUNTS
        } else {
            spread.max(2)
        };
        let text = format!(
            "{}\nfunction request()\n  n = n + 1\n  local debit = math.random(1, {spread})\n  local credit = math.random(1, {credit_to})\n  \
             if credit == debit then credit = debit % {credit_to} + 1 end\n  wrk.headers['Idempotency-Key'] = key .. n\n  \
             return wrk.format('POST', nil, nil, string.format('{item}', debit, credit, math.random(1, 900)))\nend\n",
            self.head(run)
        );
        let script = Script::of(self.folder.join(format!("single-{run}.lua")), &text)?;
        let sent = script.run_anywhere(base + 20, "/v1/transfers", (connections, seconds))?;
        rate(run, &sent, 1)
    }

    /// Transfers on ten accounts at both processes, with so many connections to each.
    fn at_two(&self, run: &str, connections: u32, seconds: u32) -> Result<f64, String> {
        std::thread::scope(|scope| {
            let at = |base: u16| {
                let run = format!("{run}-{base}");
                scope.spawn(move || self.singles(base, &run, 10, connections, seconds))
            };
            let both = [at(FIRST), at(SECOND)];
            both.into_iter()
                .map(|one| one.join().map_err(|_| "the load panicked".to_owned())?)
                .sum()
        })
    }

    /// Balances a second of any account; `asked` comes after the path.
    pub(super) fn balances(&self, base: u16, run: &str, asked: &str, seconds: u32) -> Result<f64, String> {
        let text = format!(
            "{}\nfunction request()\n  \
             return wrk.format('GET', '/v1/accounts/' .. math.random(1, {ACCOUNTS}) .. '/balance{asked}')\nend\n",
            self.head(run)
        );
        let script = Script::of(self.folder.join(format!("balances-{run}.lua")), &text)?;
        let sent = script.run_anywhere(base + 20, "/", (READ_CONNECTIONS, seconds))?;
        rate(run, &sent, 1)
    }

    fn head(&self, run: &str) -> String {
        let unique = std::process::id();
        format!(
            "wrk.headers['Authorization'] = 'Bearer {}'\nwrk.headers['Content-Type'] = 'application/json'\n\
             local n = 0\nlocal key = '{unique}-{run}-'\nmath.randomseed({unique})\n",
            self.token
        )
    }
}

fn rate(run: &str, sent: &super::super::load::Sent, each: u32) -> Result<f64, String> {
    if sent.errors {
        return Err(format!("run {run} was not always answered with 2xx"));
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^52")]
    let transfers = (sent.requests * u64::from(each)) as f64;
    Ok(transfers / sent.wall.as_secs_f64())
}

/// Single transfers at a constant rate, each timed from when it was due.
pub(super) fn at(base: u16, token: &str, load: (f64, u32)) -> Result<Offered, String> {
    let body = r#"{"debit_account_id":"{n}","credit_account_id":"{m}","amount":"7","currency":"EUR"}"#;
    offer_posts(base + 20, "/v1/transfers", load, (token, body))
}
