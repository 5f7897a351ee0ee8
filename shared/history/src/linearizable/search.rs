//! The search for an order that explains every answer.
//!
//! Depth first over "which operation took effect next". The candidates are the operations that began before any
//! remaining one ended. A configuration (what took effect, the state) that failed once is never tried again.
//!
//! Three reductions, each sound:
//! - An answer that only *observed* the state (a read, a refusal) is placed as soon as it fits: it changes nothing,
//!   so any order that places it later stays right with it placed now.
//! - An operation whose outcome is unknown has no end: it may take effect after everything else, which nobody sees,
//!   so it never *must* be placed. It is placed only right before an answer that does not fit without it.
//!   At most two are needed there: the key can be brought from any state to any other by `write`, `claim`, `delete`,
//!   `delete claim` or `claim write`, if by any run of them; and after an answer that fits already, the state does
//!   not depend on what went before (all answered changes set the state outright).
//! - Of unknown operations with the same effect the earliest is taken: both stay available for ever.

use std::collections::HashSet;

/// A value's number; [`ABSENT`] for none.
pub(super) type State = u32;

/// The key does not exist.
pub(super) const ABSENT: State = 0;

/// An answered operation, by what it demands of the state and does to it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    /// Absent before, this value after.
    Claim(State),
    /// Present before, this value after.
    Write(State),
    /// Present before, absent after.
    Delete,
    /// Saw exactly this.
    Is(State),
    /// Saw that something is there.
    IsPresent,
}

impl Action {
    /// The state after, or `None` where the answer would have been a lie.
    fn after(self, state: State) -> Option<State> {
        let present = state != ABSENT;
        match self {
            Self::Claim(value) => (!present).then_some(value),
            Self::Write(value) => present.then_some(value),
            Self::Delete => present.then_some(ABSENT),
            Self::Is(seen) => (state == seen).then_some(state),
            Self::IsPresent => present.then_some(state),
        }
    }

    fn observes_only(self) -> bool {
        matches!(self, Self::Is(_) | Self::IsPresent)
    }
}

/// What an unanswered operation does if it takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Effect {
    Claim(State),
    Write(State),
    Delete,
}

impl Effect {
    fn after(self, state: State) -> State {
        match self {
            Self::Claim(value) if state == ABSENT => value,
            Self::Write(value) if state != ABSENT => value,
            Self::Delete => ABSENT,
            Self::Claim(_) | Self::Write(_) => state,
        }
    }
}

/// An answered operation and the times between which it took effect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) call: u64,
    pub(super) ret: u64,
    pub(super) action: Action,
}

/// An unanswered operation and the time after which it may take effect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unknown {
    pub(super) call: u64,
    pub(super) effect: Effect,
}

/// Where the search that came furthest could not go on.
#[derive(Debug)]
pub(super) struct Stuck {
    /// The operation (an index into `known`) that had to be placed and fitted nowhere.
    pub(super) operation: usize,
    /// The states the key could have had there.
    pub(super) states: Vec<State>,
}

#[derive(Debug)]
pub(super) enum Answer {
    Linearizable,
    Stuck(Stuck),
    TooHard,
}

/// Looks for an order of `known` (sorted by call) and some of `unknown` (sorted by call) from an absent key.
pub(super) fn search(known: &[Known], unknown: &[Unknown], configurations_max: usize) -> Answer {
    Search::new(known, unknown).run(configurations_max)
}

/// States kept for the explanation.
const STATES_MAX: usize = 8;

/// Unknown operations to place, then the answered one they make room for.
#[derive(Clone, Copy)]
struct Move {
    run: [Option<usize>; 2],
    known: usize,
}

/// A choice that can be taken back: what was placed before it, and the moves not yet tried.
struct Choice {
    placed: usize,
    state: State,
    moves: Vec<Move>,
}

#[derive(Clone, Copy)]
enum Placed {
    Known(usize),
    Unknown(usize),
}

struct Search<'a> {
    known: &'a [Known],
    unknown: &'a [Unknown],
    /// Per unknown operation, whether it was placed.
    used: Vec<bool>,
    /// The known operations not yet placed, as a list in call order; index `known.len()` is its head.
    next: Vec<usize>,
    previous: Vec<usize>,
    trail: Vec<Placed>,
    state: State,
    /// The exclusive-or of a random word per placed operation (Zobrist): names the set in 16 bytes however long the
    /// history. Two of 10^7 sets share a name with a chance below 10^-24.
    placed_hash: u128,
    tried: HashSet<(u128, State)>,
    furthest: Option<Stuck>,
}

impl<'a> Search<'a> {
    fn new(known: &'a [Known], unknown: &'a [Unknown]) -> Self {
        let count = known.len();
        Self {
            known,
            unknown,
            used: vec![false; unknown.len()],
            next: (1..=count).chain([0]).collect(),
            previous: [count].into_iter().chain(0..count).collect(),
            trail: Vec::with_capacity(count),
            state: ABSENT,
            placed_hash: 0,
            tried: HashSet::new(),
            furthest: None,
        }
    }

    fn run(mut self, configurations_max: usize) -> Answer {
        let mut choices: Vec<Choice> = Vec::new();
        loop {
            self.place_observers();
            if self.next[self.known.len()] == self.known.len() {
                return Answer::Linearizable;
            }
            let moves = if self.tried.insert((self.placed_hash, self.state)) {
                self.moves()
            } else {
                Vec::new()
            };
            if self.tried.len() > configurations_max {
                return Answer::TooHard;
            }
            choices.push(Choice {
                placed: self.trail.len(),
                state: self.state,
                moves,
            });
            // Take the next untried move of the latest choice that has one.
            loop {
                let Some(choice) = choices.last_mut() else {
                    return Answer::Stuck(self.furthest.expect("a search that fails was stuck somewhere"));
                };
                let (placed, state) = (choice.placed, choice.state);
                let Some(taken) = choice.moves.pop() else {
                    choices.pop();
                    continue;
                };
                self.take_back(placed, state);
                self.make(taken);
                break;
            }
        }
    }

    /// Calls `visit` for each remaining known operation that could be next, and gives the earliest end among them.
    fn earliest_end(&self) -> (u64, usize) {
        let head = self.known.len();
        let (mut end, mut operation) = (u64::MAX, self.next[head]);
        let mut at = self.next[head];
        // In call order, so beyond the earliest end nothing can lower it.
        while at != head && self.known[at].call <= end {
            if self.known[at].ret < end {
                (end, operation) = (self.known[at].ret, at);
            }
            at = self.next[at];
        }
        (end, operation)
    }

    /// The remaining known operations that began by `end`.
    fn window(&self, end: u64) -> impl Iterator<Item = usize> + '_ {
        let head = self.known.len();
        std::iter::successors(Some(self.next[head]), |at| Some(self.next[*at]))
            .take_while(move |at| *at != head && self.known[*at].call <= end)
    }

    fn place_observers(&mut self) {
        loop {
            let (end, _) = self.earliest_end();
            let fitting: Vec<usize> = self
                .window(end)
                .filter(|at| self.known[*at].action.observes_only())
                .filter(|at| self.known[*at].action.after(self.state).is_some())
                .collect();
            if fitting.is_empty() {
                return;
            }
            for at in fitting {
                self.place(Placed::Known(at));
            }
        }
    }

    /// The moves from here, best last. Notes where the search is stuck when there is none.
    fn moves(&mut self) -> Vec<Move> {
        let (end, blocker) = self.earliest_end();
        let unknown = self.available(end);
        let mut fitting = Vec::new();
        let mut moves = Vec::new();
        for at in self.window(end) {
            if self.known[at].action.after(self.state).is_some() {
                fitting.push(Move {
                    run: [None, None],
                    known: at,
                });
            } else {
                self.runs_before(at, &unknown, &mut moves);
            }
        }
        // Two lost answers are a stranger story than one; what ends first most likely took effect first.
        moves.sort_by_key(|taken| (taken.run[1].is_none(), u64::MAX - self.known[taken.known].ret));
        fitting.sort_by_key(|taken| u64::MAX - self.known[taken.known].ret);
        moves.append(&mut fitting);
        if moves.is_empty() {
            self.note_stuck(blocker);
        }
        moves
    }

    /// Unknown operations that may take effect by `end`: unused, the earliest of each effect.
    fn available(&self, end: u64) -> Vec<usize> {
        let mut effects = HashSet::new();
        let begun = self
            .unknown
            .iter()
            .take_while(|unknown| unknown.call <= end)
            .enumerate();
        begun
            .filter(|(at, unknown)| !self.used[*at] && effects.insert(unknown.effect))
            .map(|(at, _)| at)
            .collect()
    }

    /// The runs of one or two unknown operations after which the known one fits.
    fn runs_before(&self, known: usize, unknown: &[usize], moves: &mut Vec<Move>) {
        let fits = |state| self.known[known].action.after(state).is_some();
        for &last in unknown {
            let effect = self.unknown[last].effect;
            if fits(effect.after(self.state)) {
                moves.push(Move {
                    run: [Some(last), None],
                    known,
                });
                continue;
            }
            for &first in unknown {
                let between = self.unknown[first].effect.after(self.state);
                let useful = first != last && between != self.state && !fits(between);
                if useful && fits(effect.after(between)) {
                    moves.push(Move {
                        run: [Some(first), Some(last)],
                        known,
                    });
                }
            }
        }
    }

    fn note_stuck(&mut self, operation: usize) {
        let state = self.state;
        match &mut self.furthest {
            Some(stuck) if stuck.operation == operation => {
                if !stuck.states.contains(&state) && stuck.states.len() < STATES_MAX {
                    stuck.states.push(state);
                }
            }
            Some(stuck) if self.known[stuck.operation].ret >= self.known[operation].ret => {}
            furthest => {
                *furthest = Some(Stuck {
                    operation,
                    states: vec![state],
                });
            }
        }
    }

    fn make(&mut self, taken: Move) {
        for at in taken.run.into_iter().flatten() {
            self.place(Placed::Unknown(at));
        }
        self.place(Placed::Known(taken.known));
    }

    fn place(&mut self, placed: Placed) {
        match placed {
            Placed::Known(at) => {
                self.state = self.known[at]
                    .action
                    .after(self.state)
                    .expect("only what fits is placed");
                let (before, after) = (self.previous[at], self.next[at]);
                self.next[before] = after;
                self.previous[after] = before;
            }
            Placed::Unknown(at) => {
                self.state = self.unknown[at].effect.after(self.state);
                self.used[at] = true;
            }
        }
        self.placed_hash ^= self.word(placed);
        self.trail.push(placed);
    }

    fn take_back(&mut self, placed: usize, state: State) {
        while self.trail.len() > placed {
            let last = self.trail.pop().expect("the trail is longer than `placed`");
            match last {
                // Put back in the reverse order of removal, an entry still knows its neighbours (Knuth's dancing links).
                Placed::Known(at) => {
                    let (before, after) = (self.previous[at], self.next[at]);
                    self.next[before] = at;
                    self.previous[after] = at;
                }
                Placed::Unknown(at) => self.used[at] = false,
            }
            self.placed_hash ^= self.word(last);
        }
        self.state = state;
    }

    fn word(&self, placed: Placed) -> u128 {
        let index = match placed {
            Placed::Known(at) => at,
            Placed::Unknown(at) => self.known.len() + at,
        } as u64;
        u128::from(scramble(2 * index)) << 64 | u128::from(scramble(2 * index + 1))
    }
}

/// The `index`-th word of SplitMix64 (Steele, Lea and Flood, 2014).
fn scramble(index: u64) -> u64 {
    let mut word = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
