//! `cargo xtask drill`: an application under load on a RabbitMQ cluster whose nodes and connections
//! are killed in turn. What was confirmed has to arrive. `kill_broker` is the same for our broker, and
//! `power_cut` what a simulated disk may do to its store.
//!
//! `options` (the command line), `schedule` (who is next, and when), `load` (the application, a
//! program of its own in tests/drill).

mod kill_broker;
mod load;
mod options;
mod power_cut;
mod rounds;
mod schedule;

use std::path::PathBuf;

use springhare_rabbitmq::{Cluster, NODES};

use crate::prepare;
use crate::run::{Result, cargo, heading, succeed, target_directory};
use load::{Figures, Load};
use options::Options;
use schedule::{Schedule, Turn, Turns};

/// The options, for the usage text.
pub(crate) const USAGES: [&str; 3] = [options::USAGE, kill_broker::USAGE, power_cut::USAGE];

/// What a node's clients are told when the drill closes their connections.
const REASON: &str = "closed by the drill";

/// Runs the drill and prints what became of the messages.
///
/// # Errors
///
/// When a message that was confirmed is lost, a publish does not end, nothing was delivered, or the
/// cluster or the application does not do as they should.
pub(crate) fn run(arguments: &[String]) -> Result {
    if let [drill, arguments @ ..] = arguments
        && drill == "--kill-broker"
    {
        return kill_broker::run(arguments);
    }
    if let [drill, arguments @ ..] = arguments
        && drill == "--power-cut"
    {
        return power_cut::run(arguments);
    }
    let options = Options::parse(arguments)?;
    prepare::packages(&prepare::RABBITMQ)?;
    let program = build()?;
    heading("starting three nodes");
    let mut cluster = Cluster::up()?;
    heading(&format!("the drill, for {:?}", options.duration));
    let mut load = Load::start(&program, &cluster.url())?;
    let schedule = Schedule::start(options.kill_every, options.duration);
    let mut turns = Turns::default();
    let mut kills = 0;
    while schedule.wait_for_next(&mut load)? {
        let turn = turns.next(|number| cluster.is_ready(number))?;
        take(turn, &mut cluster)?;
        kills += 1;
        let seconds = schedule.elapsed().as_secs();
        eprintln!("{seconds:>4} s  {turn}; {}", load.figures()?);
    }
    heading("waiting for all nodes and for what is under way");
    cluster.start_all()?;
    let figures = load.finish()?;
    println(&format!("{figures}"));
    verdict(&figures, kills)
}

/// Builds the application; returns its program.
fn build() -> Result<PathBuf> {
    heading("building");
    succeed(cargo(&["build", "-p", "springhare-drill"]))?;
    Ok(target_directory().join("debug/drill-load"))
}

fn take(turn: Turn, cluster: &mut Cluster) -> Result {
    match turn {
        Turn::Node(number) => {
            cluster.kill(number)?;
            cluster.launch(number)?;
        }
        Turn::Connections => {
            for number in 1..=NODES {
                // One that is on its way back has no connections.
                if cluster.is_ready(number)? {
                    cluster.node(number)?.close_all_connections(REASON)?;
                }
            }
        }
    }
    Ok(())
}

fn verdict(figures: &Figures, kills: u32) -> Result {
    let mut faults = Vec::new();
    if figures.lost > 0 {
        faults.push(format!("{} confirmed messages are lost", figures.lost));
    }
    if figures.open() > 0 {
        faults.push(format!("{} publishes have not ended", figures.open()));
    }
    if figures.foreign > 0 {
        faults.push(format!("{} deliveries are of messages never sent", figures.foreign));
    }
    if figures.confirmed == 0 || figures.handled == 0 {
        faults.push("nothing was confirmed and handled".to_owned());
    }
    if kills == 0 {
        faults.push("nothing was killed".to_owned());
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ").into()) }
}

#[expect(clippy::print_stdout, reason = "the figures are what the command is for")]
fn println(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: Figures = Figures {
        sent: 10,
        confirmed: 8,
        failed: 2,
        handled: 9,
        duplicates: 3,
        lost: 0,
        foreign: 0,
    };

    #[test]
    fn a_lost_message_is_a_fault_and_a_duplicate_is_none() {
        verdict(&CLEAN, 4).unwrap();
        let fault = |figures: Figures, kills| verdict(&figures, kills).unwrap_err().to_string();
        assert_eq!(fault(Figures { lost: 1, ..CLEAN }, 4), "1 confirmed messages are lost");
        assert_eq!(fault(Figures { failed: 0, ..CLEAN }, 4), "2 publishes have not ended");
        assert!(fault(Figures { foreign: 1, ..CLEAN }, 4).contains("never sent"));
        assert_eq!(fault(CLEAN, 0), "nothing was killed");
        assert!(fault(Figures { handled: 0, ..CLEAN }, 4).contains("nothing was confirmed"));
    }
}
