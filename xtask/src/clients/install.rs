//! Where the clients are installed and built: below `target/clients/`, from pinned versions, and
//! installed again only when the pins have changed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::list::Script;
use crate::root;
use crate::run::{Result, heading, succeed};

const PYTHON_PINS: &str = "requirements.txt";
const NODE_PINS: &str = "package-lock.json";
/// A copy of the pins, written when all of them are installed.
const INSTALLED: &str = "installed-pins";

/// Where Debian keeps Go's and Java's libraries.
const GO_LIBRARIES: &str = "/usr/share/gocode";
const JAVA_LIBRARIES: &str = "/usr/share/java/amqp-client.jar:/usr/share/java/slf4j-api.jar:\
                              /usr/share/java/slf4j-nop.jar";

/// Installs and builds every client that does not come ready from a Debian package.
///
/// # Errors
///
/// When an installation or a build fails.
pub(super) fn all() -> Result {
    heading("clients from their registries, and those to build");
    python()?;
    node()?;
    go()?;
    java()
}

/// The command that runs a script, but for the broker's URL.
pub(super) fn command(script: Script) -> Command {
    let mut command = match script {
        Script::Python(file) => {
            let mut command = Command::new(installed("python/bin/python"));
            // The scripts import one another, and must leave nothing beside themselves.
            command.env("PYTHONDONTWRITEBYTECODE", "1").arg(source("python").join(file));
            command
        }
        Script::Node(file) => {
            let mut command = Command::new("node");
            command.arg(installed("node").join(file));
            command
        }
        Script::Go => Command::new(installed("go/amqp091")),
        Script::Java => {
            let mut command = Command::new("java");
            let classes = installed("java");
            command.arg("-cp").arg(format!("{}:{JAVA_LIBRARIES}", classes.display()));
            command.arg("Main");
            command
        }
        Script::Run { program, file } => {
            let mut command = Command::new(program);
            command.arg(source(file));
            command
        }
    };
    command.current_dir(root());
    command
}

/// A virtual environment with the pinned packages.
fn python() -> Result {
    let pins = source("python").join(PYTHON_PINS);
    let environment = installed("python");
    let is_current = is_current(&environment, &pins) && environment.join("bin/python").is_file();
    if is_current {
        eprintln!("python: as before");
        return Ok(());
    }
    let mut create = Command::new("python3");
    create.args(["-m", "venv", "--clear"]).arg(&environment);
    succeed(create)?;
    let mut install = Command::new(environment.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--no-input", "--no-deps"]);
    install.args(["--disable-pip-version-check", "--requirement"]).arg(&pins);
    succeed(install)?;
    mark_current(&environment, &pins)
}

/// The pinned modules, and beside them the scripts: a module is looked for next to who imports it.
fn node() -> Result {
    let (from, to) = (source("node"), installed("node"));
    let pins = from.join(NODE_PINS);
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(&from)? {
        let file = entry?.path();
        if let (true, Some(name)) = (file.is_file(), file.file_name()) {
            fs::copy(&file, to.join(name))?;
        }
    }
    if is_current(&to, &pins) && to.join("node_modules").is_dir() {
        eprintln!("node: as before");
        return Ok(());
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&to);
    succeed(install)?;
    mark_current(&to, &pins)
}

/// One program, with Debian's library instead of modules from anywhere.
fn go() -> Result {
    let to = installed("go");
    fs::create_dir_all(&to)?;
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(to.join("amqp091")).arg(".").current_dir(source("go"));
    build.env("GO111MODULE", "off").env("GOPATH", GO_LIBRARIES).env("GOCACHE", to.join("cache"));
    succeed(build)
}

/// The classes, with Debian's library.
fn java() -> Result {
    let to = installed("java");
    let mut build = Command::new("javac");
    build.args(["-encoding", "UTF-8", "-Xlint:all", "-Werror", "-cp", JAVA_LIBRARIES]);
    build.arg("-d").arg(&to);
    build.args(files_in(&source("java"), "java")?);
    succeed(build)
}

fn files_in(directory: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let file = entry?.path();
        if file.extension() == Some(OsStr::new(extension)) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether what is installed there was made from these pins.
fn is_current(directory: &Path, pins: &Path) -> bool {
    let read = |file: &Path| fs::read(file).ok();
    read(pins).is_some_and(|wanted| read(&directory.join(INSTALLED)) == Some(wanted))
}

fn mark_current(directory: &Path, pins: &Path) -> Result {
    fs::copy(pins, directory.join(INSTALLED))?;
    Ok(())
}

fn source(path: &str) -> PathBuf {
    root().join("tests/clients").join(path)
}

/// Where a client is installed.
pub(super) fn installed(path: &str) -> PathBuf {
    root().join("target/clients").join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_installed_is_current_until_its_pins_change() {
        let directory = tempfile::tempdir().unwrap();
        let pins = directory.path().join("pins");
        fs::write(&pins, "pika==1").unwrap();
        assert!(!is_current(directory.path(), &pins));
        mark_current(directory.path(), &pins).unwrap();
        assert!(is_current(directory.path(), &pins));
        fs::write(&pins, "pika==2").unwrap();
        assert!(!is_current(directory.path(), &pins));
        fs::remove_file(&pins).unwrap();
        assert!(!is_current(directory.path(), &pins));
    }

    #[test]
    fn the_lock_file_names_no_download_addresses() {
        let lock = fs::read_to_string(source("node").join(NODE_PINS)).unwrap();
        assert!(lock.contains("\"integrity\""));
        assert!(!lock.contains("\"resolved\"") && !lock.contains("://"), "{lock}");
    }
}
