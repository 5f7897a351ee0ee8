//! Offers `GET URL` at a constant rate, open loop, and prints one line of JSON: for `cargo xtask bench`, which compares what two
//! servers make of the same load.
//!
//! `offered URL PER_SECOND SECONDS`

use std::time::Duration;

use load::{Arrivals, HttpClient, HttpSettings, Plan, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(per_second), Some(seconds)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("offered URL PER_SECOND SECONDS".into());
    };
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let path_at = url[after_scheme..]
        .find('/')
        .map_or(url.len(), |at| at + after_scheme);
    let (origin, path) = (url[..path_at].to_owned(), url[path_at..].to_owned());
    let client = HttpClient::new(&origin, HttpSettings::default())?;
    let plan = Plan {
        arrivals: Arrivals::Constant {
            per_second: per_second.parse()?,
        },
        duration: Duration::from_secs(seconds.parse()?),
        count_max: u64::MAX,
        in_flight_max: 512,
        ..Plan::default()
    };
    let summary = run(plan, &clock::SystemClock::shared(), move |_| {
        let (client, path) = (client.clone(), path.clone());
        async move {
            let answer = client.get(&path).await;
            answer.is_ok_and(|answer| answer.status.is_redirection())
        }
    })
    .await;
    println!(
        r#"{{"succeeded":{},"failed":{},"dropped":{},"p50_us":{},"p99_us":{},"late_us":{}}}"#,
        summary.succeeded,
        summary.failed,
        summary.dropped,
        summary.latencies.quantile(0.5).as_micros(),
        summary.latencies.quantile(0.99).as_micros(),
        summary.lateness_longest.as_micros(),
    );
    Ok(())
}
