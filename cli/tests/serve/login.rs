//! As much of a client as opens a connection, with whatever names a test wants.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{PROTOCOL_HEADER, within_limit};

/// `connection.start-ok`, `tune`, `tune-ok`, `open`, `open-ok` and `close`.
const START_OK: [u16; 2] = [10, 11];
pub(crate) const TUNE: [u16; 2] = [10, 30];
const TUNE_OK: [u16; 2] = [10, 31];
const OPEN: [u16; 2] = [10, 40];
pub(crate) const OPEN_OK: [u16; 2] = [10, 41];
pub(crate) const CLOSE: [u16; 2] = [10, 50];

/// A connection in its handshake.
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(PROTOCOL_HEADER).await.unwrap();
        Self { stream }
    }

    /// Logs in, with this name for the connection.
    pub(crate) async fn log_in(&mut self, user: &str, password: &str, name: &str) {
        let client_properties = [shortstr("connection_name"), vec![b'S'], longstr(name)].concat();
        let credentials = format!("\0{user}\0{password}");
        let arguments = [
            longstr_of(&client_properties),
            shortstr("PLAIN"),
            longstr(&credentials),
            shortstr("en_US"),
        ];
        self.send(START_OK, &arguments.concat()).await;
    }

    /// Enters the virtual host `/`, with the limits of the server's defaults.
    pub(crate) async fn open(&mut self) {
        let tune = [&2047_u16.to_be_bytes()[..], &131_072_u32.to_be_bytes(), &[0, 0]].concat();
        self.send(TUNE_OK, &tune).await;
        self.send(OPEN, &[shortstr("/"), vec![0, 0]].concat()).await;
    }

    /// Reads until this method, and returns its arguments.
    pub(crate) async fn receive(&mut self, method: [u16; 2]) -> Vec<u8> {
        within_limit(&format!("method {method:?}"), async {
            loop {
                let mut header = [0; 7];
                self.stream.read_exact(&mut header).await.unwrap();
                let size = u32::from_be_bytes(header[3..].try_into().unwrap());
                let mut payload = vec![0; usize::try_from(size).unwrap() + 1];
                self.stream.read_exact(&mut payload).await.unwrap();
                if header[0] == 1 && payload[..4] == method_id(method) {
                    return payload[4..payload.len() - 1].to_vec();
                }
            }
        })
        .await
    }

    async fn send(&mut self, method: [u16; 2], arguments: &[u8]) {
        let payload = [&method_id(method)[..], arguments].concat();
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&[1, 0, 0][..], &size, &payload, &[0xce]].concat();
        self.stream.write_all(&frame).await.unwrap();
    }
}

fn method_id([class, method]: [u16; 2]) -> [u8; 4] {
    let ([a, b], [c, d]) = (class.to_be_bytes(), method.to_be_bytes());
    [a, b, c, d]
}

fn shortstr(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat()
}

fn longstr(text: &str) -> Vec<u8> {
    longstr_of(text.as_bytes())
}

fn longstr_of(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}
