//! Real AMQP clients, from their registries and from Debian, against the broker.
//!
//! Each is a script in `tests/clients/` that prints `ok <check>` for what holds. A client that is
//! not there, ends with an error, takes too long, or does not report each check that it must is a
//! failure; none is left out silently.

mod broker;
mod install;
mod list;

use std::collections::BTreeSet;
use std::slice;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use broker::Broker;
use list::{CLIENTS, Client};

use crate::prepare;
use crate::run::{Finished, Result, capture, heading};

/// How long a client may take. The slowest takes ten seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(120);

/// How many clients run at once.
const LANES: usize = 3;

/// Runs the clients of these names, or all, on the broker at `url`, or on a broker of their own.
///
/// # Errors
///
/// When something can't be installed, the broker does not start or end, or a client fails.
pub(crate) fn run(url: Option<&str>, names: &[&str]) -> Result {
    let chosen = chosen(names)?;
    prepare::packages(&prepare::CLIENTS)?;
    install::all()?;
    if let Some(url) = url {
        return run_on(url, &chosen);
    }
    heading("real clients on springhare serve");
    let broker = Broker::start()?;
    let done = run_on(&broker.url(), &chosen);
    match (done, broker.stop()) {
        (Err(clients), Err(broker)) => Err(format!("{clients}\n\n{broker}").into()),
        (done, stopped) => done.and(stopped),
    }
}

fn chosen(names: &[&str]) -> Result<Vec<Client>> {
    let find = |name: &&str| {
        let found = CLIENTS.into_iter().find(|client| client.name == *name);
        found.ok_or_else(|| {
            let known = CLIENTS.map(|client| client.name).join(", ");
            format!("there is no client {name}; there are {known}").into()
        })
    };
    if names.is_empty() { Ok(CLIENTS.to_vec()) } else { names.iter().map(find).collect() }
}

/// What came of a client; nothing to complain about is success.
#[derive(Debug)]
struct Outcome {
    client: Client,
    complaint: Option<String>,
}

impl Outcome {
    fn word(&self) -> &'static str {
        if self.complaint.is_some() { "FAILED" } else { "ok" }
    }
}

/// Runs the clients, a few at a time: each spends most of its time idle, waiting for heartbeats.
fn run_on(url: &str, clients: &[Client]) -> Result {
    let waiting = Mutex::new(clients.iter());
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some(client) = next(&waiting) {
                    let outcome = run_one(*client, url);
                    eprintln!("client {} ... {}", client.name, outcome.word());
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    eprintln!("\n{}", table(&outcomes));
    let complaints: Vec<_> = outcomes.into_iter().filter_map(|outcome| outcome.complaint).collect();
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n\n").into()) }
}

fn next<'c>(waiting: &Mutex<slice::Iter<'c, Client>>) -> Option<&'c Client> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).next()
}

fn run_one(client: Client, url: &str) -> Outcome {
    let mut command = install::command(client.script);
    command.arg(url);
    let checked = capture(command, Vec::new(), LIMIT)
        .and_then(|finished| all_reported(&client.expected(), &finished));
    let complaint = checked.err().map(|error| format!("client {}: {error}", client.name));
    Outcome { client, complaint }
}

fn table(outcomes: &[Outcome]) -> String {
    let row = |outcome: &Outcome| {
        let (name, checks) = (outcome.client.name, outcome.client.expected().len());
        format!("{name:<14} {checks:>2} checks   {}", outcome.word())
    };
    outcomes.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// The client succeeded and reported every check that it must.
fn all_reported(expected: &[&str], finished: &Finished) -> Result {
    let reported: BTreeSet<_> =
        finished.output.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
    let missing: Vec<_> = expected.iter().filter(|check| !reported.contains(**check)).collect();
    let what = if !finished.success {
        "failed".to_owned()
    } else if !missing.is_empty() {
        format!("did not check {missing:?}")
    } else {
        return Ok(());
    };
    Err(format!("{what}; it printed:\n{}", finished.output.trim_end()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_to_report_every_check() {
        let finished = |success, output: &str| Finished { success, output: output.to_owned() };
        let expected = ["declare", "get"];
        all_reported(&expected, &finished(true, "ok declare\nok get\n")).unwrap();
        all_reported(&expected, &finished(true, "a warning\nok get\nok declare\n")).unwrap();
        let error = all_reported(&expected, &finished(true, "ok declare\n")).unwrap_err();
        assert!(error.to_string().contains("did not check [\"get\"]"), "{error}");
        let error = all_reported(&expected, &finished(false, "ok declare\nok get\nno\n"));
        assert!(error.unwrap_err().to_string().contains("no"));
    }

    #[test]
    fn clients_are_chosen_by_name() {
        let names = |names: &[&str]| {
            chosen(names).unwrap().iter().map(|client| client.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]).len(), CLIENTS.len());
        assert_eq!(names(&["bunny", "pika"]), ["bunny", "pika"]);
        let error = chosen(&["pica"]).unwrap_err();
        assert!(error.to_string().contains("there is no client pica"), "{error}");
    }

    #[test]
    fn what_a_client_leaves_out_is_a_check() {
        for client in CLIENTS {
            if let list::Checks::AllBut(left_out) = client.checks {
                assert_eq!(client.expected().len() + left_out.len(), list::CHECKS.len());
            }
        }
    }
}
