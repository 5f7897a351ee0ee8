//! Whether an engine answers in its own protocol: a port that listens says nothing yet.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Kind;

/// The longest answer looked at.
const ANSWER_MAX: u64 = 64 * 1024;

/// What an engine said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It works; its version.
    Ready(String),
    /// It is there and not ready yet: what it said instead.
    NotYet(String),
}

/// Asks once; `within` bounds the connect and each read.
///
/// # Errors
/// When nothing listens there, the connection is lost, or nothing is said in time.
pub fn ask(kind: Kind, address: SocketAddr, within: Duration) -> io::Result<Answer> {
    let stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    let mut talk = Talk {
        reader: BufReader::new(stream.try_clone()?.take(ANSWER_MAX)),
        stream,
    };
    match kind {
        Kind::Postgres => postgres(&mut talk),
        Kind::Redis => redis(&mut talk),
        Kind::Nats => Ok(nats_info(&talk.line()?)),
        Kind::Cql => cql(&mut talk),
    }
}

/// Both directions of one connection.
struct Talk {
    stream: TcpStream,
    reader: BufReader<io::Take<TcpStream>>,
}

impl Talk {
    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn body(&mut self, length: u32) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        let read = (&mut self.reader)
            .take(u64::from(length))
            .read_to_end(&mut body)?;
        if u64::try_from(read).is_ok_and(|read| read == u64::from(length)) {
            Ok(body)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// A session as `orrery`: only a server that takes it says its parameters and then `Z`; one that starts up says `E`.
fn postgres(talk: &mut Talk) -> io::Result<Answer> {
    // Its length, protocol 3.0, and the parameters.
    talk.say(b"\0\0\0\x25\0\x03\0\0user\0orrery\0database\0orrery\0\0")?;
    let mut version = String::new();
    loop {
        let [kind] = talk.bytes()?;
        let length = u32::from_be_bytes(talk.bytes()?);
        let body = talk.body(length.saturating_sub(4))?;
        let text = String::from_utf8_lossy(&body);
        match kind {
            b'S' => {
                if let Some(found) = text.strip_prefix("server_version\0") {
                    found.trim_end_matches('\0').clone_into(&mut version);
                }
            }
            b'E' => return Ok(Answer::NotYet(text.replace('\0', " "))),
            b'Z' => {
                // Terminate: else its log speaks of a lost client.
                talk.say(b"X\0\0\0\x04")?;
                return Ok(Answer::Ready(format!("PostgreSQL {version}")));
            }
            _ => {}
        }
    }
}

fn redis(talk: &mut Talk) -> io::Result<Answer> {
    talk.say(b"PING\r\nINFO server\r\n")?;
    let pong = talk.line()?;
    if pong != "+PONG" {
        return Ok(Answer::NotYet(pong));
    }
    let length = talk.line()?;
    let length = length.trim_start_matches('$').parse().unwrap_or(0);
    let info = talk.body(length)?;
    let info = String::from_utf8_lossy(&info);
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    Ok(Answer::Ready(format!("Redis {}", version.unwrap_or("?"))))
}

/// The line with which NATS greets.
fn nats_info(line: &str) -> Answer {
    let info = line
        .strip_prefix("INFO ")
        .and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok());
    match info {
        Some(info) if info["jetstream"] == true => {
            Answer::Ready(format!("NATS {}", info["version"].as_str().unwrap_or("?")))
        }
        _ => Answer::NotYet(format!("no JetStream: {line}")),
    }
}

/// OPTIONS of protocol 4 tells who it is, STARTUP whether it takes clients, a query its version.
fn cql(talk: &mut Talk) -> io::Result<Answer> {
    talk.say(b"\x04\0\0\0\x05\0\0\0\0")?;
    let (_, supported) = cql_frame(talk)?;
    let scylla = supported.windows(7).any(|word| word == b"SCYLLA_");
    talk.say(b"\x04\0\0\0\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0")?;
    let (opcode, _) = cql_frame(talk)?;
    if opcode == 3 {
        // AUTHENTICATE: it takes clients, and strangers are told nothing.
        return Ok(Answer::Ready("CQL with authentication".to_owned()));
    }
    let query = b"SELECT release_version FROM system.local";
    let mut request = b"\x04\0\0\0\x07\0\0\0\x2f\0\0\0\x28".to_vec();
    request.extend_from_slice(query);
    request.extend_from_slice(b"\0\x01\0");
    talk.say(&request)?;
    let (opcode, result) = cql_frame(talk)?;
    if opcode != 8 {
        return Ok(Answer::NotYet(String::from_utf8_lossy(&result).into_owned()));
    }
    // The one column of the one row ends the answer: its length and its text.
    let text = String::from_utf8_lossy(&result);
    let version = text.rsplit(|c: char| !c.is_ascii_graphic()).next().unwrap_or("?");
    Ok(Answer::Ready(if scylla {
        "ScyllaDB".to_owned()
    } else {
        format!("Cassandra {version}")
    }))
}

/// An answer's opcode and body.
fn cql_frame(talk: &mut Talk) -> io::Result<(u8, Vec<u8>)> {
    let [_, _, _, _, opcode, a, b, c, d] = talk.bytes()?;
    let body = talk.body(u32::from_be_bytes([a, b, c, d]))?;
    Ok((opcode, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    const SOON: Duration = Duration::from_secs(10);

    /// A server that says one thing to whoever comes, and listens to nothing.
    fn says(what: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.write_all(what).expect("said");
            // Until the client has gone, so that it can read in peace.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        address
    }

    #[test]
    fn each_engine_answers_with_its_version() {
        let ready = |kind, said| match ask(kind, says(said), SOON) {
            Ok(Answer::Ready(version)) => version,
            other => panic!("{kind:?}: {other:?}"),
        };
        let postgres = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0015.7\0Z\0\0\0\x05I";
        assert_eq!(ready(Kind::Postgres, postgres), "PostgreSQL 15.7");
        let redis = b"+PONG\r\n$19\r\nredis_version:7.0\r\n\r\n";
        assert_eq!(ready(Kind::Redis, redis), "Redis 7.0");
        let nats = b"INFO {\"version\":\"2.15.1\",\"jetstream\":true}\r\n";
        assert_eq!(ready(Kind::Nats, nats), "NATS 2.15.1");
        let cql = b"\x84\0\0\0\x06\0\0\0\0\x84\0\0\0\x02\0\0\0\0\x84\0\0\0\x08\0\0\0\x09\0\0\0\x055.0.9";
        assert_eq!(ready(Kind::Cql, cql), "Cassandra 5.0.9");
    }

    #[test]
    fn an_engine_that_starts_up_is_not_ready() {
        let not_yet = |kind, said| matches!(ask(kind, says(said), SOON), Ok(Answer::NotYet(_)));
        assert!(not_yet(Kind::Postgres, b"E\0\0\0\x0bSFATAL\0"));
        assert!(not_yet(Kind::Redis, b"-LOADING\r\n"));
        assert!(not_yet(Kind::Nats, b"INFO {\"version\":\"2.15.1\"}\r\n"));
    }

    #[test]
    fn silence_is_an_error_within_the_time_given() {
        for kind in Kind::ALL {
            let silent = ask(kind, says(b""), Duration::from_millis(50));
            assert!(silent.is_err(), "{kind:?}: {silent:?}");
        }
    }
}
