//! How each broker is started.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use springhare_rabbitmq::Node;

use crate::run::Result;

/// Which broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ours: `springhare serve`.
    Springhare,
    /// Debian's RabbitMQ, or another installation of it that is on the path.
    RabbitMq,
    /// GarageMQ, a broker in Go, when it is on the path.
    GarageMq,
    /// Any other command; `{port}` and `{data}` in it are filled in.
    Other(Vec<String>),
}

impl Kind {
    /// Appends the program and its arguments to `command`, and sets its environment. It will
    /// listen on `port` of the loopback address and may write into `directory`.
    pub(super) fn append_to(
        &self,
        command: &mut Command,
        programs: &Path,
        directory: &Path,
        port: u16,
    ) -> Result {
        match self {
            Self::Springhare => {
                command.arg(programs.join("springhare"));
                command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"]);
                command.arg(directory.join("data"));
            }
            Self::RabbitMq => rabbitmq(command, directory, port)?,
            Self::GarageMq => garagemq(command, directory, port)?,
            Self::Other(words) => {
                let data = directory.join("data").display().to_string();
                let fill = |word: &String| {
                    word.replace("{port}", &port.to_string()).replace("{data}", &data)
                };
                command.args(words.iter().map(fill)).current_dir(crate::root());
            }
        }
        Ok(())
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The program of this name on the path.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|directory| directory.join(program));
    files.find(|file| file.is_file())
}

/// A node of its own, so that a RabbitMQ that runs on the machine is neither used nor disturbed. Its
/// defaults are left as they are.
fn rabbitmq(command: &mut Command, directory: &Path, port: u16) -> Result {
    let node = Node::alone(directory, port)?;
    node.configure("log.file.level = warning\n")?;
    node.append_to(command)?;
    Ok(())
}

fn garagemq(command: &mut Command, directory: &Path, port: u16) -> Result {
    let server = find("garagemq").ok_or("garagemq is not installed")?;
    let configuration = directory.join("garagemq.yaml");
    let data = directory.join("data");
    let admin_port = free_port()?;
    fs::write(
        &configuration,
        // The password is the MD5 of "guest".
        format!(
            "proto: amqp-rabbit\n\
             users:\n  - username: guest\n    password: 084e0343a0486ff05530df6c705c8bb4\n\
             tcp:\n  ip: 127.0.0.1\n  port: {port}\n  nodelay: true\n\
             \x20 readBufSize: 196608\n  writeBufSize: 196608\n\
             admin:\n  ip: 127.0.0.1\n  port: {admin_port}\n\
             queue:\n  shardSize: 8192\n  maxMessagesInRam: 131072\n\
             db:\n  defaultPath: {}\n  engine: badger\n\
             vhost:\n  defaultPath: /\n\
             security:\n  passwordCheck: md5\n\
             connection:\n  channelsMax: 4096\n  frameMaxSize: 131072\n",
            data.display()
        ),
    )?;
    command.arg(server).arg("--config").arg(configuration).args(["--log-level", "warning"]);
    command.current_dir(directory);
    Ok(())
}
