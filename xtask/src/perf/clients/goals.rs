//! What our client has to reach, of others in the same run and absolutely.

use std::fmt;

use super::options::{Client, Task};

/// Where the goal is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound {
    /// A rate of at least so many times this client's.
    Times(f64, Client),
    /// CPU time of at most so many microseconds a message.
    Cpu(f64),
}

/// A goal of ours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Goal {
    pub(super) broker: &'static str,
    pub(super) task: Task,
    pub(super) client: Client,
    pub(super) bound: Bound,
}

const fn goal(broker: &'static str, task: Task, client: Client, bound: Bound) -> Goal {
    Goal { broker, task, client, bound }
}

const RABBITMQ: &str = "rabbitmq";
const OURS: &str = "springhare";

pub(super) const GOALS: [Goal; 12] = {
    use Bound::{Cpu, Times};
    use Client::{Amqprs, Lapin, Load, Springhare, SpringhareManual};
    use Task::{AckEach, AutoAck, Confirm1000};
    [
        goal(RABBITMQ, AutoAck, Springhare, Times(1.0, Amqprs)),
        goal(RABBITMQ, AutoAck, Springhare, Times(2.0, Lapin)),
        goal(RABBITMQ, AutoAck, Springhare, Cpu(4.0)),
        goal(RABBITMQ, AckEach, Springhare, Times(1.0, Amqprs)),
        goal(RABBITMQ, AckEach, Springhare, Times(2.0, Lapin)),
        goal(RABBITMQ, AckEach, Springhare, Cpu(6.0)),
        goal(RABBITMQ, AckEach, SpringhareManual, Times(1.0, Amqprs)),
        goal(RABBITMQ, AckEach, SpringhareManual, Times(2.0, Lapin)),
        goal(RABBITMQ, AckEach, SpringhareManual, Cpu(6.0)),
        goal(RABBITMQ, Confirm1000, Springhare, Times(1.0, Load)),
        goal(OURS, AckEach, Springhare, Times(5.0, Lapin)),
        goal(OURS, AckEach, SpringhareManual, Times(5.0, Lapin)),
    ]
};

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(least, client) => write!(f, "rate >= {least:.1} x {client}"),
            Self::Cpu(most) => write!(f, "client CPU <= {most:.1} us"),
        }
    }
}
