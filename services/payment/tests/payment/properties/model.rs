//! A ledger so simple that it can be believed: everything that ever happened is in lists, every question is answered by adding them up,
//! one command at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use payment::ledger::{Action, Command, Direction, HoldState, JournalKind, NewHold, Posting, Refusal};

use crate::books::id;

/// An account as the model knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ModelAccount {
    pub(super) currency: &'static str,
    pub(super) debit_normal: bool,
    pub(super) not_below: bool,
    pub(super) not_above: bool,
    pub(super) parts: u64,
    pub(super) closed: bool,
}

#[derive(Debug, Clone)]
pub(super) struct ModelHold {
    debit: u64,
    credit: u64,
    pub(super) amount: i128,
    pub(super) captured: i128,
    pub(super) released: i128,
    pub(super) state: HoldState,
    expires_ms: u64,
}

#[derive(Debug, Clone)]
pub(super) struct ModelRow {
    kind: JournalKind,
    pub(super) lines: Vec<Posting>,
    pub(super) reversed: i128,
}

/// What a command came to: nothing else of a success is compared here.
pub(super) type Answer = Result<u64, Refusal>;

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) accounts: BTreeMap<u64, ModelAccount>,
    /// Account, part, and debits as positive numbers.
    entries: Vec<(u64, u64, i128)>,
    pub(super) holds: BTreeMap<u64, ModelHold>,
    pub(super) rows: BTreeMap<u64, ModelRow>,
    answers: HashMap<[u8; 32], ([u8; 32], Answer)>,
}

/// No account's number.
const NOBODY: u64 = u64::MAX;

impl Model {
    /// A batch: alone each, or all or nothing. `true` where the answer is a replay.
    pub(super) fn batch(&mut self, commands: &[Command], together: bool, now_ms: u64) -> Vec<(Answer, bool)> {
        let before = self.clone();
        let mut answers = Vec::new();
        let mut decided_here = Vec::new();
        let mut wanted = together.then(BTreeSet::new);
        for command in commands {
            let (answer, replayed) = self.once(command, now_ms, wanted.as_mut());
            decided_here.push(!replayed && answer != Err(Refusal::KeyReused));
            answers.push((answer, replayed));
        }
        if !together || answers.iter().all(|(answer, _)| answer.is_ok()) {
            return answers;
        }
        // Back to where it was, and whoever had been accepted is told that it was not alone.
        *self = before;
        let mut last_word: HashMap<[u8; 32], Answer> = HashMap::new();
        for ((command, (answer, _)), here) in commands.iter().zip(&mut answers).zip(decided_here) {
            if !here {
                continue;
            }
            if answer.is_ok() {
                *answer = Err(Refusal::NotAlone);
            }
            if let Some(claim) = &command.claim {
                last_word.insert(claim.key, answer.clone());
                let record = (*claim.fingerprint.as_bytes(), answer.clone());
                self.answers.insert(claim.key, record);
            }
        }
        for (command, (answer, replayed)) in commands.iter().zip(&mut answers) {
            let word = command.claim.as_ref().and_then(|claim| last_word.get(&claim.key));
            if let (true, Some(word)) = (*replayed, word) {
                *answer = word.clone();
            }
        }
        answers
    }

    fn once(&mut self, command: &Command, now_ms: u64, wanted: Option<&mut BTreeSet<u64>>) -> (Answer, bool) {
        let Some(claim) = &command.claim else {
            return (self.whole_or_not(command, now_ms, wanted), false);
        };
        let asked = *claim.fingerprint.as_bytes();
        match self.answers.get(&claim.key) {
            Some((first, answer)) if *first == asked => (answer.clone(), true),
            Some(_) => (Err(Refusal::KeyReused), false),
            None => {
                let answer = self.whole_or_not(command, now_ms, wanted);
                self.answers.insert(claim.key, (asked, answer.clone()));
                (answer, false)
            }
        }
    }

    /// All or nothing, an id is the first one's that `wanted` it.
    fn whole_or_not(&mut self, command: &Command, now_ms: u64, wanted: Option<&mut BTreeSet<u64>>) -> Answer {
        let before = self.clone();
        let number = command.id.as_u64();
        if wanted.is_some_and(|wanted| !wanted.insert(number)) {
            return Err(Refusal::IdTaken { id: command.id });
        }
        let done = self.act(number, &command.action, now_ms);
        if done.is_err() {
            *self = before;
        }
        done.map(|()| number)
    }

    fn act(&mut self, number: u64, action: &Action, now_ms: u64) -> Result<(), Refusal> {
        if self.rows.contains_key(&number) {
            return Err(Refusal::IdTaken { id: id(number) });
        }
        match action {
            Action::Transact(new) => {
                let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
                for line in &new.postings {
                    *sums.entry(line.currency.code()).or_default() += signed(line);
                }
                if new.postings.len() < 2 || sums.values().any(|sum| *sum != 0) {
                    return Err(Refusal::Unbalanced);
                }
                self.post(number, new.kind, new.postings.clone(), true)
            }
            Action::Hold(new) => self.hold(number, new),
            Action::Capture {
                hold_id,
                amount,
                last,
            } => {
                let hold = self.open(hold_id.as_u64())?;
                let hold_id = *hold_id;
                if now_ms >= hold.expires_ms {
                    return Err(Refusal::HoldExpired { hold_id });
                }
                let left = hold.amount - hold.captured - hold.released;
                let wanted = amount.map_or(left, |amount| i128::from(amount.minor()));
                if wanted > left {
                    let remaining = left.to_string();
                    return Err(Refusal::CaptureExceedsHold { hold_id, remaining });
                }
                let currency = self.accounts[&hold.debit].currency.parse().unwrap();
                let line = |account, direction| Posting {
                    account_id: id(account),
                    direction,
                    amount: crate::books::amount(i64::try_from(wanted).unwrap()),
                    currency,
                };
                let lines = vec![
                    line(hold.debit, Direction::Debit),
                    line(hold.credit, Direction::Credit),
                ];
                let rest = if *last { left - wanted } else { 0 };
                self.shrink(hold_id.as_u64(), wanted, rest, HoldState::Captured);
                self.post(number, JournalKind::Capture, lines, false)
            }
            Action::Void { hold_id } => {
                self.open(hold_id.as_u64())?;
                self.let_go(number, hold_id.as_u64(), JournalKind::Void, HoldState::Voided);
                Ok(())
            }
            Action::Expire { hold_id } => {
                let hold = self.open(hold_id.as_u64())?;
                if now_ms < hold.expires_ms {
                    return Err(Refusal::HoldNotExpired { hold_id: *hold_id });
                }
                self.let_go(number, hold_id.as_u64(), JournalKind::Expiry, HoldState::Expired);
                Ok(())
            }
            Action::Reverse { journal_id, amount } => {
                let wanted = amount.map(|amount| i128::from(amount.minor()));
                self.reverse(number, journal_id.as_u64(), wanted)
            }
        }
    }

    fn reverse(&mut self, number: u64, earlier: u64, wanted: Option<i128>) -> Result<(), Refusal> {
        let journal_id = id(earlier);
        let row = self
            .rows
            .get(&earlier)
            .ok_or(Refusal::TransferNotFound { journal_id })?
            .clone();
        let first_time = !matches!(row.kind, JournalKind::Reversal) && !row.lines.is_empty();
        if !first_time || (row.lines.len() > 2 && wanted.is_some()) {
            return Err(Refusal::NotReversible { journal_id });
        }
        let left = i128::from(row.lines[0].amount.minor()) - row.reversed;
        let take = wanted.unwrap_or(left);
        if take > left || left == 0 {
            let remaining = left.to_string();
            return Err(Refusal::ReversalExceeds {
                journal_id,
                remaining,
            });
        }
        let lines = row.lines.iter().map(|line| Posting {
            direction: line.direction.turned(),
            amount: match row.lines.len() {
                2 => crate::books::amount(i64::try_from(take).unwrap()),
                _ => line.amount,
            },
            ..*line
        });
        self.rows.get_mut(&earlier).unwrap().reversed += take;
        self.post(number, JournalKind::Reversal, lines.collect(), true)
    }

    fn hold(&mut self, number: u64, new: &NewHold) -> Result<(), Refusal> {
        let (debit, credit) = (new.debit_account_id.as_u64(), new.credit_account_id.as_u64());
        for account in [debit, credit] {
            self.usable(account, new.currency.code())?;
        }
        let amount = i128::from(new.amount.minor());
        let placed = ModelHold {
            debit,
            credit,
            amount,
            captured: 0,
            released: 0,
            state: HoldState::Open,
            expires_ms: new.expires_at_ms,
        };
        let part = |account| part_taking(number, self.accounts[&account].parts);
        let parts = [part(debit), part(credit)];
        // The debit side is judged before there is another: the two may be one account.
        let one_sided = ModelHold {
            credit: NOBODY,
            ..placed.clone()
        };
        self.holds.insert(number, one_sided);
        self.within(debit, parts[0])?;
        self.holds.insert(number, placed);
        self.rows.insert(number, bare(JournalKind::Hold));
        self.within(credit, parts[1])
    }

    fn open(&self, hold: u64) -> Result<ModelHold, Refusal> {
        let hold_id = id(hold);
        let found = self.holds.get(&hold).ok_or(Refusal::HoldNotFound { hold_id })?;
        if found.state != HoldState::Open {
            return Err(Refusal::HoldNotOpen { hold_id });
        }
        Ok(found.clone())
    }

    fn shrink(&mut self, hold: u64, captured: i128, released: i128, state: HoldState) {
        let hold = self.holds.get_mut(&hold).unwrap();
        hold.captured += captured;
        hold.released += released;
        if hold.captured + hold.released == hold.amount {
            hold.state = state;
        }
    }

    fn let_go(&mut self, number: u64, hold: u64, kind: JournalKind, state: HoldState) {
        let found = &self.holds[&hold];
        let left = found.amount - found.captured - found.released;
        self.shrink(hold, 0, left, state);
        self.rows.insert(number, bare(kind));
    }

    fn post(
        &mut self,
        number: u64,
        kind: JournalKind,
        lines: Vec<Posting>,
        looked_at: bool,
    ) -> Result<(), Refusal> {
        if looked_at {
            for line in &lines {
                self.usable(line.account_id.as_u64(), line.currency.code())?;
            }
        }
        for line in &lines {
            let account = line.account_id.as_u64();
            let part = part_taking(number, self.accounts[&account].parts);
            self.entries.push((account, part, signed(line)));
            self.within(account, part)?;
        }
        let row = ModelRow { lines, ..bare(kind) };
        self.rows.insert(number, row);
        Ok(())
    }

    fn usable(&self, account: u64, currency: &str) -> Result<(), Refusal> {
        let account_id = id(account);
        let found = self
            .accounts
            .get(&account)
            .ok_or(Refusal::AccountNotFound { account_id })?;
        if found.closed {
            return Err(Refusal::AccountClosed { account_id });
        }
        if found.currency != currency {
            return Err(Refusal::CurrencyMismatch { account_id });
        }
        Ok(())
    }

    /// Whether a part is within 64 bits and its account's limits, all added up again.
    fn within(&self, account: u64, part: u64) -> Result<(), Refusal> {
        let account_id = id(account);
        let facts = self.accounts[&account];
        let (posted, debits, credits) = self.balance(account, Some(part));
        let fits = |sum: i128| i64::try_from(sum).is_ok();
        if !fits(posted) || !fits(debits) || !fits(credits) {
            return Err(Refusal::BalanceOverflow { account_id });
        }
        let (normal, more, less) = if facts.debit_normal {
            (posted, debits, credits)
        } else {
            (-posted, credits, debits)
        };
        if facts.not_below && normal < less {
            return Err(Refusal::InsufficientFunds { account_id });
        }
        if facts.not_above && normal + more > 0 {
            return Err(Refusal::LimitExceeded { account_id });
        }
        Ok(())
    }

    /// Posted, held debits, held credits: of one part, or of all.
    pub(super) fn balance(&self, account: u64, part: Option<u64>) -> (i128, i128, i128) {
        let parts = self.accounts[&account].parts;
        let mine = |other: u64| part.is_none_or(|part| part == other);
        let posted = self
            .entries
            .iter()
            .filter(|entry| entry.0 == account && mine(entry.1));
        let held = |side: fn(&ModelHold) -> u64| {
            self.holds
                .iter()
                .filter(|(number, hold)| side(hold) == account && mine(part_taking(**number, parts)))
                .map(|(_, hold)| hold.amount - hold.captured - hold.released)
                .sum()
        };
        (
            posted.map(|entry| entry.2).sum(),
            held(|hold| hold.debit),
            held(|hold| hold.credit),
        )
    }

    /// As the service would: only what is empty is closed.
    pub(super) fn close(&mut self, account: u64) -> bool {
        let empty = self.balance(account, None) == (0, 0, 0);
        if empty && let Some(found) = self.accounts.get_mut(&account) {
            found.closed = true;
        }
        empty
    }
}

/// As the README says it.
fn part_taking(number: u64, parts: u64) -> u64 {
    let told = (u128::from(number >> 22) + u128::from(number % (1 << 22))) % (1 << 31);
    let spread = told * 2_654_435_769 % (1 << 32);
    u64::try_from((spread * u128::from(parts)) >> 32).unwrap()
}

fn signed(line: &Posting) -> i128 {
    match line.direction {
        Direction::Debit => i128::from(line.amount.minor()),
        Direction::Credit => -i128::from(line.amount.minor()),
    }
}

fn bare(kind: JournalKind) -> ModelRow {
    ModelRow {
        kind,
        lines: Vec::new(),
        reversed: 0,
    }
}
