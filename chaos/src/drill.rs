//! A drill as a file: what we believe, how it is tried, and what would prove us wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::DrillError;
use crate::control::Control;
use crate::engine::EngineKind;
use crate::invariants::Invariant;
use crate::span::Span;

/// A drill.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drill {
    /// Its name: the file's, without its ending.
    pub name: String,
    /// The service whose promises are tried.
    pub service: String,
    /// What happens, in a few words.
    pub title: String,
    /// What we believe about it.
    pub hypothesis: String,
    /// What is started.
    #[serde(default)]
    pub platform: PlatformPlan,
    /// What is asked of it meanwhile.
    pub load: LoadPlan,
    /// How it is asked what it holds at the end: a file of `chaos/observers`.
    pub observer: String,
    /// What is done to it.
    pub faults: Vec<FaultPlan>,
    /// What must be seen.
    pub expect: Expectations,
    /// SLO windows are divided by this: a three-day window cannot fire live.
    #[serde(default = "scale_default")]
    pub scale: u32,
    /// The short form.
    pub brief: Brief,
}

fn scale_default() -> u32 {
    60
}

/// What is started: each role once and on embedded engines, unless this says otherwise.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformPlan {
    /// Roles that run in this drill beside those that always do.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Whether there is a merchant's receiver; loads find it as `{{given.receiver}}`.
    #[serde(default)]
    pub receiver: bool,
    /// Roles that run more than once.
    #[serde(default)]
    pub copies: BTreeMap<String, usize>,
    /// Real engines that roles use instead of the embedded ones.
    #[serde(default)]
    pub engines: Vec<EngineKind>,
    /// Settings of every role, as environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// The load.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadPlan {
    /// A profile: of `chaos/loads`, or a path.
    pub profile: String,
    /// Arrivals a second.
    pub per_second: f64,
    /// How long.
    pub duration: Span,
    /// Whether each request opens a connection of its own, as of somebody who comes once: who keeps one does not meet a copy that is gone.
    #[serde(default)]
    pub connection_each: bool,
}

/// One fault, and when: an experiment, or a control, or the receiver.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// A file of `chaos/experiments`.
    #[serde(default)]
    pub experiment: Option<String>,
    /// A switch that a role has itself.
    #[serde(default)]
    pub control: Option<Control>,
    /// What becomes of the merchant's receiver.
    #[serde(default)]
    pub receiver: Option<ReceiverTurns>,
    /// How long after the load has begun.
    pub at: Span,
    /// How long a control or the receiver stays so; an experiment says that itself.
    #[serde(default)]
    pub lasting: Span,
}

/// What becomes of the merchant's receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiverTurns {
    /// It hangs, fails, answers without end and leads elsewhere.
    Hostile,
}

/// What must be seen for the drill to pass.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// The alert that fires, and clears again.
    #[serde(default)]
    pub alert: Option<ExpectedAlert>,
    /// Objectives for which nobody may be paged. Availability alone: how fast a laptop is that does other things too, is no belief.
    #[serde(default)]
    pub quiet: Vec<String>,
    /// What clients may be told from the first fault until the recovery.
    pub degraded: Degraded,
    /// From the end of the last fault to the first second from which on every answer is good.
    pub recovered_within: Span,
    /// What must be true at the end.
    pub invariants: Vec<Invariant>,
    /// Clicks that may be missing at the end, where some may.
    #[serde(default)]
    pub clicks_lost_max: u64,
}

/// An alert.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedAlert {
    /// The objective it is about.
    pub objective: String,
    /// `page` or `ticket`.
    pub severity: ExpectedSeverity,
}

/// How loud an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpectedSeverity {
    /// Somebody is woken.
    Page,
    /// Somebody looks at it in the morning.
    Ticket,
}

/// What may go wrong for clients while it goes wrong.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Degraded {
    /// Statuses, and codes of why there was none (`deadline_exceeded`), that may come besides the good ones.
    #[serde(default)]
    pub answers: Vec<String>,
    /// The share of those due in that time that may fail.
    pub failed_share_max: f64,
}

/// The short form: all times shorter, windows by the same factor.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brief {
    /// Times are divided by this.
    pub divisor: u32,
}

impl ExpectedSeverity {
    /// As alerts are labelled.
    pub fn word(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

impl FaultPlan {
    fn is_one(&self) -> bool {
        let lasts = !self.lasting.0.is_zero();
        match (&self.experiment, &self.control, &self.receiver) {
            (Some(_), None, None) => !lasts,
            (None, Some(_), None) | (None, None, Some(_)) => lasts,
            _ => false,
        }
    }
}

impl Drill {
    /// Reads a drill; `file` is named in errors.
    pub fn parse(file: &str, yaml: &str) -> Result<Self, DrillError> {
        let wrong = |reason: String| DrillError::Malformed {
            file: file.to_owned(),
            reason,
        };
        let drill: Self = serde_saphyr::from_str(yaml).map_err(|error| wrong(error.to_string()))?;
        if drill.faults.is_empty() {
            return Err(wrong("faults: at least one".to_owned()));
        }
        if drill.expect.alert.is_none() == drill.expect.quiet.is_empty() {
            return Err(wrong(
                "expect: either an alert, or quiet: the objectives for which nobody may be paged".to_owned(),
            ));
        }
        if drill.scale == 0 || drill.brief.divisor == 0 {
            return Err(wrong("scale and brief.divisor: 1 or more".to_owned()));
        }
        if !(0.0..=1.0).contains(&drill.expect.degraded.failed_share_max) {
            return Err(wrong(
                "expect.degraded.failed_share_max: a share from 0 to 1".to_owned(),
            ));
        }
        if drill.faults.iter().any(|fault| !fault.is_one()) {
            return Err(wrong(
                "faults: each is an experiment, or a control or receiver with `lasting`".to_owned(),
            ));
        }
        if drill
            .faults
            .iter()
            .any(|fault| fault.at.0 >= drill.load.duration.0)
        {
            return Err(wrong("faults: each must begin while the load goes on".to_owned()));
        }
        Ok(drill)
    }

    /// The short form.
    #[must_use]
    pub fn briefly(mut self) -> Self {
        let divisor = self.brief.divisor;
        self.load.duration.0 /= divisor;
        for fault in &mut self.faults {
            fault.at.0 /= divisor;
            fault.lasting.0 /= divisor;
        }
        self.scale = self.scale.saturating_mul(divisor);
        self
    }

    /// How long the load goes on.
    pub fn duration(&self) -> Duration {
        self.load.duration.0
    }
}
