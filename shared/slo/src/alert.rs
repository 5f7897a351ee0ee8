use crate::{BurnWindow, Objective, Severity};

/// What an alert says now.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its name, as Prometheus knows it.
    pub name: String,
    /// The objective whose budget burns.
    pub objective: String,
    /// The service that promises it.
    pub service: String,
    /// How urgent it is.
    pub severity: Severity,
    /// Whether one of its pairs of windows is over its burn rate.
    pub firing: bool,
    /// The burn rate over `window.long`; `None` without requests.
    pub long_burn: Option<f64>,
    /// The burn rate over `window.short`; `None` without requests.
    pub short_burn: Option<f64>,
    /// The pair that fires, or else the one that is nearest to it.
    pub window: BurnWindow,
}

/// The alert's name: the objective's in Pascal case, and how fast its budget burns.
pub fn alert_name(objective: &Objective, severity: Severity) -> String {
    let mut name: String = objective
        .name
        .split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .chain(letters)
        })
        .collect();
    name.push_str(match severity {
        Severity::Page => "BudgetBurnsFast",
        Severity::Ticket => "BudgetBurnsSlow",
    });
    name
}
