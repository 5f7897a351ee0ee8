//! A batch as arrays: what `ledger_commit` is given.
//!
//! Holds and rows to be reversed are looked up beforehand for what of them never changes: accounts and postings. What of them does change is
//! judged inside the call, under locks.

mod earlier;
mod index;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use identity::Tenant;
use ids::Id;

pub(super) use self::earlier::{Known, Terms};
use self::index::{Accounts, Names};
use super::{column, time};
use crate::ledger::{Action, Command, Currency, Direction, JournalKind, Posting};
use crate::store::StoreError;

/// Statuses that are known before the call, as `ledger_decide` numbers them.
pub(super) mod status {
    pub(in super::super) const ACCEPTED: i16 = 0;
    pub(in super::super) const REPLAYED: i16 = 1;
    pub(in super::super) const REFUSED_BEFORE: i16 = 2;
    pub(in super::super) const KEY_REUSED: i16 = 3;
    pub(super) const UNBALANCED: i16 = 16;
    pub(super) const HOLD_NOT_FOUND: i16 = 18;
    pub(super) const TRANSFER_NOT_FOUND: i16 = 23;
    pub(super) const NOT_REVERSIBLE: i16 = 24;
}

/// The arrays, as the function's parameters are named. Indexes count from 1; 0 is none.
#[derive(Debug, Default)]
pub(super) struct Arrays<'a> {
    pub(super) plain: bool,
    pub(super) t_name: Vec<&'a str>,
    pub(super) m_code: Vec<&'static str>,
    pub(super) c_tenant: Vec<i16>,
    pub(super) c_id: Vec<i64>,
    pub(super) c_kind: Vec<i16>,
    pub(super) c_details: Vec<Cow<'a, str>>,
    pub(super) c_pre: Vec<i16>,
    pub(super) c_action: Vec<i16>,
    pub(super) c_same: Vec<i32>,
    pub(super) c_hold: Vec<i32>,
    pub(super) c_refers: Vec<i32>,
    pub(super) c_about: Vec<i64>,
    pub(super) c_amount: Vec<i64>,
    pub(super) c_last: Vec<bool>,
    pub(super) c_first: Vec<i32>,
    pub(super) k_command: Vec<i32>,
    pub(super) k_key: Vec<&'a [u8]>,
    pub(super) k_fingerprint: Vec<&'a [u8]>,
    pub(super) k_expires: Vec<i64>,
    pub(super) a_tenant: Vec<i16>,
    pub(super) a_id: Vec<i64>,
    pub(super) p_command: Vec<i32>,
    pub(super) p_line: Vec<i32>,
    pub(super) p_acct: Vec<i32>,
    pub(super) p_signed: Vec<i64>,
    pub(super) p_currency: Vec<i16>,
    pub(super) h_tenant: Vec<i16>,
    pub(super) h_id: Vec<i64>,
    pub(super) h_debit: Vec<i32>,
    pub(super) h_credit: Vec<i32>,
    pub(super) h_currency: Vec<i16>,
    pub(super) h_expires: Vec<i64>,
    pub(super) r_tenant: Vec<i16>,
    pub(super) r_id: Vec<i64>,
    pub(super) r_total: Vec<i64>,
    pub(super) r_command: Vec<i32>,
    pub(super) r_two: Vec<bool>,
}

/// A command as it will be decided: what the arrays say of it, in the caller's words.
#[derive(Debug)]
pub(super) struct Planned<'a> {
    pub(super) command: &'a Command,
    /// Whether its key is on record: it makes nothing, so its id is free for another.
    pub(super) is_replay: bool,
    pub(super) kind: JournalKind,
    pub(super) pre: i16,
    /// Its lines. Of a capture or of a two-sided reversal the amount follows from the call.
    pub(super) postings: Vec<Posting>,
    pub(super) has_fixed_amounts: bool,
    /// The hold that it places or changes.
    pub(super) terms: Option<Terms>,
    pub(super) hold_id: Option<Id>,
    pub(super) refers_to: Option<Id>,
}

/// Makes the arrays of planned commands.
pub(super) fn arrays<'a>(planned: &[Planned<'a>], known: &Known) -> Result<Arrays<'a>, StoreError> {
    let names = Names::of(planned.iter().map(|planned| planned.command.tenant.as_str()));
    let mut accounts = Accounts::default();
    for planned in planned {
        let tenant = names.tenant(&planned.command.tenant);
        for posting in &planned.postings {
            accounts.add(tenant, posting.account_id);
        }
        if let Some(terms) = &planned.terms {
            accounts.add(tenant, terms.debit_account_id);
            accounts.add(tenant, terms.credit_account_id);
        }
    }
    accounts.settle();
    let mut arrays = Arrays {
        plain: true,
        c_first: vec![1],
        ..Arrays::default()
    };
    let mut refs = References::of(planned, &names);
    let mut currencies = Currencies::default();
    for (place, planned) in planned.iter().enumerate() {
        let tenant = names.tenant(&planned.command.tenant);
        arrays.add_command(planned, tenant, &mut refs, place)?;
        for (line, posting) in planned.postings.iter().enumerate() {
            let amount = if planned.has_fixed_amounts {
                posting.amount.minor()
            } else {
                1
            };
            arrays.p_command.push(index(place)?);
            arrays.p_line.push(number(line)?);
            arrays.p_acct.push(accounts.index(tenant, posting.account_id)?);
            arrays.p_signed.push(match posting.direction {
                Direction::Debit => amount,
                Direction::Credit => -amount,
            });
            arrays.p_currency.push(currencies.index(posting.currency)?);
        }
        arrays.c_first.push(index(arrays.p_command.len())?);
    }
    arrays.add_claims(planned)?;
    arrays.add_holds(planned, known, (&refs, &names), &accounts, &mut currencies)?;
    arrays.add_reversed(planned, known, &refs, &names)?;
    (arrays.a_tenant, arrays.a_id) = accounts.columns();
    arrays.t_name = names.columns();
    arrays.m_code = currencies.0.iter().map(|currency| currency.code()).collect();
    Ok(arrays)
}

/// Which holds, reversed rows and ids the commands name: keys in the order of locks, with their indexes.
struct References {
    holds: BTreeMap<(i16, Id), i32>,
    reversed: BTreeMap<(i16, Id), i32>,
    /// The first command that wants an id.
    first: HashMap<(i16, Id), usize>,
}

impl References {
    fn of(planned: &[Planned<'_>], names: &Names<'_>) -> Self {
        let mut holds = BTreeMap::new();
        let mut reversed = BTreeMap::new();
        for planned in planned {
            let tenant = names.tenant(&planned.command.tenant);
            if let (Some(id), Some(_)) = (planned.hold_id, &planned.terms) {
                holds.insert((tenant, id), 0);
            }
            if let (Some(id), true) = (planned.refers_to, planned.pre != status::TRANSFER_NOT_FOUND) {
                reversed.insert((tenant, id), 0);
            }
        }
        for keys in [&mut holds, &mut reversed] {
            for (place, slot) in (1..).zip(keys.values_mut()) {
                *slot = place;
            }
        }
        Self {
            holds,
            reversed,
            first: HashMap::with_capacity(planned.len()),
        }
    }
}

#[derive(Default)]
struct Currencies(Vec<Currency>);

impl Currencies {
    fn index(&mut self, currency: Currency) -> Result<i16, StoreError> {
        let place = self
            .0
            .iter()
            .position(|known| *known == currency)
            .unwrap_or_else(|| {
                self.0.push(currency);
                self.0.len() - 1
            });
        i16::try_from(place + 1).map_err(|_| TOO_LARGE)
    }
}

const TOO_LARGE: StoreError = StoreError::Damaged("a batch that is too large to be counted");

fn number(place: usize) -> Result<i32, StoreError> {
    i32::try_from(place).map_err(|_| TOO_LARGE)
}

/// PostgreSQL counts from 1.
fn index(place: usize) -> Result<i32, StoreError> {
    number(place + 1)
}

impl<'a> Arrays<'a> {
    fn add_command(
        &mut self,
        planned: &Planned<'a>,
        tenant: i16,
        refs: &mut References,
        place: usize,
    ) -> Result<(), StoreError> {
        let command = planned.command;
        let key = (tenant, command.id);
        let same = match refs.first.get(&key) {
            _ if planned.is_replay => 0,
            Some(first) => index(*first)?,
            None => {
                refs.first.insert(key, place);
                0
            }
        };
        let of = |keys: &BTreeMap<(i16, Id), i32>, id: Option<Id>| {
            id.and_then(|id| keys.get(&(tenant, id)).copied())
                .unwrap_or_default()
        };
        let (action, amount, last) = match &command.action {
            Action::Transact(_) => {
                // What a reversal in the same batch may take back.
                let amount = planned.postings.first().map_or(0, |line| line.amount.minor());
                (0, amount, false)
            }
            Action::Hold(new) => (1, new.amount.minor(), false),
            Action::Capture { amount, last, .. } => {
                (2, amount.map_or(0, crate::ledger::Amount::minor), *last)
            }
            Action::Void { .. } => (3, 0, false),
            Action::Expire { .. } => (4, 0, false),
            Action::Reverse { amount, .. } => (5, amount.map_or(0, crate::ledger::Amount::minor), false),
        };
        self.plain &= action == 0 && planned.pre == status::ACCEPTED && same == 0;
        self.c_tenant.push(tenant);
        self.c_id.push(column(command.id));
        self.c_kind.push(planned.kind.code());
        self.c_details.push(command.chained_details());
        self.c_pre.push(planned.pre);
        self.c_action.push(action);
        self.c_same.push(same);
        self.c_hold.push(of(&refs.holds, planned.hold_id));
        self.c_refers.push(of(&refs.reversed, planned.refers_to));
        self.c_about
            .push(planned.hold_id.or(planned.refers_to).map_or(0, column));
        self.c_amount.push(amount);
        self.c_last.push(last);
        Ok(())
    }

    /// Sorted by key, as they are locked.
    fn add_claims(&mut self, planned: &[Planned<'a>]) -> Result<(), StoreError> {
        let mut claims = Vec::with_capacity(planned.len());
        for (place, planned) in planned.iter().enumerate() {
            if let Some(claim) = &planned.command.claim {
                claims.push((claim, index(place)?));
            }
        }
        claims.sort_unstable_by_key(|(claim, _)| claim.key);
        for (claim, place) in claims {
            self.k_command.push(place);
            self.k_key.push(&claim.key);
            self.k_fingerprint.push(claim.fingerprint.as_bytes());
            self.k_expires.push(time(claim.expires_at_ms));
        }
        Ok(())
    }

    fn add_holds(
        &mut self,
        planned: &[Planned<'_>],
        known: &Known,
        (refs, names): (&References, &Names<'_>),
        accounts: &Accounts,
        currencies: &mut Currencies,
    ) -> Result<(), StoreError> {
        let mut terms: HashMap<i32, &Terms> = HashMap::new();
        // What a replay placed once is no hold of this batch.
        for replays in [false, true] {
            for (planned, hold) in planned.iter().zip(&self.c_hold) {
                if let (Some(of), true) = (&planned.terms, planned.is_replay == replays) {
                    terms.entry(*hold).or_insert(of);
                }
            }
        }
        for ((tenant, id), place) in &refs.holds {
            let Some(terms) = terms.get(place) else { continue };
            // Where there is one, a command that wants its id for another is refused, and those that name it mean this one.
            let terms = known.hold(names.name(*tenant), *id).unwrap_or(terms);
            self.h_tenant.push(*tenant);
            self.h_id.push(column(*id));
            self.h_debit
                .push(accounts.index(*tenant, terms.debit_account_id)?);
            self.h_credit
                .push(accounts.index(*tenant, terms.credit_account_id)?);
            self.h_currency.push(currencies.index(terms.currency)?);
            self.h_expires.push(time(terms.expires_at_ms));
        }
        Ok(())
    }

    fn add_reversed(
        &mut self,
        planned: &[Planned<'_>],
        known: &Known,
        refs: &References,
        names: &Names<'_>,
    ) -> Result<(), StoreError> {
        for (tenant, id) in refs.reversed.keys() {
            let stored = known.earlier(names.name(*tenant), *id);
            let here = refs.first.get(&(*tenant, *id)).copied();
            let (lines, command) = match (stored, here) {
                (Some(earlier), _) => (earlier.postings.as_slice(), 0),
                (None, Some(place)) => (planned[place].postings.as_slice(), index(place)?),
                (None, None) => (&[][..], 0),
            };
            self.r_tenant.push(*tenant);
            self.r_id.push(column(*id));
            self.r_total
                .push(lines.first().map_or(0, |line| line.amount.minor()));
            self.r_command.push(command);
            self.r_two.push(lines.len() == 2);
        }
        Ok(())
    }
}

/// Whether debits equal credits in every currency.
fn balances(postings: &[Posting]) -> bool {
    let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
    for posting in postings {
        *sums.entry(posting.currency).or_default() += i128::from(posting.direction.signed(posting.amount));
    }
    sums.values().all(|sum| *sum == 0)
}

/// Plans commands in order: what they will post, as far as it is known before the locks.
pub(super) fn planned<'a>(commands: &[&'a Command], known: &Known) -> Vec<Planned<'a>> {
    // What earlier commands of the batch would make, if they are accepted.
    let mut made: HashMap<(&Tenant, Id), usize> = HashMap::new();
    let mut all: Vec<Planned<'a>> = Vec::with_capacity(commands.len());
    for (place, command) in commands.iter().enumerate() {
        let here = |id: Id| made.get(&(&command.tenant, id)).map(|place| &all[*place]);
        let planned = earlier::plan(command, known, here);
        if !planned.is_replay {
            made.entry((&command.tenant, command.id)).or_insert(place);
        }
        all.push(planned);
    }
    all
}
