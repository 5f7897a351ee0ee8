//! A ledger of millions: whether the process stays as small as it was, and reads as fast as in a ledger of thousands.

use super::super::median;
use super::super::platform::request;
use super::load::{Lua, at};
use super::{BATCH, FIRST, OTHER, Roles};

/// Seconds between two looks at the memory, and of a round of reads.
const STEP_SECONDS: u32 = 10;
const ROUNDS: u32 = 3;

/// What came of it.
pub(super) struct Grown {
    pub(super) transfers: u64,
    /// Resident after each tenth of the way, in MB.
    pub(super) resident_mb: Vec<f64>,
    /// Balances a second in the small ledger, by those in the large one.
    pub(super) balance_cost: f64,
    /// The same as of a moment half-way.
    pub(super) as_of_cost: f64,
}

/// Moves money in batches until there are so many transfers, then reads here and in a ledger of ten thousand entries.
pub(super) fn grow(roles: &Roles, lua: &Lua, transfers: u64) -> Result<Grown, String> {
    let small = OTHER;
    // Five thousand transfers are ten thousand entries.
    at(small, lua.token(), (2_500.0, 1))?;
    let then_small = moment(small, lua)?;
    at(small, lua.token(), (2_500.0, 1))?;
    let (mut made, mut resident_mb, mut half_way) = (0, Vec::new(), None);
    let mut next_look = 0;
    for step in 0.. {
        if made >= next_look {
            resident_mb.push(roles.resident_mb()?);
            println!("{made:>9} transfers: {:.0} MB resident", roles.resident_mb()?);
            next_look += transfers / 10;
        }
        if half_way.is_none() && made >= transfers / 2 {
            half_way = Some(moment(FIRST, lua)?);
        }
        if made >= transfers {
            break;
        }
        let rate = lua.batches(FIRST, &format!("grow-{step}"), STEP_SECONDS)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of transfers"
        )]
        let batches = (rate * f64::from(STEP_SECONDS) / f64::from(BATCH)) as u64;
        made += batches * u64::from(BATCH);
    }
    let then = half_way.ok_or("it never came half-way")?;
    let (mut now_rates, mut then_rates) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for round in 0..ROUNDS {
        let read = |base: u16, asked: &str| {
            let run = format!("{base}-{round}-{}", asked.len());
            lua.balances(base, &run, asked, STEP_SECONDS)
        };
        now_rates.0.push(read(small, "")?);
        now_rates.1.push(read(FIRST, "")?);
        then_rates.0.push(read(small, &format!("?as_of={then_small}"))?);
        then_rates.1.push(read(FIRST, &format!("?as_of={then}"))?);
    }
    Ok(Grown {
        transfers: made,
        resident_mb,
        balance_cost: median(&now_rates.0) / median(&now_rates.1),
        as_of_cost: median(&then_rates.0) / median(&then_rates.1),
    })
}

/// The moment of a balance, as the service says it.
fn moment(base: u16, lua: &Lua) -> Result<String, String> {
    let head = format!(
        "GET /v1/accounts/1/balance HTTP/1.1\r\nAuthorization: Bearer {}",
        lua.token()
    );
    let (status, body) = request(base + 20, &head, "")?;
    let json: serde_json::Value = serde_json::from_str(&body).map_err(|e| format!("{status} {body}: {e}"))?;
    let moment = json["as_of"].as_str().ok_or(format!("no as_of in {body}"))?;
    Ok(moment.to_owned())
}
