//! What a process counts.

use testkit::http::get;
use testkit::platform::Platform;

/// The value of a shortener's metric, by its name and labels as they stand in `/metrics`.
pub(crate) async fn of_shortener(shortener: &Platform, metric: &str) -> Option<f64> {
    let answer = get(format!("{}/metrics", shortener.admin_url(2))).send().await;
    let text = answer.text();
    let line = text.lines().find(|line| line.starts_with(metric))?;
    line.rsplit(' ').next()?.parse().ok()
}
