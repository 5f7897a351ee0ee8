//! What was taken from answers.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::Profile;
use super::step::Each;
use super::template::Variable;

/// Whose request it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub(super) session: u32,
    pub(super) key: usize,
    pub(super) index: u64,
}

/// By name, one value a key, a session or a run.
#[derive(Debug)]
pub(super) struct Captured {
    run: String,
    given: BTreeMap<String, String>,
    values: BTreeMap<String, (Each, RwLock<Vec<String>>)>,
}

impl Captured {
    pub(super) fn new(profile: &Profile, run: String, given: BTreeMap<String, String>) -> Self {
        let mut values = BTreeMap::new();
        for step in &profile.setup {
            let each = step.each.unwrap_or(Each::Run);
            let room = match each {
                Each::Run => 1,
                Each::Session => profile.sessions as usize,
                Each::Key => profile.keys.count,
            };
            for name in step.capture.keys() {
                values.insert(name.clone(), (each, RwLock::new(vec![String::new(); room])));
            }
        }
        Self { run, given, values }
    }

    /// What a place is filled with.
    pub(super) fn value(&self, variable: &Variable, asker: Asker) -> String {
        match variable {
            Variable::Key => asker.key.to_string(),
            Variable::Session => asker.session.to_string(),
            Variable::Index => asker.index.to_string(),
            Variable::Run => self.run.clone(),
            Variable::Given(name) => self.given.get(name).cloned().unwrap_or_default(),
            Variable::Captured(name) => {
                let found = self.values.get(name).and_then(|(each, values)| {
                    let values = values.read().unwrap_or_else(PoisonError::into_inner);
                    values.get(place(*each, asker)).cloned()
                });
                found.unwrap_or_default()
            }
        }
    }

    pub(super) fn keep(&self, name: &str, asker: Asker, value: String) {
        if let Some((each, values)) = self.values.get(name) {
            let mut values = values.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(room) = values.get_mut(place(*each, asker)) {
                *room = value;
            }
        }
    }
}

fn place(each: Each, asker: Asker) -> usize {
    match each {
        Each::Run => 0,
        Each::Session => asker.session as usize,
        Each::Key => asker.key,
    }
}
