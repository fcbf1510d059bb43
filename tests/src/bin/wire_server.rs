//! Our broker as a process, for the tests of the wire: it prints the address at which it listens,
//! and ends with its standard input. A line `shutdown` there has it end as a broker should.
//!
//! `wire-server [ADDRESS [BYTES]]`: where to listen, a free port of the loopback address unless
//! said otherwise, and the memory mark at which publishers wait. It logs to its standard error
//! what `RUST_LOG` asks for. Users and virtual hosts are those of the RabbitMQ that it is held
//! against.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Duration;

use springhare_broker::{Broker, BrokerConfig, Permissions, TopicPermissions, User};
use springhare_tests::MAX_MESSAGE_SIZE;
use tracing_subscriber::EnvFilter;

/// How long clients have to leave.
const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(io::stderr)
        .init();
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned()).parse()?;
    let mut config = BrokerConfig::default();
    config.max_message_size = MAX_MESSAGE_SIZE;
    if let Some(bytes) = arguments.next() {
        config.memory_high_watermark = bytes.parse()?;
    }
    let mine = || Permissions::new("^mine", "^mine", "^mine");
    let topic =
        |pattern| TopicPermissions { exchange: "mine-topic", write: pattern, read: pattern };
    let limited = User::new("limited", "secret")
        .permissions("/", mine()?)
        .topic_permissions("/", topic("^{username}\\."))?;
    let dotted = User::new("x.y", "secret")
        .permissions("/", mine()?)
        .topic_permissions("/", topic("^{username}$"))?;
    let broker = Broker::builder()
        .config(config)
        .virtual_host("closed")
        .user(limited)
        .user(dotted)
        .user(User::new("outsider", "secret"))
        .listen(address)
        .start()?;
    let address = broker.local_addrs().first().copied().ok_or("it listens nowhere")?;
    writeln!(io::stdout(), "{address}")?;
    let asked = tokio::task::spawn_blocking(|| {
        io::stdin().lock().lines().map_while(Result::ok).any(|line| line == "shutdown")
    });
    if asked.await? {
        broker.shutdown(DEADLINE).await;
    }
    Ok(())
}
