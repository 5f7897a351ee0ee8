//! The list of every setting there is, read out of the types themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ENV_PREFIX;
use crate::kind::Kind;
use crate::schema::{Leaf, at, leaves};
use crate::secret::without_password;

/// One setting.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Where it stands in the file: `gateway.rate_limit.burst`.
    pub path: String,
    /// Its environment variable: `ORRERY_GATEWAY_RATE_LIMIT_BURST`.
    pub env: String,
    /// What is accepted.
    pub kind: Kind,
    /// The built-in value; `None` when it is unset.
    pub default: Option<Value>,
    /// The first paragraph of the field's documentation.
    pub doc: String,
    /// True when its value is never shown.
    pub secret: bool,
    /// True when it may be unset.
    pub optional: bool,
}

/// All settings of one type.
#[derive(Debug, Clone)]
pub struct Catalog {
    settings: Vec<Setting>,
    schema: Value,
}

/// Why a settings type is not fit to be one. A test calls [`Catalog::check`]; a user never sees these.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CatalogError {
    /// Two settings would have one environment variable.
    #[error("`{first}` and `{second}` would both be {env}")]
    AmbiguousEnv {
        /// The variable.
        env: String,
        /// One path.
        first: String,
        /// The other.
        second: String,
    },
    /// A field without documentation: the table would have an empty cell.
    #[error("`{0}` has no documentation")]
    Undocumented(String),
    /// A field whose type no layer can express.
    #[error("`{0}` has a type that cannot be set")]
    Unsupported(String),
    /// A secret with a built-in value is no secret.
    #[error("`{0}` is a secret with a built-in value")]
    BuiltInSecret(String),
    /// The default of a field is not a value of its own type.
    #[error("the default of `{0}` is not a value that may be set")]
    BadDefault(String),
}

impl CatalogError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        "config_catalog"
    }

    /// Never.
    pub fn retryable(&self) -> bool {
        false
    }
}

impl Catalog {
    /// Reads the settings out of `T`'s schema and default value.
    pub fn of<T: JsonSchema + Serialize + Default + DeserializeOwned>() -> Self {
        let generator = SchemaSettings::draft2020_12()
            .with(|s| s.inline_subschemas = true)
            .into_generator();
        let schema = generator.into_root_schema_for::<T>().to_value();
        let defaults = defaults_of::<T>();
        let mut found = Vec::new();
        leaves(&schema, "", &mut found);
        // By path, not as generated: whether JSON objects keep their order depends on features of other crates.
        found.sort_by(|a, b| a.path.cmp(&b.path));
        let settings = found.into_iter().map(|leaf| setting(leaf, &defaults)).collect();
        Self { settings, schema }
    }

    /// Every setting, by path.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// The setting at `path`.
    pub fn get(&self, path: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.path == path)
    }

    /// The setting of an environment variable.
    pub fn by_env(&self, env: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.env == env)
    }

    /// True when settings stand below `path`.
    pub(crate) fn is_section(&self, path: &str) -> bool {
        self.sections().any(|section| section == path)
    }

    /// Every table of the file: `gateway`, `gateway.rate_limit`.
    pub(crate) fn sections(&self) -> impl Iterator<Item = &str> {
        self.settings
            .iter()
            .flat_map(|s| s.path.match_indices('.').map(|(end, _)| &s.path[..end]))
    }

    /// The JSON schema (draft 2020-12), for editors and `orrery config --schema`.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Whether the type is fit for settings. Each settings type has a test that calls it.
    pub fn check(&self) -> Result<(), CatalogError> {
        let mut by_env = BTreeMap::new();
        for setting in &self.settings {
            let path = &setting.path;
            if let Some(first) = by_env.insert(&setting.env, path) {
                let (env, first, second) = (setting.env.clone(), first.clone(), path.clone());
                return Err(CatalogError::AmbiguousEnv { env, first, second });
            }
            if setting.doc.is_empty() {
                return Err(CatalogError::Undocumented(path.clone()));
            }
            if setting.kind == Kind::Unsupported {
                return Err(CatalogError::Unsupported(path.clone()));
            }
            if setting.secret && setting.default.is_some() {
                return Err(CatalogError::BuiltInSecret(path.clone()));
            }
            if setting
                .default
                .clone()
                .is_some_and(|value| setting.kind.accept(value).is_err())
            {
                return Err(CatalogError::BadDefault(path.clone()));
            }
        }
        Ok(())
    }

    /// The settings as Markdown tables, one a top-level section. The docs hold this text, generated.
    pub fn markdown(&self) -> String {
        let mut sections: Vec<(&str, Vec<&Setting>)> = Vec::new();
        for setting in &self.settings {
            let section = setting.path.split_once('.').map_or("", |(section, _)| section);
            match sections.iter_mut().find(|(name, _)| *name == section) {
                Some((_, settings)) => settings.push(setting),
                None => sections.push((section, vec![setting])),
            }
        }
        sections.sort_by_key(|(name, _)| !name.is_empty());
        let mut text = String::new();
        for (name, settings) in sections {
            if !name.is_empty() {
                let _ = writeln!(text, "## `[{name}]`\n");
            }
            text.push_str(
                "| setting | environment | value | default | what it does |\n|---|---|---|---|---|\n",
            );
            for setting in settings {
                text.push_str(&row(setting));
            }
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }
}

fn row(setting: &Setting) -> String {
    let default = match &setting.default {
        _ if setting.secret => "unset (secret)".to_owned(),
        None => "unset".to_owned(),
        Some(value) => format!("`{}`", shown(value)),
    };
    let cell = |text: &str| text.replace('|', "\\|");
    let Setting {
        path, env, kind, doc, ..
    } = setting;
    format!(
        "| `{path}` | `{env}` | {} | {} | {} |\n",
        cell(&kind.to_string()),
        cell(&default),
        cell(doc)
    )
}

/// A value as a person would write it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => without_password(text),
        other => other.to_string(),
    }
}

/// The built-in values as JSON. A default that does not serialize counts as having no values.
pub(crate) fn defaults_of<T: Serialize + Default>() -> Value {
    serde_json::to_value(T::default()).unwrap_or(Value::Null)
}

fn setting(leaf: Leaf, defaults: &Value) -> Setting {
    let default = at(defaults, &leaf.path).filter(|value| !value.is_null());
    let default = default
        .filter(|value| !(leaf.secret && value.as_str() == Some("")))
        .cloned();
    let env = format!(
        "{ENV_PREFIX}{}",
        leaf.path.replace(['.', '-'], "_").to_uppercase()
    );
    let Leaf {
        path,
        doc,
        kind,
        optional,
        secret,
    } = leaf;
    Setting {
        path,
        env,
        kind,
        default,
        doc,
        secret,
        optional,
    }
}
