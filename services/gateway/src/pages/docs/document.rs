//! As much of OpenAPI 3.1 as is shown. What a document does not have is empty here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(super) struct OpenApi {
    pub(super) info: Info,
    #[serde(default)]
    pub(super) paths: BTreeMap<String, PathItem>,
    #[serde(default)]
    pub(super) components: Components,
    #[serde(default)]
    pub(super) tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Info {
    pub(super) title: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) version: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tag {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Components {
    #[serde(default)]
    pub(super) schemas: BTreeMap<String, Value>,
}

/// The operations of a path, in the order in which they are shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PathItem {
    get: Option<Operation>,
    head: Option<Operation>,
    post: Option<Operation>,
    put: Option<Operation>,
    patch: Option<Operation>,
    delete: Option<Operation>,
}

impl PathItem {
    fn operations(&self) -> impl Iterator<Item = (&'static str, &Operation)> {
        let all = [
            ("GET", &self.get),
            ("HEAD", &self.head),
            ("POST", &self.post),
            ("PUT", &self.put),
            ("PATCH", &self.patch),
            ("DELETE", &self.delete),
        ];
        all.into_iter()
            .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Operation {
    pub(super) tags: Vec<String>,
    pub(super) summary: String,
    pub(super) description: String,
    #[serde(rename = "operationId")]
    id: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) request_body: Option<RequestBody>,
    pub(super) responses: BTreeMap<String, Response>,
    security: Option<Vec<BTreeMap<String, Vec<String>>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Parameter {
    pub(super) name: String,
    #[serde(rename = "in")]
    pub(super) place: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) required: bool,
    #[serde(default)]
    pub(super) schema: Value,
    #[serde(default)]
    pub(super) example: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RequestBody {
    pub(super) description: String,
    pub(super) content: BTreeMap<String, Media>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Media {
    pub(super) schema: Value,
    pub(super) example: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Response {
    pub(super) description: String,
    pub(super) headers: BTreeMap<String, Header>,
    pub(super) content: BTreeMap<String, Media>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    pub(super) description: String,
}

/// One operation with where it is found.
pub(super) struct Call<'a> {
    pub(super) method: &'static str,
    pub(super) path: &'a str,
    pub(super) operation: &'a Operation,
}

impl OpenApi {
    /// All operations: in the order of the document's tags, in each by path.
    pub(super) fn calls(&self) -> Vec<Call<'_>> {
        let mut calls: Vec<Call<'_>> = self
            .paths
            .iter()
            .flat_map(|(path, item)| {
                item.operations().map(|(method, operation)| Call {
                    method,
                    path,
                    operation,
                })
            })
            .collect();
        let place = |call: &Call<'_>| {
            let of = |name: &String| self.tags.iter().position(|tag| tag.name == *name);
            call.operation.tags.first().and_then(of).unwrap_or(usize::MAX)
        };
        calls.sort_by_key(place);
        calls
    }
}

impl Call<'_> {
    /// What links and headings name it by.
    pub(super) fn id(&self) -> String {
        let id = &self.operation.id;
        if id.is_empty() {
            slug(&format!("{}{}", self.method, self.path))
        } else {
            slug(id)
        }
    }

    /// The heading of its group; empty if it belongs to none.
    pub(super) fn group(&self) -> &str {
        self.operation.tags.first().map_or("", String::as_str)
    }

    /// What it does, in a few words; where there are none, its path has to do.
    pub(super) fn summary(&self) -> &str {
        let summary = self.operation.summary.trim_end_matches('.');
        if summary.is_empty() { self.path } else { summary }
    }

    /// The scopes of the token that it needs; `None` if it can do without one.
    pub(super) fn scopes(&self) -> Option<Vec<&str>> {
        let security = self.operation.security.as_ref()?;
        if security.is_empty() || security.iter().any(BTreeMap::is_empty) {
            return None;
        }
        let scopes = security.iter().flat_map(|one| one.values().flatten());
        Some(scopes.map(String::as_str).collect())
    }
}

/// Letters, digits and dashes, so that it can stand in an address.
pub(super) fn slug(text: &str) -> String {
    let plain = text.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    });
    plain.collect()
}
