//! Offers `GET URL` at a constant rate and prints one line of JSON: for `cargo xtask bench`, which compares what two servers make of
//! the same load.
//!
//! `offered URL PER_SECOND SECONDS`
//!
//! Each connection has a schedule of its own, and an answer is timed from when its request was due: a slow one makes the next late, and
//! that counts. It spins where [`load::run`] sleeps, for a timer's millisecond is longer than what is measured, and reads of HTTP no more
//! than these answers need. How late it was itself, with the connection free, it tells too: the figures are as fine as that.

use std::error::Error;
use std::time::Duration;

use clock::{SharedClock, SystemClock};
use load::Latencies;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CONNECTIONS: u32 = 64;
/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 4_096;
/// How long the last answers may take.
const DRAIN: Duration = Duration::from_secs(10);
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";

/// When one connection's requests are due.
#[derive(Clone, Copy)]
struct Schedule {
    first: Duration,
    every: Duration,
    count: u32,
}

/// What came of them.
#[derive(Default)]
struct Tally {
    redirected: u64,
    latencies: Latencies,
    own: Latencies,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.redirected += other.redirected;
        self.latencies.add(&other.latencies);
        self.own.add(&other.own);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(per_second), Some(seconds)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("offered URL PER_SECOND SECONDS".into());
    };
    let rest = url
        .strip_prefix("http://")
        .ok_or("a URL that begins with http://")?;
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (per_second, seconds): (u32, u32) = (per_second.parse()?, seconds.parse()?);
    let clock = SystemClock::shared();
    let every = Duration::from_secs(1) * CONNECTIONS / per_second.max(1);
    let start = clock.monotonic() + Duration::from_millis(100);
    let mut connections = JoinSet::new();
    for number in 0..CONNECTIONS {
        let schedule = Schedule {
            first: start + every * number / CONNECTIONS,
            every,
            count: per_second * seconds / CONNECTIONS,
        };
        let request = format!(
            "GET /{path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {BROWSER}\r\nX-Forwarded-For: 203.0.113.{number}\r\n\
             Referer: https://news.example/today\r\n\r\n"
        );
        let (stream, clock) = (TcpStream::connect(address).await?, clock.clone());
        stream.set_nodelay(true)?;
        connections.spawn(async move { offer(stream, request.as_bytes(), schedule, &clock).await });
    }
    let offered = u64::from(per_second * seconds / CONNECTIONS * CONNECTIONS);
    let within = Duration::from_secs(seconds.into()) + DRAIN;
    let mut tally = Tally::default();
    let all = async {
        while let Some(done) = connections.join_next().await {
            if let Ok(done) = done {
                tally.add(&done);
            }
        }
    };
    // Whatever has not answered by then has failed.
    let _ = tokio::time::timeout(within, all).await;
    println!(
        r#"{{"succeeded":{},"failed":{},"p50_us":{},"p99_us":{},"own_p99_us":{}}}"#,
        tally.redirected,
        offered - tally.redirected,
        tally.latencies.quantile(0.5).as_micros(),
        tally.latencies.quantile(0.99).as_micros(),
        tally.own.quantile(0.99).as_micros(),
    );
    Ok(())
}

/// Until the schedule is done or the connection breaks: what is left then is not answered.
async fn offer(mut stream: TcpStream, request: &[u8], schedule: Schedule, clock: &SharedClock) -> Tally {
    let mut tally = Tally::default();
    for number in 0..schedule.count {
        let due = schedule.first + schedule.every * number;
        let mut now = clock.monotonic();
        let was_free = now < due;
        while now < due {
            tokio::task::yield_now().await;
            now = clock.monotonic();
        }
        if was_free {
            tally.own.record(now.saturating_sub(due));
        }
        match redirected(&mut stream, request).await {
            Ok(redirected) => tally.redirected += u64::from(redirected),
            Err(_) => break,
        }
        tally.latencies.record(clock.monotonic().saturating_sub(due));
    }
    tally
}

/// Sends one request and reads its answer to the end; whether it leads elsewhere.
async fn redirected(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<bool> {
    stream.write_all(request).await?;
    let mut buffer = [0; ANSWER_BYTES_MAX];
    let mut length = 0;
    loop {
        let read = stream.read(&mut buffer[length..]).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        length += read;
        let Some(end) = buffer[..length].windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]);
        let body = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        if length >= end + 4 + body.unwrap_or_default() {
            return Ok(head.get(9..10) == Some("3"));
        }
    }
}
