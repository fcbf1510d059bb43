use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use springhare_broker::{DefinitionsError, TlsError};

use crate::config::ConfigError;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("there is nothing to listen on: give --listen or --tls-listen an address")]
    NoListener,
    #[error(
        "listening with TLS on {listener} needs --tls-cert and --tls-key, the server's certificate \
         and its key"
    )]
    TlsWithoutCertificate { listener: SocketAddr },
    #[error("{} serves nobody: give --tls-listen an address", file.display())]
    TlsWithoutListener { file: PathBuf },
    #[error(
        "a durability needs a data folder: give --data one, or leave --durability out and keep \
         everything in memory"
    )]
    DurabilityWithoutData,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the definitions in {} can't be read: {source}", file.display())]
    UnreadableDefinitions { file: PathBuf, source: io::Error },
    #[error("{}: {}", file.display(), in_one_line(source))]
    Definitions { file: PathBuf, source: DefinitionsError },
    #[error("the signals that end the server can't be watched: {0}")]
    Signals(#[source] io::Error),
    #[error("the threads of the server can't be started: {0}")]
    Threads(#[source] io::Error),
    #[error("can't listen on {address}: {kind}; {}", remedy(*kind))]
    Listen { address: SocketAddr, kind: io::ErrorKind },
    #[error(transparent)]
    Broker(springhare_broker::Error),
    #[error("{0}")]
    Store(String),
}

/// All that is wrong, in one line as everything that ends the server.
fn in_one_line(error: &DefinitionsError) -> String {
    let faults: Vec<_> = error.faults().iter().map(ToString::to_string).collect();
    let further = match error.further() {
        0 => String::new(),
        further => format!("; and {further} more"),
    };
    // A policy's text has line ends of its own.
    format!("{}{further}", faults.join("; ")).replace('\n', " ")
}

/// What to do about an address that can't be bound.
fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => {
            "another process has this port: end it, or give --listen another address \
             (with port 0 the system chooses)"
        }
        io::ErrorKind::PermissionDenied => {
            "the system keeps ports below 1024 for itself: give --listen a higher one"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: give --listen 127.0.0.1 for this machine alone, \
             0.0.0.0 for all of its addresses"
        }
        _ => "give --listen another address",
    }
}
