//! What watches the platform and is no engine of it: Prometheus and Alertmanager.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::{Answer, checkout};

/// The longest answer looked at.
const ANSWER_MAX: u64 = 64 * 1024;

/// A program that watches the platform. No role and no test of an engine needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Watcher {
    /// Prometheus: scrapes the roles and evaluates the rules.
    Prometheus,
    /// Alertmanager: tells people.
    Alertmanager,
}

impl Watcher {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Prometheus, Self::Alertmanager];

    /// Its name, and its folder below `infra`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Alertmanager => "alertmanager",
        }
    }

    /// Its start script.
    pub fn script(self) -> PathBuf {
        checkout().join("infra").join(self.name()).join("start.sh")
    }

    /// Asks once whether it is ready; `within` bounds the connect and each read.
    ///
    /// # Errors
    /// When nothing listens there, the connection is lost, or nothing is said in time.
    pub fn ask(self, address: SocketAddr, within: Duration) -> io::Result<Answer> {
        let (status, body) = get(address, "/-/ready", within)?;
        if status != 200 {
            return Ok(Answer::NotYet(format!("{status}: {}", body.trim())));
        }
        let (name, path, version) = match self {
            Self::Prometheus => ("Prometheus", "/api/v1/status/buildinfo", "/data/version"),
            Self::Alertmanager => ("Alertmanager", "/api/v2/status", "/versionInfo/version"),
        };
        let (_, told) = get(address, path, within)?;
        let told: Value = serde_json::from_str(&told).unwrap_or_default();
        let version = told.pointer(version).and_then(Value::as_str).unwrap_or("?");
        Ok(Answer::Ready(format!("{name} {version}")))
    }
}

/// A GET of a small answer, without chunks: its status and its body.
fn get(address: SocketAddr, path: &str, within: Duration) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    status
        .map(|status| (status, body.to_owned()))
        .ok_or_else(|| io::Error::other("no HTTP answer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    const SOON: Duration = Duration::from_secs(10);

    /// A server that gives these answers in turn.
    fn says(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut request = [0; 512];
                let _ = stream.read(&mut request).expect("a request");
                stream.write_all(answer.as_bytes()).expect("said");
            }
        });
        address
    }

    #[test]
    fn each_watcher_answers_with_its_version() {
        let prometheus = says(&[
            "HTTP/1.0 200 OK\r\n\r\nready",
            "HTTP/1.0 200 OK\r\n\r\n{\"data\":{\"version\":\"2.42.0\"}}",
        ]);
        let said = Watcher::Prometheus.ask(prometheus, SOON).expect("an answer");
        assert_eq!(said, Answer::Ready("Prometheus 2.42.0".to_owned()));
        let alertmanager = says(&[
            "HTTP/1.0 200 OK\r\n\r\nOK",
            "HTTP/1.0 200 OK\r\n\r\n{\"versionInfo\":{\"version\":\"0.25.0\"}}",
        ]);
        let said = Watcher::Alertmanager.ask(alertmanager, SOON).expect("an answer");
        assert_eq!(said, Answer::Ready("Alertmanager 0.25.0".to_owned()));
    }

    #[test]
    fn one_that_reads_its_log_is_not_ready() {
        let address = says(&["HTTP/1.0 503 Service Unavailable\r\n\r\nService Unavailable"]);
        let said = Watcher::Prometheus.ask(address, SOON).expect("an answer");
        assert_eq!(said, Answer::NotYet("503: Service Unavailable".to_owned()));
    }

    #[test]
    fn each_watcher_has_a_start_script() {
        for watcher in Watcher::ALL {
            assert!(watcher.script().is_file(), "{}", watcher.script().display());
        }
    }
}
