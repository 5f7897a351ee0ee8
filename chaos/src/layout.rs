//! `platform.yaml`: which roles there are, and what each is told. Data, so that the runner knows no service.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::DrillError;

const FILE: &str = "chaos/platform.yaml";
const TEXT: &str = include_str!("../platform.yaml");

/// The platform that drills start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layout {
    /// In the order of starting.
    pub(crate) roles: Vec<RoleLayout>,
    /// The role that clients come in by.
    pub(crate) entry: String,
    /// The role that signs tokens.
    pub(crate) issuer: String,
}

/// One role.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleLayout {
    /// As `orrery serve` calls it.
    pub(crate) name: String,
    /// Its place among the roles: its ports follow from it.
    pub(crate) place: u16,
    /// Whether it is started only where a drill names it.
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// What it is told besides where a drill has that engine or role.
    #[serde(default)]
    with: BTreeMap<String, BTreeMap<String, String>>,
}

impl Layout {
    /// The one in this checkout.
    pub(crate) fn committed() -> Result<Self, DrillError> {
        serde_saphyr::from_str(TEXT).map_err(|error| DrillError::Malformed {
            file: FILE.to_owned(),
            reason: error.to_string(),
        })
    }

    /// With the roles that always run and these; one that is not known is an error.
    pub(crate) fn with(mut self, names: &[String]) -> Result<Self, DrillError> {
        if let Some(name) = names.iter().find(|name| !self.has_role(name)) {
            return Err(DrillError::Malformed {
                file: FILE.to_owned(),
                reason: format!("a drill asks for the role `{name}`, which is not there"),
            });
        }
        self.roles
            .retain(|role| !role.optional || names.contains(&role.name));
        Ok(self)
    }

    pub(crate) fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.name == name)
    }
}

impl RoleLayout {
    /// Its API's port, seen from a base: the gateway's is the base itself.
    pub(crate) fn api_port(&self, base: u16) -> u16 {
        if self.place == 0 {
            base
        } else {
            base + 10 + 2 * self.place
        }
    }

    /// The port of `/readyz` and `/metrics`.
    pub(crate) fn admin_port(&self, base: u16) -> u16 {
        base + 11 + 2 * self.place
    }

    /// What it is told in a drill with these engines and roles; every `{{name}}` is filled in.
    pub(crate) fn environment(
        &self,
        there: &[String],
        names: &BTreeMap<String, String>,
    ) -> Result<Vec<(String, String)>, DrillError> {
        let beside = there.iter().filter_map(|name| self.with.get(name)).flatten();
        self.environment
            .iter()
            .chain(beside)
            .map(|(variable, template)| Ok((variable.clone(), filled(template, names)?)))
            .collect()
    }
}

fn filled(template: &str, names: &BTreeMap<String, String>) -> Result<String, DrillError> {
    let mut text = template.to_owned();
    for (name, value) in names {
        text = text.replace(&format!("{{{{{name}}}}}"), value);
    }
    if text.contains("{{") {
        return Err(DrillError::Malformed {
            file: FILE.to_owned(),
            reason: format!("`{template}` names something that this drill does not have"),
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_layout_names_its_entry_and_its_issuer() {
        let layout = Layout::committed().unwrap();
        assert!(layout.has_role(&layout.entry) && layout.has_role(&layout.issuer));
    }

    #[test]
    fn a_role_that_not_every_drill_needs_runs_where_it_is_named() {
        let layout = || Layout::committed().unwrap();
        assert!(!layout().with(&[]).unwrap().has_role("payment"));
        let named = layout().with(&["payment".to_owned()]).unwrap();
        assert!(named.has_role("payment") && named.has_role(&named.entry));
        assert!(layout().with(&["paiment".to_owned()]).is_err());
    }

    #[test]
    fn an_engine_that_a_drill_does_not_have_is_not_told_of() {
        let layout = Layout::committed().unwrap();
        let names: BTreeMap<String, String> = ["entry", "issuer", "shortener", "folder", "redis", "name"]
            .map(|name| (name.to_owned(), format!("<{name}>")))
            .into();
        let role = layout.roles.iter().find(|role| role.name == "shortener").unwrap();
        let told = |engines: &[&str]| {
            let engines: Vec<String> = engines.iter().map(|name| (*name).to_owned()).collect();
            role.environment(&engines, &names)
        };
        let plain = told(&[]).unwrap();
        let with_redis = told(&["redis"]).unwrap();
        assert_eq!(with_redis.len(), plain.len() + 1);
        assert!(
            with_redis
                .iter()
                .any(|(_, value)| value == "redis://<redis>/0?prefix=<name>")
        );
        assert_eq!(told(&["cql"]).unwrap_err().code(), "drill_malformed");
    }
}
