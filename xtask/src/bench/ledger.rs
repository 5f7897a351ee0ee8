//! Transfers a second on PostgreSQL and SQLite, beside what `pgbench` makes of the same server: in batches, one by one, and all on
//! one account.
//!
//! Every arm moves money durably (`synchronous_commit=on`, `synchronous=FULL`), each transfer with an idempotency record of its own
//! and in the audit chain. Rounds are interleaved; server, client and database share both cores in every arm.

mod growth;
mod load;
mod peer;
mod report;
mod server;
mod unchained;

use std::path::{Path, PathBuf};

use super::load::{build_offered, ensure};
use super::platform::{Process, fresh_folder, release_binary, request, wait_ready};
use super::{median, page::Section};
use crate::engines as ours;
use crate::run::{command, prints};

use load::{Arm, Lua};
use peer::Peer;
use report::Figures;
use server::Database;

/// As many as one call takes.
const BATCH: u32 = 8_190;
/// Accounts that transfers are spread over; the first ten of them are hot.
const ACCOUNTS: u32 = 1_000;
/// Connections that make single transfers.
const SINGLE_CONNECTIONS: u32 = 64;
/// Of batches: one is being made while the other is committed.
const BATCH_CONNECTIONS: u32 = 2;
const PORT_BASE: u16 = 18_300;
const TENANT: &str = "bench";
/// The other ledger: a small one, or one without a chain.
const OTHER_SCHEMA: &str = "unchained";

/// What is asked for on the command line.
pub(super) struct Asked {
    pub(super) seconds: u32,
    pub(super) rounds: u32,
    pub(super) scale: u32,
    /// Lets the ledger grow to so many transfers instead.
    pub(super) transfers: Option<u64>,
    pub(super) binary: Option<PathBuf>,
}

/// Two processes of the payment role on one PostgreSQL, one on another ledger there, one on SQLite, and the issuer that their tokens come
/// from.
struct Roles {
    processes: Vec<Process>,
    token: String,
    // Held for its Drop, after the processes are gone.
    database: Database,
}

const FIRST: u16 = PORT_BASE;
const SECOND: u16 = PORT_BASE + 40;
const EMBEDDED: u16 = PORT_BASE + 80;
/// The ledger that the first is compared with: one without a chain, or a small one.
const OTHER: u16 = PORT_BASE + 120;

pub(super) fn bench(asked: Asked) -> Result<Section, String> {
    ensure(&["wrk"])?;
    build_offered()?;
    let up = ours::up(None, false)?;
    if !up.failed.is_empty() {
        return Err(ours::failures(&up.failed));
    }
    let binary = release_binary(asked.binary)?;
    let folder = fresh_folder("ledger")?;
    let roles = Roles::start(&binary, &folder)?;
    for base in [FIRST, OTHER, EMBEDDED] {
        accounts(base, &roles.token)?;
    }
    let lua = Lua::new(&folder, &roles.token);
    if let Some(transfers) = asked.transfers {
        return Ok(report::grown(&growth::grow(&roles, &lua, transfers)?));
    }
    unchained::unchain(&roles.database, OTHER_SCHEMA)?;
    let peer = Peer::prepare(asked.scale)?;
    println!(
        "transfers a second; {} s a round, pgbench -s {}",
        asked.seconds, asked.scale
    );
    let mut figures = Figures::default();
    for round in 1..=asked.rounds {
        roles.database.settle()?;
        figures.add("pgbench", peer.run(asked.seconds)?);
        for arm in Arm::ALL {
            roles.database.settle()?;
            figures.add(arm.name(), arm.run(&lua, round, asked.seconds)?);
        }
        figures.print_round(round);
    }
    let single = median(figures.of(Arm::Singles.name()));
    roles.database.settle()?;
    let offered = load::at(FIRST, &roles.token, (0.7 * single, asked.seconds))?;
    let memory = roles.resident_mb()?;
    Ok(report::section(&figures, &offered, memory))
}

impl Roles {
    fn start(binary: &Path, folder: &Path) -> Result<Self, String> {
        let listed = super::engines::own_names()?;
        let named = |setting: &str| {
            let found = listed.iter().find_map(|set| set.strip_prefix(setting));
            found.map(str::to_owned).ok_or(format!("no {setting}"))
        };
        let (nats, database) = (named("shortener.streams_url=")?, Database::fresh("bench_ledger")?);
        // One vault, one key: the second process brings the first one's.
        let key_file = folder.join("payment.key").display().to_string();
        let on_postgres = |schema: &str| {
            vec![
                format!("payment.database_url={}?schema={schema}", database.url()),
                format!("payment.streams_url={nats}_{schema}"),
                format!("payment.leases_url={nats}_{schema}"),
                format!("payment.vault.key_file={key_file}.{schema}"),
            ]
        };
        let shared = on_postgres("ledger");
        let issuer = start(binary, folder, "issuer", PORT_BASE, &[])?;
        wait_ready(&[PORT_BASE + 13])?;
        let mut processes = vec![issuer];
        for (base, set) in [
            (FIRST, &shared),
            (SECOND, &shared),
            (OTHER, &on_postgres(OTHER_SCHEMA)),
            (EMBEDDED, &Vec::new()),
        ] {
            processes.push(start(binary, folder, "payment", base, set)?);
            wait_ready(&[base + 21])?;
        }
        let mut token = command(binary);
        token.args(["token", "--tenant", TENANT, "--user", "bench"]);
        for scope in ["ledger:read", "ledger:write"] {
            token.args(["--scope", scope]);
        }
        let token = prints(token.args(platform(folder, PORT_BASE)))?.trim().to_owned();
        Ok(Self {
            processes,
            token,
            database,
        })
    }

    /// Of the payment process on PostgreSQL that did most.
    fn resident_mb(&self) -> Result<f64, String> {
        self.processes.get(1).ok_or("no payment process")?.resident_mb()
    }
}

fn platform(folder: &Path, base: u16) -> Vec<String> {
    let issuer = format!("http://127.0.0.1:{}", PORT_BASE + 12);
    let public = format!("http://127.0.0.1:{PORT_BASE}");
    let mut args = vec![
        "--data".to_owned(),
        folder.join(format!("data-{base}")).display().to_string(),
        "--port-base".to_owned(),
        base.to_string(),
    ];
    for set in [
        format!("issuer.public_url={public}"),
        format!("payment.tokens.issuer={public}"),
        format!("payment.jwks_url={issuer}/.well-known/jwks.json"),
    ] {
        args.extend(["--set".to_owned(), set]);
    }
    args
}

fn start(binary: &Path, folder: &Path, role: &str, base: u16, set: &[String]) -> Result<Process, String> {
    let mut args = vec!["serve".to_owned(), role.to_owned()];
    args.extend(platform(folder, base));
    args.extend(set.iter().flat_map(|set| ["--set".to_owned(), set.clone()]));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    Process::start(binary, &args, None, &folder.join(format!("{role}-{base}.log")))
}

/// Makes the accounts 1 to [`ACCOUNTS`], without limits: what is measured is how fast money moves, not how often it lacks.
fn accounts(base: u16, token: &str) -> Result<(), String> {
    for id in 1..=ACCOUNTS {
        let head = format!(
            "POST /v1/accounts HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json"
        );
        let body = format!(r#"{{"id":"{id}","currency":"EUR","kind":"liability"}}"#);
        let (status, answer) = request(base + 20, &head, &body)?;
        if status != 201 {
            return Err(format!("account {id}: {status} {answer}"));
        }
    }
    Ok(())
}
