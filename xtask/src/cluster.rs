//! `cargo xtask cluster`: a RabbitMQ cluster of three nodes on this machine, which stays until it
//! is ended.
//!
//! `state` is the file by which a later call finds the nodes again.

mod state;

use std::io::{self, ErrorKind};
use std::iter;
use std::path::{Path, PathBuf};

use springhare_rabbitmq::{ClusterLayout, Node, Process};

use crate::prepare;
use crate::run::{Result, heading, target_directory};
use state::State;

/// The options, for the usage text.
pub(crate) const USAGE: &str = "  cluster up|down|status|kill N|start N [--dir DIR]
            a RabbitMQ cluster of three nodes, kept in DIR (default: target/cluster)
";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Up,
    Down,
    Status,
    /// The number of a node, counted from 1.
    Kill(usize),
    Start(usize),
}

/// Does what the arguments ask for.
///
/// # Errors
///
/// When they can't be understood, a cluster is there that should not be or is not there that
/// should be, or a node does not start or end.
pub(crate) fn run(arguments: &[String]) -> Result {
    let (command, directory) = parse(arguments)?;
    let directory = match directory {
        Some(directory) => std::path::absolute(directory)?,
        None => target_directory().join("cluster"),
    };
    match command {
        Command::Up => up(&directory),
        Command::Down => down(&directory),
        Command::Status => status(&directory),
        Command::Kill(number) => kill(&directory, number),
        Command::Start(number) => start(&directory, number),
    }
}

fn parse(arguments: &[String]) -> Result<(Command, Option<PathBuf>)> {
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (words, directory) = match words.as_slice() {
        [words @ .., "--dir", directory] => (words, Some(PathBuf::from(directory))),
        words => (words, None),
    };
    let number = |word: &str| {
        let number = word.parse::<usize>();
        number.map_err(|_| format!("{word} is not the number of a node, counted from 1"))
    };
    let command = match words {
        ["up"] => Command::Up,
        ["down"] => Command::Down,
        ["status"] => Command::Status,
        ["kill", word] => Command::Kill(number(word)?),
        ["start", word] => Command::Start(number(word)?),
        _ => return Err(format!("usage: cargo xtask <command>\n\n{USAGE}").into()),
    };
    Ok((command, directory))
}

fn up(directory: &Path) -> Result {
    if State::exists(directory) {
        let place = directory.display();
        return Err(format!("there is a cluster in {place}: 'cluster down' ends it").into());
    }
    prepare::packages(&prepare::RABBITMQ)?;
    heading("starting three nodes");
    let layout = ClusterLayout::create(directory)?;
    let mut state = State::of(&layout);
    // Before anything runs, so that what does is never without a record.
    state.write(directory)?;
    let started = start_all(&layout, &mut state, directory);
    if let Err(error) = started {
        down(directory)?;
        return Err(error);
    }
    status(directory)
}

fn start_all(layout: &ClusterLayout, state: &mut State, directory: &Path) -> Result {
    let mut processes = Vec::new();
    for (index, node) in layout.nodes().iter().enumerate() {
        processes.push((node, spawn(node, index, state, directory)?));
    }
    let started: Vec<_> = processes.iter().map(|(node, process)| (*node, process)).collect();
    Ok(layout.wait_until_ready(&started)?)
}

/// Starts a node and writes down its process id.
fn spawn(node: &Node, index: usize, state: &mut State, directory: &Path) -> Result<Process> {
    let process = node.spawn()?;
    state.set(index, process.id());
    if let Err(error) = state.write(directory) {
        process.kill()?;
        return Err(error);
    }
    Ok(process)
}

fn down(directory: &Path) -> Result {
    let state = State::read(directory)?;
    let layout = state.layout(directory);
    for (node, process) in running(&layout, &state)? {
        if let Some(process) = process {
            process.kill()?;
            eprintln!("{} is ended (process {})", node.name(), process.id());
        }
    }
    for node in layout.nodes() {
        remove(std::fs::remove_dir_all(node.directory()))?;
    }
    State::remove(directory)?;
    // Only what the cluster made is removed: others may have put something there.
    let _ = std::fs::remove_dir(directory);
    eprintln!("the cluster in {} is gone", directory.display());
    Ok(())
}

fn remove(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn kill(directory: &Path, number: usize) -> Result {
    let state = State::read(directory)?;
    let layout = state.layout(directory);
    let node = layout.node(number)?;
    match process(node, &state, number)? {
        Some(process) => {
            process.kill()?;
            eprintln!("{} is killed (process {})", node.name(), process.id());
            Ok(())
        }
        None => Err(format!("{} does not run", node.name()).into()),
    }
}

fn start(directory: &Path, number: usize) -> Result {
    let mut state = State::read(directory)?;
    let layout = state.layout(directory);
    let node = layout.node(number)?;
    if let Some(process) = process(node, &state, number)? {
        return Err(format!("{} runs already (process {})", node.name(), process.id()).into());
    }
    let process = spawn(node, number - 1, &mut state, directory)?;
    node.wait_until_ready(&process)?;
    eprintln!("{} runs (process {})", node.name(), process.id());
    Ok(())
}

fn status(directory: &Path) -> Result {
    let state = State::read(directory)?;
    let layout = state.layout(directory);
    for (number, (node, process)) in iter::zip(1.., running(&layout, &state)?) {
        let how = match process {
            Some(process) if node.greets() => format!("runs, process {}", process.id()),
            Some(process) => format!("takes no connections, process {}", process.id()),
            None => "is down".to_owned(),
        };
        println(&format!("{number}  {}  {}  {how}", node.name(), node.address()));
    }
    println(&format!("export SPRINGHARE_URL='{}'", layout.url()));
    Ok(())
}

/// The nodes with their processes. A process that has a node's id and is something else is none of
/// ours.
fn running<'l>(
    layout: &'l ClusterLayout,
    state: &State,
) -> Result<Vec<(&'l Node, Option<Process>)>> {
    let nodes = iter::zip(1.., layout.nodes());
    nodes.map(|(number, node)| Ok((node, process(node, state, number)?))).collect()
}

fn process(node: &Node, state: &State, number: usize) -> Result<Option<Process>> {
    Ok(match state.process_id(number) {
        Some(id) => node.find(id)?,
        None => None,
    })
}

#[expect(clippy::print_stdout, reason = "it is what the command is asked for")]
fn println(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use std::process::{Command as Program, Stdio};

    use super::*;

    fn parse(words: &str) -> Result<(Command, Option<PathBuf>)> {
        let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        super::parse(&words)
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(parse("up").unwrap(), (Command::Up, None));
        let directory = Some(PathBuf::from("here"));
        assert_eq!(parse("kill 2 --dir here").unwrap(), (Command::Kill(2), directory));
        for wrong in ["", "kill", "kill x", "up 1", "down --dir", "restart 1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_process_that_is_no_node_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("cluster");
        let layout = ClusterLayout::create(&directory).unwrap();
        let mut stranger = Program::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let mut state = State::of(&layout);
        state.set(0, stranger.id());
        state.write(&directory).unwrap();
        let error = kill(&directory, 1).unwrap_err().to_string();
        assert!(error.contains("does not run"), "{error}");
        assert!(up(&directory).is_err(), "there is one already");
        down(&directory).unwrap();
        assert!(!directory.exists());
        assert!(stranger.try_wait().unwrap().is_none(), "it was ended");
        drop(stranger.stdin.take());
        stranger.wait().unwrap();
        assert!(down(&directory).is_err(), "there is none");
    }
}
