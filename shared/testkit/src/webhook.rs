//! Whoever Alertmanager tells: a webhook inside the test, and what it was told as plain data.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// One alert in a message of Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which receiver of its configuration it was for.
    pub receiver: String,
    /// `firing` or `resolved`.
    pub status: String,
    /// The alert's labels, `alertname` among them.
    pub labels: BTreeMap<String, String>,
    /// The alert's annotations.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Inbox {
    notices: Mutex<Vec<Notice>>,
    arrived: Notify,
}

/// The webhook. It ends when it is dropped.
#[derive(Debug)]
pub struct Webhook {
    inbox: Arc<Inbox>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Webhook {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Panics
    /// When no port is to be had: the test cannot go on.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let inbox = Arc::new(Inbox::default());
        let router = axum::Router::new()
            .route("/alerts", axum::routing::post(take))
            .with_state(Arc::clone(&inbox));
        let server = tokio::spawn(async move {
            // It ends with the test.
            _ = axum::serve(listener, router).await;
        });
        Self {
            inbox,
            address,
            server,
        }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}/alerts", self.address)
    }

    /// Everything it was told so far, in the order of arrival.
    pub fn notices(&self) -> Vec<Notice> {
        self.inbox.lock().clone()
    }

    /// Waits for a notice like this one; all that came instead, when the time is up, is the error.
    ///
    /// # Errors
    /// All that came.
    pub async fn wait_for(
        &self,
        within: Duration,
        is_it: impl Fn(&Notice) -> bool,
    ) -> Result<Notice, Vec<Notice>> {
        let waited = timeout(within, async {
            loop {
                // Listened for before the look, so that none slips in between.
                let arrived = self.inbox.arrived.notified();
                let found = self.inbox.lock().iter().find(|notice| is_it(notice)).cloned();
                match found {
                    Some(notice) => return notice,
                    None => arrived.await,
                }
            }
        });
        waited.await.map_err(|_| self.notices())
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Vec<Notice>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take(State(inbox): State<Arc<Inbox>>, body: Bytes) -> StatusCode {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    inbox.lock().extend(notices(&message));
    // Kept for whoever is just about to wait.
    inbox.arrived.notify_one();
    StatusCode::OK
}

fn notices(message: &Value) -> Vec<Notice> {
    let alerts = message["alerts"].as_array().into_iter().flatten();
    alerts
        .map(|alert| Notice {
            receiver: text(&message["receiver"]),
            status: text(&alert["status"]),
            labels: texts(&alert["labels"]),
            annotations: texts(&alert["annotations"]),
        })
        .collect()
}

fn texts(object: &Value) -> BTreeMap<String, String> {
    let pairs = object.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), text(value))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::post;
    use serde_json::json;

    #[tokio::test]
    async fn what_is_posted_is_told_alert_by_alert() {
        let webhook = Webhook::start().await;
        let message = json!({"receiver": "pages", "status": "firing", "alerts": [
            {"status": "resolved", "labels": {"alertname": "Slow"}, "annotations": {}},
            {"status": "firing", "labels": {"alertname": "Down"}, "annotations": {"runbook": "there"}},
        ]});
        assert_eq!(post(webhook.url(), &message).send().await.status, 200);
        let soon = Duration::from_secs(10);
        let told = webhook.wait_for(soon, |notice| notice.status == "firing").await;
        let told = told.expect("it was told");
        assert_eq!(
            (told.receiver.as_str(), told.labels["alertname"].as_str()),
            ("pages", "Down")
        );
        let never = webhook
            .wait_for(Duration::ZERO, |notice| notice.status == "never")
            .await;
        assert_eq!(never.expect_err("nobody said so").len(), 2);
    }
}
