//! A verdict, and what went wrong in words and operations.

use std::fmt;

use crate::record::Operation;

/// More violations of one rule are counted but not kept: the first few tell the story.
const KEPT_MAX: usize = 20;

/// What a checker concluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The history keeps to the rules.
    Kept,
    /// It breaks at least one.
    Violated,
    /// No violation was found, but a search met its limit before it could tell.
    Undecided,
}

/// One broken rule.
#[derive(Debug, Clone)]
pub struct Violation<O = Operation> {
    /// The rule, in words.
    pub rule: &'static str,
    /// The key it was broken on.
    pub key: String,
    /// What is wrong with these operations.
    pub explanation: String,
    /// The operations that cannot all be right, the offender first.
    pub operations: Vec<O>,
}

/// What a checker found.
#[derive(Debug, Clone)]
pub struct Report<O = Operation> {
    checker: &'static str,
    operations: usize,
    violations: Vec<Violation<O>>,
    violation_count: usize,
    undecided: Vec<String>,
}

impl<O> Report<O> {
    pub(crate) fn new(checker: &'static str, operations: usize) -> Self {
        Self {
            checker,
            operations,
            violations: Vec::new(),
            violation_count: 0,
            undecided: Vec::new(),
        }
    }

    pub(crate) fn violated(&mut self, violation: Violation<O>) {
        self.violation_count += 1;
        let same = self.violations.iter().filter(|kept| kept.rule == violation.rule);
        if same.count() < KEPT_MAX {
            self.violations.push(violation);
        }
    }

    pub(crate) fn undecided(&mut self, key: &str) {
        self.undecided.push(key.to_owned());
    }

    /// The conclusion.
    pub fn verdict(&self) -> Verdict {
        if self.violation_count > 0 {
            Verdict::Violated
        } else if self.undecided.is_empty() {
            Verdict::Kept
        } else {
            Verdict::Undecided
        }
    }

    /// Whether the history certainly keeps to the rules.
    pub fn is_kept(&self) -> bool {
        self.verdict() == Verdict::Kept
    }

    /// How many operations were judged.
    pub fn operations(&self) -> usize {
        self.operations
    }

    /// The first violations, at most 20 of each rule.
    pub fn violations(&self) -> &[Violation<O>] {
        &self.violations
    }

    /// How many violations there are in all.
    pub fn violation_count(&self) -> usize {
        self.violation_count
    }
}

impl<O: fmt::Display> fmt::Display for Report<O> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict() {
            Verdict::Kept => "kept",
            Verdict::Violated => "VIOLATED",
            Verdict::Undecided => "undecided",
        };
        writeln!(
            out,
            "{}: {verdict} ({} operations)",
            self.checker, self.operations
        )?;
        for violation in &self.violations {
            writeln!(
                out,
                "- key `{}`: {}: {}",
                violation.key, violation.rule, violation.explanation
            )?;
            for operation in &violation.operations {
                writeln!(out, "    {operation}")?;
            }
        }
        if self.violation_count > self.violations.len() {
            writeln!(out, "- and {} more", self.violation_count - self.violations.len())?;
        }
        for key in &self.undecided {
            writeln!(
                out,
                "- key `{key}`: the search met its limit; raise it or record fewer unknown outcomes"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref().unwrap_or("absent");
        let kind = format!("{:?}", self.kind).to_lowercase();
        let outcome = format!("{:?}", self.outcome).to_lowercase();
        let (start, end, session) = (self.start_us, self.end_us, self.session);
        write!(
            out,
            "[{start} .. {end} us] session {session}: {kind}({}) {value} -> {outcome}",
            self.key
        )?;
        if let Some(intent) = &self.intent {
            write!(out, " (intent {intent})")?;
        }
        Ok(())
    }
}
