//! `orrery slo`: what the services promise, and the files that follow from it.

use std::path::Path;

use slo::Policy;
use slo::generate::{duration, percent};

use crate::Outcome;
use crate::catalogue;
use crate::cli::SloAction;

const SECONDS_A_MINUTE: f64 = 60.0;

/// Shows the objectives, or writes what is made of them.
pub(crate) fn slo(action: &SloAction) -> Outcome {
    match action {
        SloAction::List => list(),
        SloAction::Generate { into, scale } => {
            let into = into.as_deref().unwrap_or(Path::new("."));
            if *scale == 1 {
                return super::generate::objectives(into);
            }
            // Dashboards are about the rules of the checkout, thresholds know no windows.
            let files = slo::generate::rules_and_tests(&catalogue::services()?, &Policy::standard().scaled(*scale))?;
            for (path, text) in files {
                super::generate::write(into, &path, &text)?;
            }
            Ok(())
        }
    }
}

fn list() -> Outcome {
    let services = catalogue::services()?;
    let objectives = services.iter().flat_map(|service| &service.objectives);
    let widest = objectives.clone().map(|o| o.name.len()).max().unwrap_or_default();
    for objective in objectives {
        let outage = objective.budget() * objective.window.as_secs_f64() / SECONDS_A_MINUTE;
        println!(
            "{:<widest$}  {:>8} over {}, {outage:.0} min of outage  {}",
            objective.name,
            percent(objective.target),
            duration(objective.window),
            objective.title
        );
    }
    Ok(())
}
