//! Where the programs of RabbitMQ and of Erlang are.

use std::io;
use std::iter;
use std::path::PathBuf;

/// Where Debian keeps the server's own start script; the one on the path changes the user.
const LIBRARY: &str = "/usr/lib/rabbitmq/bin";

/// The server's start script.
///
/// # Errors
///
/// When it is not there.
pub(crate) fn server() -> io::Result<PathBuf> {
    find("rabbitmq-server").ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "rabbitmq-server is not installed: 'cargo xtask test' installs it, and \
             SPRINGHARE_WITHOUT_RABBITMQ=1 skips the tests that need it",
        )
    })
}

/// The program that asks a running Erlang node; it comes with Erlang itself.
///
/// # Errors
///
/// When it is not there.
pub(crate) fn erl_call() -> io::Result<PathBuf> {
    find("erl_call").ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "erl_call is not on the path; it is a part of Erlang (Debian's erlang-base)",
        )
    })
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = iter::once(PathBuf::from(LIBRARY)).chain(std::env::split_paths(&path));
    directories.map(|directory| directory.join(program)).find(|file| file.is_file())
}
