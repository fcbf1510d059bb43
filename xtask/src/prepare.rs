//! Sets up what the tests need beside Rust: `rabbitmq-server`, against which the own broker is
//! held.
//!
//! The tests start nodes of their own, with ports, names and directories of their own and
//! without `epmd`, so that a RabbitMQ that runs on the machine is neither used nor disturbed.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Result, heading, succeed};

/// Where Debian keeps the server's own start script.
const LIBRARY: &str = "/usr/lib/rabbitmq/bin";
/// A script that is asked before a freshly installed service is started; 101 is no.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Makes sure that `rabbitmq-server` is installed.
///
/// # Errors
///
/// When it is not and can't be, with what to do about it.
pub(crate) fn rabbitmq_server() -> Result {
    heading("rabbitmq-server");
    if let Some(found) = find("rabbitmq-server") {
        eprintln!("{}", found.display());
        return Ok(());
    }
    if find("apt-get").is_none() || !is_root()? {
        return Err("rabbitmq-server is not installed, and this is not root on a Debian that \
                    could install it: install it (apt-get install rabbitmq-server, brew install \
                    rabbitmq) and run this again"
            .into());
    }
    let policy = StartNothing::new()?;
    succeed(apt_get(&["update"]))?;
    succeed(apt_get(&["install", "-y", "--no-install-recommends", "rabbitmq-server"]))?;
    drop(policy);
    match find("rabbitmq-server") {
        Some(_) => Ok(()),
        None => Err("rabbitmq-server was installed, but is not found".into()),
    }
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain([PathBuf::from(LIBRARY)]);
    directories.map(|directory| directory.join(program)).find(|file| file.is_file())
}

fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output()?;
    Ok(output.stdout.trim_ascii() == b"0")
}

/// While it lives, an installation starts no service: nothing needs the one that Debian would
/// start. A policy that is there already stays.
struct StartNothing {
    is_ours: bool,
}

impl StartNothing {
    fn new() -> Result<Self> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o755).open(POLICY);
        match opened {
            Ok(mut file) => {
                let policy = Self { is_ours: true };
                file.write_all(b"#!/bin/sh\nexit 101\n")?;
                Ok(policy)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Self { is_ours: false }),
            Err(error) => Err(format!("{POLICY}: {error}").into()),
        }
    }
}

impl Drop for StartNothing {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = fs::remove_file(Path::new(POLICY))
        {
            eprintln!("{POLICY} could not be removed, it keeps services from starting: {error}");
        }
    }
}
