//! A look at what is sent over CQL: a proxy that passes everything and remembers the requests (protocol 4, not compressed).
//!
//! ```no_run
//! # async fn demo(engine: std::net::SocketAddr) {
//! let (address, requests) = testkit::cql_wire::record(engine).await;
//! // .. a session at `address` runs its statements ..
//! for sent in requests.of("links") {
//!     assert_eq!(sent.level, 4, "QUORUM: {:?}", sent.texts);
//! }
//! # }
//! ```

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PREPARE: u8 = 0x09;
const EXECUTE: u8 = 0x0A;
const BATCH: u8 = 0x0D;
const RESULT: u8 = 0x08;
const RESULT_PREPARED: u32 = 4;

/// One EXECUTE or BATCH as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The statements' texts.
    pub texts: Vec<String>,
    /// The level, as the protocol numbers them.
    pub level: u16,
    /// The level of the condition.
    pub serial: Option<u16>,
}

/// The requests that passed.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<Mutex<Record>>);

#[derive(Debug, Default)]
struct Record {
    texts: HashMap<Vec<u8>, String>,
    sent: Vec<Sent>,
}

impl Requests {
    /// What was sent since the last look, for statements whose text contains `part`; the rest is forgotten.
    pub fn of(&self, part: &str) -> Vec<Sent> {
        let all = std::mem::take(&mut held(&self.0).sent);
        all.into_iter()
            .filter(|sent| sent.texts.iter().any(|text| text.contains(part)))
            .collect()
    }
}

/// The address of a proxy before `engine`, and what passes it; it lives as long as the runtime.
///
/// # Panics
/// When loopback has no port left.
pub async fn record(engine: SocketAddr) -> (SocketAddr, Requests) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port on loopback");
    let address = listener.local_addr().expect("it is bound");
    let requests = Requests::default();
    let kept = requests.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // Without the engine the client is hung up on.
            let Ok(server) = TcpStream::connect(engine).await else {
                continue;
            };
            let (client_read, client_write) = client.into_split();
            let (server_read, server_write) = server.into_split();
            // Which text is being prepared under which stream number of this connection.
            let preparing = Arc::new(Mutex::new(HashMap::new()));
            let (asked, kept_asked) = (Arc::clone(&preparing), kept.clone());
            tokio::spawn(pass(client_read, server_write, move |frame: &Frame| {
                kept_asked.request(frame, &asked);
            }));
            let kept_answered = kept.clone();
            tokio::spawn(pass(server_read, client_write, move |frame: &Frame| {
                kept_answered.answer(frame, &preparing);
            }));
        }
    });
    (address, requests)
}

struct Frame {
    stream: [u8; 2],
    opcode: u8,
    body: Vec<u8>,
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut see: impl FnMut(&Frame),
) -> std::io::Result<()> {
    loop {
        // Version, flags, stream, opcode, length.
        let mut head = [0; 9];
        from.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut body = vec![0; length as usize];
        from.read_exact(&mut body).await?;
        let frame = Frame {
            stream: [head[2], head[3]],
            opcode: head[4],
            body,
        };
        see(&frame);
        to.write_all(&head).await?;
        to.write_all(&frame.body).await?;
    }
}

type Preparing = Mutex<HashMap<[u8; 2], String>>;

fn held<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Requests {
    fn request(&self, frame: &Frame, preparing: &Preparing) {
        let mut body = Reader(&frame.body);
        let mut record = held(&self.0);
        match frame.opcode {
            PREPARE => {
                let length = body.u32() as usize;
                let text = String::from_utf8_lossy(body.take(length)).into_owned();
                held(preparing).insert(frame.stream, text);
            }
            EXECUTE => {
                let text = record.texts[body.short_bytes()].clone();
                let level = body.u16();
                let flags = body.u8();
                if flags & 0x01 != 0 {
                    body.values();
                }
                if flags & 0x04 != 0 {
                    body.take(4);
                }
                if flags & 0x08 != 0 {
                    body.value();
                }
                let serial = (flags & 0x10 != 0).then(|| body.u16());
                record.sent.push(Sent {
                    texts: vec![text],
                    level,
                    serial,
                });
            }
            BATCH => {
                body.take(1);
                let mut texts = Vec::new();
                for _ in 0..body.u16() {
                    assert_eq!(body.u8(), 1, "a batch holds prepared statements only");
                    texts.push(record.texts[body.short_bytes()].clone());
                    body.values();
                }
                let level = body.u16();
                let flags = body.u8();
                let serial = (flags & 0x10 != 0).then(|| body.u16());
                record.sent.push(Sent { texts, level, serial });
            }
            _ => {}
        }
    }

    fn answer(&self, frame: &Frame, preparing: &Preparing) {
        let Some(text) = held(preparing).remove(&frame.stream) else {
            return;
        };
        let mut body = Reader(&frame.body);
        if frame.opcode == RESULT && body.u32() == RESULT_PREPARED {
            let id = body.short_bytes().to_vec();
            held(&self.0).texts.insert(id, text);
        }
    }
}

/// Reads the protocol's notations off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().expect("a whole frame");
        self.0 = rest;
        *taken
    }

    fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    fn short_bytes(&mut self) -> &'a [u8] {
        let length = self.u16();
        self.take(length as usize)
    }

    fn value(&mut self) {
        // A null has a length below zero.
        if let Ok(length) = usize::try_from(i32::from_be_bytes(self.array())) {
            self.take(length);
        }
    }

    fn values(&mut self) {
        for _ in 0..self.u16() {
            self.value();
        }
    }
}
