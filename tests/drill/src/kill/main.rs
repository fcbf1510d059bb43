//! `drill-kill SPRINGHARE ROUNDS SEED`: a durable broker that is killed at random moments, and a
//! ledger of what was promised until then.
//!
//! In each round the broker is started on the same folder, everything in its queues is held against
//! the ledger, clients publish, acknowledge and refuse, and then it gets SIGKILL. The clients are
//! lapin's: nothing here knows how the broker works.
//!
//! `broker` starts and kills, `client` is one client's round, `ledger` what was promised to it,
//! `payload` what a message contains.

mod broker;
mod client;
mod ledger;
mod payload;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;

use broker::Broker;
use client::Client;
use fastrand::Rng;
use futures_util::future::try_join_all;
use ledger::Figures;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The queues that are published to: two classic ones and a quorum queue, each with a copy.
const CLIENTS: [&str; 3] = ["classic", "classic", "quorum"];

/// How long the broker works until it is killed, in milliseconds.
const KILLED_AFTER_MS: std::ops::Range<u64> = 20..400;

#[tokio::main]
async fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, rounds, seed] = &arguments[..] else {
        return Err("usage: drill-kill SPRINGHARE ROUNDS SEED".into());
    };
    let (rounds, seed) = (rounds.parse()?, seed.parse()?);
    drill(&PathBuf::from(program), rounds, seed).await.map_err(|error| {
        let again = "the same seed makes the same choices, though not at the same moments";
        format!("{error}\nseed {seed} ({again})").into()
    })
}

async fn drill(program: &std::path::Path, rounds: u64, seed: u64) -> Result {
    let folder = tempfile::tempdir()?;
    let mut random = Rng::with_seed(seed);
    let mut clients: Vec<Client> = CLIENTS
        .into_iter()
        .enumerate()
        .map(|(number, kind)| Client::new(number, kind, random.fork()))
        .collect();
    for round in 1..=rounds {
        let broker = Broker::start(program, folder.path()).await?;
        let url = broker.url();
        try_join_all(clients.iter_mut().map(|client| client.verify(&url))).await?;
        let is_killed = broker.is_killed();
        let working = clients.iter_mut().map(|client| client.work(&url, &is_killed));
        let until = broker.kill_after(random.u64(KILLED_AFTER_MS));
        // A client's round ends with its connection, which ends with the broker.
        let (killed, worked) = tokio::join!(until, try_join_all(working));
        killed?;
        worked?;
        if round % 10 == 0 || round == rounds {
            say(round, &clients)?;
        }
    }
    let broker = Broker::start(program, folder.path()).await?;
    let url = broker.url();
    try_join_all(clients.iter_mut().map(|client| client.verify(&url))).await?;
    broker.kill_after(0).await?;
    let figures = figures(&clients);
    if figures.confirmed == 0 || figures.acked == 0 || figures.returned == 0 {
        return Err(format!("the drill has shown too little: {figures}").into());
    }
    Ok(())
}

fn figures(clients: &[Client]) -> Figures {
    clients.iter().map(Client::figures).fold(Figures::default(), Figures::plus)
}

fn say(round: u64, clients: &[Client]) -> io::Result<()> {
    writeln!(io::stdout(), "{round:>5} kills; {}", figures(clients))
}
