//! The layers, from weakest to strongest: built-in defaults, files, environment, flags.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ENV_PREFIX;
use crate::catalog::{Catalog, Setting, defaults_of, shown};
use crate::error::{ConfigError, Mistake};
use crate::nearest::nearest;
use crate::schema::{at, put};
use crate::secret::{MASK, without_password};

mod file;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Origin {
    /// Built in.
    Default,
    /// Not set by anybody: it follows from other settings.
    Derived {
        /// Which ones, for people.
        settings: String,
    },
    /// A settings file.
    File {
        /// As the caller named it.
        name: String,
        /// The line of the key, from 1.
        line: usize,
    },
    /// An environment variable.
    Env {
        /// Its name.
        variable: String,
    },
    /// A command-line flag.
    Flag {
        /// With its dashes.
        flag: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Derived { settings } => write!(f, "follows from {settings}"),
            Self::File { name, line } => write!(f, "{name}, line {line}"),
            Self::Env { variable } => write!(f, "environment variable {variable}"),
            Self::Flag { flag } => write!(f, "flag {flag}"),
        }
    }
}

/// What was given, before it is judged. Files, environment and flags may be added in any order.
#[derive(Debug, Default, Clone)]
pub struct Layers {
    derived: Vec<(String, Value, String)>,
    files: Vec<(String, String)>,
    env: Vec<(String, String)>,
    ignored_env: BTreeSet<String>,
    flags: Vec<(String, String, String)>,
}

/// Settings, and where each came from.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// The settings.
    pub settings: T,
    /// The origin of each setting that is not a built-in default, by path.
    pub origins: BTreeMap<String, Origin>,
    effective: Vec<Effective>,
}

/// One setting in force.
#[derive(Debug, Clone, Serialize)]
pub struct Effective {
    /// `gateway.rate_limit.burst`.
    pub path: String,
    /// `ORRERY_GATEWAY_RATE_LIMIT_BURST`.
    pub env: String,
    /// The value as a person would write it, `***` for a secret; `None` when unset.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

impl<T> Loaded<T> {
    /// Every setting in force, in the catalogue's order.
    pub fn explain(&self) -> &[Effective] {
        &self.effective
    }
}

type Given = BTreeMap<String, (Value, Origin)>;

impl Layers {
    /// Nothing but the built-in defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value that follows from other settings (`from` names them): stronger than a default, weaker than all that is set.
    #[must_use]
    pub fn derived(mut self, path: &str, value: impl Into<Value>, from: &str) -> Self {
        self.derived
            .push((path.to_owned(), value.into(), from.to_owned()));
        self
    }

    /// Adds the text of a TOML file; `name` is what messages call it. A later file wins over an earlier one.
    #[must_use]
    pub fn file(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.files.push((name.into(), text.into()));
        self
    }

    /// Adds environment variables; those that do not begin with `ORRERY_` are passed over.
    #[must_use]
    pub fn env<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let given = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        self.env
            .extend(given.filter(|(name, _)| name.starts_with(ENV_PREFIX)));
        self
    }

    /// Names `ORRERY_` variables that are switches of the process or of the tests, not settings.
    #[must_use]
    pub fn ignore_env<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.ignored_env.extend(names.into_iter().map(Into::into));
        self
    }

    /// Adds a flag that sets `path`; messages call it by the path's last part: `data_dir` is `--data-dir`.
    #[must_use]
    pub fn flag(self, path: &str, value: impl ToString) -> Self {
        let last = path.rsplit('.').next().unwrap_or(path);
        self.flag_as(format!("--{}", last.replace('_', "-")), path, value)
    }

    /// Adds a flag whose name is not that of the setting.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a flag is a number or a text made on the spot"
    )]
    pub fn flag_as(mut self, flag: impl Into<String>, path: &str, value: impl ToString) -> Self {
        self.flags.push((flag.into(), path.to_owned(), value.to_string()));
        self
    }

    /// Judges every layer and makes the settings, or tells every mistake there is.
    pub fn load<T>(self) -> Result<Loaded<T>, ConfigError>
    where
        T: JsonSchema + Serialize + Default + DeserializeOwned,
    {
        let catalog = Catalog::of::<T>();
        let mut given = Given::new();
        let mut mistakes = Vec::new();
        for (path, value, from) in self.derived {
            let origin = Origin::Derived { settings: from };
            match catalog.get(&path) {
                Some(_) => drop(given.insert(path, (value, origin))),
                None => mistakes.push(unknown_key(&path, origin, &catalog)),
            }
        }
        for (name, text) in &self.files {
            file::read(name, text, &catalog, &mut given, &mut mistakes);
        }
        for (variable, text) in &self.env {
            if self.ignored_env.contains(variable) {
                continue;
            }
            let origin = Origin::Env {
                variable: variable.clone(),
            };
            match catalog.by_env(variable) {
                Some(setting) => take_text(setting, text, origin, &mut given, &mut mistakes),
                None => mistakes.push(unknown_variable(variable, origin, &catalog)),
            }
        }
        for (flag, path, text) in &self.flags {
            let origin = Origin::Flag { flag: flag.clone() };
            match catalog.get(path) {
                Some(setting) => take_text(setting, text, origin, &mut given, &mut mistakes),
                None => mistakes.push(unknown_key(path, origin, &catalog)),
            }
        }
        if !mistakes.is_empty() {
            return Err(ConfigError { mistakes });
        }
        assemble(&catalog, given)
    }
}

fn unknown_variable(variable: &str, origin: Origin, catalog: &Catalog) -> Mistake {
    let known = catalog.settings().iter().map(|setting| setting.env.as_str());
    let nearest = nearest(variable, known, '_').map(str::to_owned);
    Mistake::UnknownKey {
        key: variable.to_owned(),
        origin,
        nearest,
    }
}

fn unknown_key(path: &str, origin: Origin, catalog: &Catalog) -> Mistake {
    let known = catalog.settings().iter().map(|setting| setting.path.as_str());
    Mistake::UnknownKey {
        key: path.to_owned(),
        origin,
        nearest: nearest(path, known, '.').map(str::to_owned),
    }
}

/// An empty text unsets what may be unset, so that a deployment can take back what its file says.
fn take_text(setting: &Setting, text: &str, origin: Origin, given: &mut Given, mistakes: &mut Vec<Mistake>) {
    let parsed = match text {
        "" if setting.optional => Ok(Value::Null),
        text => setting.kind.parse(text),
    };
    take(setting, parsed, &Value::from(text), origin, given, mistakes);
}

fn take(
    setting: &Setting,
    parsed: Result<Value, String>,
    written: &Value,
    origin: Origin,
    given: &mut Given,
    mistakes: &mut Vec<Mistake>,
) {
    match parsed {
        Ok(value) => {
            given.insert(setting.path.clone(), (value, origin));
        }
        Err(expected) => {
            let found = if setting.secret {
                MASK.to_owned()
            } else {
                shortened(written)
            };
            mistakes.push(Mistake::WrongType {
                key: setting.path.clone(),
                origin,
                expected,
                found,
            });
        }
    }
}

fn shortened(written: &Value) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    let text = match written {
        Value::String(text) => Value::from(without_password(text)).to_string(),
        other => other.to_string(),
    };
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    text.chars().take(SHOWN_CHARS_MAX).chain("…".chars()).collect()
}

fn assemble<T>(catalog: &Catalog, given: Given) -> Result<Loaded<T>, ConfigError>
where
    T: Serialize + Default + DeserializeOwned,
{
    let defaults = defaults_of::<T>();
    let mut whole = defaults.clone();
    for (path, (value, _)) in &given {
        put(&mut whole, path, value.clone());
    }
    let settings: T = serde_json::from_value(whole.clone()).map_err(|error| ConfigError {
        mistakes: vec![blame::<T>(catalog, &defaults, &given, &error)],
    })?;
    let effective = catalog
        .settings()
        .iter()
        .map(|setting| effective(setting, &whole, &given))
        .collect();
    let origins = given
        .into_iter()
        .map(|(path, (_, origin))| (path, origin))
        .collect();
    Ok(Loaded {
        settings,
        origins,
        effective,
    })
}

/// Serde tells what is wrong but not where: the value that is refused on top of the defaults is to blame.
fn blame<T: DeserializeOwned>(
    cat: &Catalog,
    defaults: &Value,
    given: &Given,
    error: &serde_json::Error,
) -> Mistake {
    for (path, (value, origin)) in given {
        let mut alone = defaults.clone();
        put(&mut alone, path, value.clone());
        if let Err(error) = serde_json::from_value::<T>(alone) {
            let secret = cat.get(path).is_some_and(|setting| setting.secret);
            let detail = if secret {
                "not an acceptable value".to_owned()
            } else {
                error.to_string()
            };
            return Mistake::Refused {
                key: path.clone(),
                origin: origin.clone(),
                detail,
            };
        }
    }
    let any_secret = given
        .keys()
        .any(|path| cat.get(path).is_some_and(|setting| setting.secret));
    let detail = if any_secret {
        "refused (the reason may quote a secret)".to_owned()
    } else {
        error.to_string()
    };
    Mistake::Contradiction { detail }
}

fn effective(setting: &Setting, whole: &Value, given: &Given) -> Effective {
    let value = at(whole, &setting.path).filter(|value| !value.is_null());
    let value = match value {
        Some(Value::String(text)) if setting.secret && text.is_empty() => None,
        Some(_) if setting.secret => Some(MASK.to_owned()),
        other => other.map(shown),
    };
    let origin = given
        .get(&setting.path)
        .map_or(Origin::Default, |(_, origin)| origin.clone());
    Effective {
        path: setting.path.clone(),
        env: setting.env.clone(),
        value,
        origin,
    }
}
