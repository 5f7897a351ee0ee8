//! A switch that a part of the platform has itself: the processor, which stands for somebody else's, lies when it is told to.

use std::collections::BTreeMap;

use load::{HttpClient, HttpSettings};
use serde::Deserialize;

use crate::DrillError;

/// A switch, thrown and thrown back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Whose.
    pub role: String,
    /// What it does, in words.
    pub what: String,
    /// Throws it.
    pub on: Switch,
    /// Throws it back, once it has lasted; without it, it stays.
    #[serde(default)]
    pub off: Option<Switch>,
}

/// One request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// Fields of the head.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What is sent, as JSON.
    #[serde(default)]
    pub body: Option<serde_json::Value>,
}

impl Switch {
    /// Throws it at a role; anything but a success is an error, for a drill never strikes less than its file says.
    pub(crate) async fn throw(&self, role: &str, api_port: u16) -> Result<(), DrillError> {
        let refused = |reason: String| DrillError::Unobserved {
            what: format!("{} {} of {role}", self.method, self.path),
            reason,
        };
        let client = HttpClient::new(&format!("http://127.0.0.1:{api_port}"), HttpSettings::default())
            .map_err(|error| DrillError::Load(error.to_string()))?;
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(&self.path)
            .header("content-type", "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = self.body.as_ref().map(ToString::to_string).unwrap_or_default();
        let request = request.body(body).map_err(|error| refused(error.to_string()))?;
        let answer = client
            .send(request)
            .await
            .map_err(|error| refused(error.to_string()))?;
        if answer.status.is_success() {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            Err(refused(format!("{}: {said}", answer.status)))
        }
    }
}
