//! Offers `GET URL` at a constant rate and prints one line of JSON: for `cargo xtask bench`, which compares what two servers make of
//! the same load.
//!
//! `offered URL PER_SECOND SECONDS [TOKEN BODY]`: with a body it posts instead, each time under an `Idempotency-Key` of its own; `{n}` and
//! `{m}` in the body are two different numbers from 1 to 1,000.
//!
//! Each connection has a schedule of its own, and an answer is timed from when its request was due: a slow one makes the next late, and
//! that counts. A `GET` is waited for spinning, where [`load::run`] sleeps, for a timer's millisecond is longer than what is measured; a
//! post, which waits for disks, sleeps and leaves the core to the server. It reads of HTTP no more than these answers need. How late it was itself, with the connection free, it tells too: the figures are as fine as that.

use std::borrow::Cow;
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

/// What a connection sends.
enum Request {
    /// The same again and again.
    Get(Vec<u8>),
    /// Up to the key, and the body.
    Post { head: String, body: String },
}

impl Request {
    /// The bytes of a connection's `number`th request.
    fn bytes(&self, connection: u32, number: u32) -> Cow<'_, [u8]> {
        match self {
            Self::Get(bytes) => Cow::Borrowed(bytes),
            Self::Post { head, body } => {
                let place = connection
                    .wrapping_mul(7_919)
                    .wrapping_add(number.wrapping_mul(104_729))
                    % 1_000;
                let (n, m) = (place + 1, (place + 500) % 1_000 + 1);
                let body = body.replace("{n}", &n.to_string()).replace("{m}", &m.to_string());
                let key = std::process::id();
                let text = format!(
                    "{head}Idempotency-Key: offered-{key}-{connection}-{number}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                Cow::Owned(text.into_bytes())
            }
        }
    }
}

/// What came of them.
#[derive(Default)]
struct Tally {
    succeeded: u64,
    latencies: Latencies,
    own: Latencies,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.latencies.add(&other.latencies);
        self.own.add(&other.own);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(per_second), Some(seconds)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("offered URL PER_SECOND SECONDS [TOKEN BODY]".into());
    };
    let rest = url
        .strip_prefix("http://")
        .ok_or("a URL that begins with http://")?;
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let posted = arguments.next().zip(arguments.next());
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
        let request = match &posted {
            None => Request::Get(
                format!(
                    "GET /{path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {BROWSER}\r\nX-Forwarded-For: 203.0.113.{number}\r\n\
                     Referer: https://news.example/today\r\n\r\n"
                )
                .into_bytes(),
            ),
            Some((token, body)) => Request::Post {
                head: format!(
                    "POST /{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
                ),
                body: body.clone(),
            },
        };
        let (stream, clock) = (TcpStream::connect(address).await?, clock.clone());
        stream.set_nodelay(true)?;
        connections.spawn(async move { offer(stream, &request, number, schedule, &clock).await });
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
        tally.succeeded,
        offered - tally.succeeded,
        tally.latencies.quantile(0.5).as_micros(),
        tally.latencies.quantile(0.99).as_micros(),
        tally.own.quantile(0.99).as_micros(),
    );
    Ok(())
}

/// Until the schedule is done or the connection breaks: what is left then is not answered.
async fn offer(
    mut stream: TcpStream,
    request: &Request,
    connection: u32,
    schedule: Schedule,
    clock: &SharedClock,
) -> Tally {
    let mut tally = Tally::default();
    for number in 0..schedule.count {
        let due = schedule.first + schedule.every * number;
        let mut now = clock.monotonic();
        let was_free = now < due;
        while now < due {
            match request {
                Request::Get(_) => tokio::task::yield_now().await,
                Request::Post { .. } => tokio::time::sleep(due.saturating_sub(now)).await,
            }
            now = clock.monotonic();
        }
        if was_free {
            tally.own.record(now.saturating_sub(due));
        }
        let bytes = request.bytes(connection, number);
        match succeeded(&mut stream, &bytes).await {
            Ok(succeeded) => tally.succeeded += u64::from(succeeded),
            Err(_) => break,
        }
        tally.latencies.record(clock.monotonic().saturating_sub(due));
    }
    tally
}

/// Sends one request and reads its answer to the end; whether it leads elsewhere, or did what was asked.
async fn succeeded(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<bool> {
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
            return Ok(matches!(head.get(9..10), Some("2" | "3")));
        }
    }
}
