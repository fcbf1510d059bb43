use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt;
use springhare::amqp::client::HandshakeError;
use springhare::amqp::{AmqpError, MethodId, ReplyCode};
use springhare::connection::{
    ConnectError, EmbeddedLink, Link, LinkConnection, LinkError, LinkFuture,
};
use springhare_broker::{Broker, Clock, ManualClock};

/// What the link calls its broker.
pub(crate) const ADDRESS: &str = "switch://broker";

/// A link to a broker in this process that can be taken away and replaced. A clone switches the
/// same link.
#[derive(Debug, Clone)]
pub(crate) struct SwitchLink {
    line: Arc<Mutex<Line>>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Line {
    broker: Option<Broker>,
    login: Login,
    /// With the names that they were asked for by.
    connections: Vec<(String, Arc<dyn LinkConnection>)>,
    /// The names of all connections that were asked for.
    attempts: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Login {
    #[default]
    Accepted,
    Refused,
}

impl SwitchLink {
    /// A link to no broker yet, and the hand that drives its clock.
    pub(crate) fn off() -> (Self, ManualClock) {
        let (clock, hand) = Clock::manual();
        (Self { line: Arc::default(), clock }, hand)
    }

    /// A link to a broker.
    pub(crate) fn on() -> (Self, Broker, ManualClock) {
        let (link, hand) = Self::off();
        let broker = link.new_broker();
        link.connect_to(&broker);
        (link, broker, hand)
    }

    /// A broker that knows nothing, on the link's clock; it is not at the link's end yet.
    pub(crate) fn new_broker(&self) -> Broker {
        Broker::builder().clock(self.clock.clone()).start().unwrap()
    }

    /// The link leads to this broker from now on.
    pub(crate) fn connect_to(&self, broker: &Broker) {
        self.line().broker = Some(broker.clone());
    }

    /// Whoever connects from now on is refused, or not any more.
    pub(crate) fn refuse_logins(&self) {
        self.line().login = Login::Refused;
    }

    pub(crate) fn accept_logins(&self) {
        self.line().login = Login::Accepted;
    }

    /// Ends the broker with everything in it.
    pub(crate) fn kill_broker(&self) {
        let broker = self.line().broker.take();
        broker.unwrap().stop();
    }

    /// Closes all connections, and leads nowhere until it is connected to a broker. The broker lives
    /// on.
    pub(crate) fn take_broker_away(&self) {
        self.line().broker = None;
        self.close_connections();
    }

    /// Closes all connections, as an operator does. The broker lives on.
    pub(crate) fn close_connections(&self) {
        self.close_those_named("");
    }

    /// Closes the connections whose names hold this word.
    pub(crate) fn close_those_named(&self, word: &str) {
        let connections = {
            let mut line = self.line();
            let all = std::mem::take(&mut line.connections);
            let (closed, left) = all.into_iter().partition(|(name, _)| name.contains(word));
            line.connections = left;
            let closed: Vec<(String, Arc<dyn LinkConnection>)> = closed;
            closed
        };
        for (_, connection) in connections {
            connection.close().now_or_never().unwrap().unwrap();
        }
    }

    /// How often the listeners' connection was asked for.
    pub(crate) fn attempts(&self) -> usize {
        self.attempts_of("listeners")
    }

    /// How often the connection was asked for whose name holds this word.
    pub(crate) fn attempts_of(&self, word: &str) -> usize {
        self.line().attempts.iter().filter(|name| name.contains(word)).count()
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap()
    }
}

impl Link for SwitchLink {
    fn describe(&self) -> String {
        ADDRESS.to_owned()
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async move {
            let (broker, login) = {
                let mut line = self.line();
                line.attempts.push(name.to_owned());
                (line.broker.clone(), line.login)
            };
            let error = |source| LinkError::Connect { address: self.describe(), source };
            if login == Login::Refused {
                return Err(error(Arc::new(refused())));
            }
            let absent = std::io::ErrorKind::ConnectionRefused;
            let broker = broker.ok_or_else(|| error(Arc::new(std::io::Error::from(absent))))?;
            let connection = EmbeddedLink::new(broker).connect(name).await?;
            self.line().connections.push((name.to_owned(), Arc::clone(&connection)));
            Ok(connection)
        })
    }
}

/// What a broker says to a wrong password.
fn refused() -> ConnectError {
    let text = "Login was refused using authentication mechanism PLAIN";
    let error = AmqpError::new(ReplyCode::AccessRefused, MethodId::NONE, text);
    ConnectError::CredentialsRefused {
        user: "guest".to_owned(),
        source: HandshakeError::Refused(error),
    }
}
