//! Texts with places that each arrival fills in: `/v1/links/{{captured.code}}`.

use std::fmt::{self, Write as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// What may stand in a path as it is.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What a place is filled with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// The rank of the key that is asked for, from 0.
    Key,
    /// The number of the session, from 0.
    Session,
    /// The number of the arrival, from 0; in the setup, of the request.
    Index,
    /// A text that no other run has: ids made of it never meet.
    Run,
    /// What was taken from an answer under this name.
    Captured(String),
    /// What the run was given under this name.
    Given(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Variable),
}

/// A text with places.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    parts: Vec<Part>,
}

/// How what is filled in becomes part of its surroundings.
#[derive(Debug, Clone, Copy)]
pub(super) enum Escape {
    None,
    Path,
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .ok_or_else(|| format!("`{text}`: a `{{{{` without its `}}}}`"))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Place(variable(name.trim())?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }
}

fn variable(name: &str) -> Result<Variable, String> {
    match name {
        "key" => Ok(Variable::Key),
        "session" => Ok(Variable::Session),
        "index" => Ok(Variable::Index),
        "run" => Ok(Variable::Run),
        _ => {
            let after = |prefix| name.strip_prefix(prefix).filter(|name: &&str| !name.is_empty());
            let captured = after("captured.").map(|name| Variable::Captured(name.to_owned()));
            captured
                .or(after("given.").map(|name| Variable::Given(name.to_owned())))
                .ok_or_else(|| {
                    format!(
                        "`{{{{{name}}}}}` is no variable; there are key, session, index, run, captured.NAME and given.NAME"
                    )
                })
        }
    }
}

impl Template {
    /// Nothing but this text.
    pub(super) fn text(text: &str) -> Self {
        Self {
            parts: vec![Part::Text(text.to_owned())],
        }
    }

    /// The variables it uses.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.parts.iter().filter_map(|part| match part {
            Part::Place(variable) => Some(variable),
            Part::Text(_) => None,
        })
    }

    /// The text with its places filled in.
    pub(super) fn render(&self, escape: Escape, values: &dyn Fn(&Variable) -> String) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match (part, escape) {
                (Part::Text(part), _) => text.push_str(part),
                (Part::Place(variable), Escape::None) => text.push_str(&values(variable)),
                (Part::Place(variable), Escape::Path) => {
                    let value = values(variable);
                    let _ = write!(text, "{}", utf8_percent_encode(&value, IN_PATH));
                }
            }
        }
        text
    }
}

impl fmt::Display for Template {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => write!(out, "{text}")?,
                Part::Place(Variable::Key) => write!(out, "{{{{key}}}}")?,
                Part::Place(Variable::Session) => write!(out, "{{{{session}}}}")?,
                Part::Place(Variable::Index) => write!(out, "{{{{index}}}}")?,
                Part::Place(Variable::Run) => write!(out, "{{{{run}}}}")?,
                Part::Place(Variable::Captured(name)) => write!(out, "{{{{captured.{name}}}}}")?,
                Part::Place(Variable::Given(name)) => write!(out, "{{{{given.{name}}}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Result<Template, String> {
        Template::try_from(text.to_owned())
    }

    #[test]
    fn places_are_filled_in_and_a_path_stays_one() {
        let template = template("/v1/{{ captured.code }}/{{key}}?i={{index}}").unwrap();
        let values = |variable: &Variable| match variable {
            Variable::Captured(_) => "a/b c".to_owned(),
            Variable::Key => "7".to_owned(),
            _ => "9".to_owned(),
        };
        assert_eq!(template.render(Escape::Path, &values), "/v1/a%2Fb%20c/7?i=9");
        assert_eq!(template.render(Escape::None, &values), "/v1/a/b c/7?i=9");
        assert_eq!(template.to_string(), "/v1/{{captured.code}}/{{key}}?i={{index}}");
    }

    #[test]
    fn an_unknown_variable_and_an_open_brace_are_named() {
        assert!(
            template("{{kee}}")
                .unwrap_err()
                .contains("`{{kee}}` is no variable")
        );
        assert!(template("{{captured.}}").unwrap_err().contains("no variable"));
        assert!(template("a{{key").unwrap_err().contains("without its"));
        assert_eq!(template("plain").unwrap().variables().count(), 0);
    }
}
