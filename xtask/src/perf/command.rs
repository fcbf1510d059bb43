//! How each broker is started.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// Where Debian keeps the server's own start script, which does not change the user.
const RABBITMQ_DIRECTORY: &str = "/usr/lib/rabbitmq/bin";

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
                command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
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

/// The program of this name, in RabbitMQ's directory or on the path.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::iter::once(PathBuf::from(RABBITMQ_DIRECTORY));
    let directories = directories.chain(std::env::split_paths(&path));
    directories.map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// A node with ports, a name and directories of its own, and without `epmd`: a RabbitMQ that runs
/// on the machine is neither used nor disturbed. Its defaults are left as they are.
fn rabbitmq(command: &mut Command, directory: &Path, port: u16) -> Result {
    let server = find("rabbitmq-server")
        .ok_or("rabbitmq-server is not installed: 'cargo xtask test' installs it")?;
    let configuration = directory.join("rabbitmq.conf");
    fs::write(
        &configuration,
        format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = false\nlog.file.level = warning\n"
        ),
    )?;
    let name = format!("springhare-perf-{}-{port}@localhost", std::process::id());
    let peer_port = free_port()?.to_string();
    command.arg(server);
    command.args(["-noinput", "-sname", &name, "-start_epmd", "false"]);
    command.args(["-erl_epmd_port", &peer_port]);
    command.args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]);
    command.args(["-kernel", "inet_dist_listen_min", &peer_port]);
    command.args(["-kernel", "inet_dist_listen_max", &peer_port]);
    command
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        .env("HOME", directory)
        .env("RABBITMQ_NODENAME", &name)
        // The start script then becomes the node instead of waiting for it: its process is the
        // broker's.
        .env("RABBITMQ_ALLOW_INPUT", "1")
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_CONFIG_FILE", &configuration)
        .env("RABBITMQ_MNESIA_BASE", directory.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", directory.join("log"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", directory.join("generated"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", directory.join("enabled_plugins"))
        .env("RABBITMQ_PID_FILE", directory.join("pid"));
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
