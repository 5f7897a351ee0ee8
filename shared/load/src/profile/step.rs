//! One request of a profile.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;

use super::money::{LedgerRule, Repeats};
use super::template::{Escape, Template, Variable};
use crate::http_client::Answer;

/// For whom a step of the setup is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Each {
    /// Once for all.
    Run,
    /// Once a session.
    Session,
    /// Once a key.
    Key,
}

/// A request, and what its sender expects.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What the report calls it.
    pub name: String,
    /// Of a step of the setup: for whom.
    #[serde(default)]
    pub each: Option<Each>,
    /// Of an operation: its share of all arrivals is its weight's share of all weights.
    #[serde(default)]
    pub weight: Option<u32>,
    /// The method.
    #[serde(deserialize_with = "method")]
    pub method: Method,
    /// Path and query.
    pub path: Template,
    /// Fields beside those that follow from the rest.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// What is sent.
    #[serde(default)]
    pub body: Option<Body>,
    /// Whether the run's token goes along.
    #[serde(default = "yes")]
    pub token: bool,
    /// The statuses that count as a success.
    pub expect: Vec<u16>,
    /// The objective that these requests count for.
    #[serde(default)]
    pub objective: Option<String>,
    /// What is taken from a successful answer, by the name under which `{{captured.NAME}}` finds it.
    #[serde(default)]
    pub capture: BTreeMap<String, Source>,
    /// How it is written into the history.
    #[serde(default)]
    pub history: Option<HistoryRule>,
    /// How it is written into a history of money.
    #[serde(default)]
    pub ledger: Option<LedgerRule>,
    /// Of an operation: how its senders repeat it.
    #[serde(default)]
    pub repeats: Option<Repeats>,
}

fn yes() -> bool {
    true
}

fn method<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
    let text = String::deserialize(deserializer)?;
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    match text.parse() {
        Ok(method) if known.contains(&text.as_str()) => Ok(method),
        _ => Err(serde::de::Error::custom(format!(
            "`{text}` is no method; there are {}",
            known.join(", ")
        ))),
    }
}

/// What an operation is in a history.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryRule {
    /// What was asked. The value of `Idempotency-Key`, if it is sent, is the wish that retries share.
    pub kind: history::Kind,
    /// The key that it was asked of.
    #[serde(default)]
    pub key: Option<Template>,
    /// Of a claim that is given its key: where in the answer that stands.
    #[serde(default)]
    pub key_from: Option<Source>,
    /// Of a claim or write: the value that it would write.
    #[serde(default)]
    pub value: Option<Template>,
    /// Of a read or redirect: where in the answer the value stands that was seen.
    #[serde(default)]
    pub seen: Option<Source>,
    /// Of a read or redirect: the statuses that say that the key is absent.
    #[serde(default = "not_found")]
    pub absent: Vec<u16>,
    /// Of a claim, write or delete: the statuses that say that it was judged and not done.
    #[serde(default)]
    pub refused: Vec<u16>,
}

fn not_found() -> Vec<u16> {
    vec![404]
}

/// A place in an answer: `json:/items/0/id` (a JSON pointer) or `header:location`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Source {
    /// A JSON pointer (RFC 6901) into the body.
    Json(String),
    /// A field of the head.
    Header(String),
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("json", pointer)) if pointer.starts_with('/') => Ok(Self::Json(pointer.to_owned())),
            Some(("header", name)) if !name.is_empty() => Ok(Self::Header(name.to_ascii_lowercase())),
            _ => Err(format!(
                "`{text}` is no place in an answer; write json:/POINTER or header:NAME"
            )),
        }
    }
}

impl Source {
    /// What stands there, as text.
    pub(super) fn of(&self, answer: &Answer) -> Option<String> {
        match self {
            Self::Header(name) => answer.header(name.as_str()).map(str::to_owned),
            Self::Json(pointer) => {
                let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
                match body.pointer(pointer)? {
                    serde_json::Value::Null => None,
                    serde_json::Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                }
            }
        }
    }
}

/// What a request sends: JSON, in whose texts places are filled in, or a text as it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub struct Body(Node);

#[derive(Debug, Clone)]
enum Node {
    Plain(serde_json::Value),
    Text(Template),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl TryFrom<serde_json::Value> for Body {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        node(value).map(Self)
    }
}

fn node(value: serde_json::Value) -> Result<Node, String> {
    use serde_json::Value;
    Ok(match value {
        Value::String(text) => Node::Text(Template::try_from(text)?),
        Value::Array(items) => Node::List(items.into_iter().map(node).collect::<Result<_, _>>()?),
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, value)| node(value).map(|node| (name, node)));
            Node::Object(fields.collect::<Result<_, _>>()?)
        }
        plain => Node::Plain(plain),
    })
}

impl Node {
    fn render(&self, values: &dyn Fn(&Variable) -> String) -> serde_json::Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Text(template) => template.render(Escape::None, values).into(),
            Self::List(items) => items.iter().map(|item| item.render(values)).collect(),
            Self::Object(fields) => fields
                .iter()
                .map(|(name, value)| (name.clone(), value.render(values)))
                .collect(),
        }
    }

    fn templates<'a>(&'a self, into: &mut Vec<&'a Template>) {
        match self {
            Self::Plain(_) => {}
            Self::Text(template) => into.push(template),
            Self::List(items) => items.iter().for_each(|item| item.templates(into)),
            Self::Object(fields) => fields.iter().for_each(|(_, value)| value.templates(into)),
        }
    }
}

impl Body {
    /// The bytes to send.
    pub(super) fn render(&self, values: &dyn Fn(&Variable) -> String) -> String {
        match self.0.render(values) {
            serde_json::Value::String(text) => text,
            json => json.to_string(),
        }
    }

    /// The media type of what is sent, unless a header says otherwise.
    pub(super) fn media_type(&self) -> &'static str {
        if matches!(self.0, Node::Text(_)) {
            "text/plain"
        } else {
            "application/json"
        }
    }
}

impl Step {
    /// Every text with places that it has.
    pub(super) fn templates(&self) -> Vec<&Template> {
        let mut all = vec![&self.path];
        all.extend(self.headers.values());
        if let Some(body) = &self.body {
            body.0.templates(&mut all);
        }
        if let Some(history) = &self.history {
            all.extend(history.key.iter().chain(&history.value));
        }
        all.extend(self.ledger.iter().flat_map(LedgerRule::templates));
        all
    }

    /// Statuses that are no success and as expected all the same.
    pub(super) fn refused(&self) -> &[u16] {
        self.ledger.as_ref().map_or(&[], |rule| &rule.refused)
    }

    /// The value of its `Idempotency-Key`.
    pub(super) fn intent(&self) -> Option<&Template> {
        let named = |(name, _): &(&String, &Template)| name.eq_ignore_ascii_case("idempotency-key");
        self.headers.iter().find(named).map(|(_, value)| value)
    }
}
