//! Sets up what the tests need beside Rust: `rabbitmq-server`, against which the own broker is
//! held, and the programs and libraries that the real clients are made of.
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

/// How to tell that a package need not be installed.
#[derive(Clone, Copy, Debug)]
enum Sign {
    /// A program is there, wherever it is from.
    Program(&'static str),
    /// `python3` can make environments with `pip` in them.
    PythonEnvironments,
    /// Debian's own list says so: what is used is not a program.
    Installed,
}

/// A package of Debian's, and the sign that what it brings is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Package {
    name: &'static str,
    sign: Sign,
}

const fn package(name: &'static str, sign: Sign) -> Package {
    Package { name, sign }
}

/// What the tests against a real RabbitMQ need.
pub(crate) const RABBITMQ: [Package; 1] =
    [package("rabbitmq-server", Sign::Program("rabbitmq-server"))];

/// What the real clients need: languages, and those libraries that come from Debian.
pub(crate) const CLIENTS: [Package; 12] = [
    package("amqp-tools", Sign::Program("amqp-publish")),
    package("default-jdk-headless", Sign::Program("javac")),
    package("golang-github-rabbitmq-amqp091-go-dev", Sign::Installed),
    package("golang-go", Sign::Program("go")),
    package("librabbitmq-client-java", Sign::Installed),
    package("nodejs", Sign::Program("node")),
    package("npm", Sign::Program("npm")),
    package("php-amqplib", Sign::Installed),
    package("php-cli", Sign::Program("php")),
    package("python3-venv", Sign::PythonEnvironments),
    package("ruby", Sign::Program("ruby")),
    package("ruby-bunny", Sign::Installed),
];

/// Makes sure that all of these are there, and installs what is missing in one go.
///
/// # Errors
///
/// When something is missing and can't be installed, with what to do about it.
pub(crate) fn packages(wanted: &[Package]) -> Result {
    heading("packages");
    let missing = missing(wanted);
    if missing.is_empty() {
        eprintln!("all {} are there", wanted.len());
        return Ok(());
    }
    let names = missing.join(" ");
    if find("apt-get").is_none() || !is_root()? {
        return Err(format!(
            "this is not root on a Debian that could install what is missing; install it and run \
             this again: apt-get install --no-install-recommends {names}"
        )
        .into());
    }
    eprintln!("installing {names}");
    let policy = StartNothing::new()?;
    succeed(apt_get(&["update"]))?;
    let mut install = apt_get(&["install", "-y", "--no-install-recommends"]);
    install.args(&missing);
    succeed(install)?;
    drop(policy);
    let absent = self::missing(wanted);
    if absent.is_empty() {
        Ok(())
    } else {
        Err(format!("installed, but not found: {}", absent.join(" ")).into())
    }
}

fn missing(wanted: &[Package]) -> Vec<&'static str> {
    wanted.iter().filter(|package| !package.is_there()).map(|package| package.name).collect()
}

impl Package {
    fn is_there(&self) -> bool {
        match self.sign {
            Sign::Program(program) => find(program).is_some(),
            Sign::PythonEnvironments => {
                says(Command::new("python3").args(["-c", "import ensurepip, venv; print('yes')"]))
                    == "yes"
            }
            Sign::Installed => {
                let mut query = Command::new("dpkg-query");
                query.args(["--show", "--showformat=${db:Status-Status}", self.name]);
                says(&mut query) == "installed"
            }
        }
    }
}

/// What a program prints; nothing if there is no such program.
fn says(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_missing() {
        let wanted = [
            package("coreutils", Sign::Program("cat")),
            package("no-such-package", Sign::Installed),
            package("no-such-program", Sign::Program("no-such-program")),
        ];
        assert_eq!(missing(&wanted), ["no-such-package", "no-such-program"]);
    }
}
