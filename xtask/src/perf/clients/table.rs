//! What was measured, as Markdown.

use std::fmt::Write;

use super::Measurement;
use super::goals::{Bound, GOALS, Goal};
use super::options::{Client, Options, Task};
use super::run::Figures;
use crate::perf::statistics::Spread;
use crate::perf::table::{range, shown};

const HEAD: &str = "\
| broker | task | client | rate/s, median (min - max) | verified | client CPU us | broker CPU us \
| rate vs lapin | rate vs amqprs | rate vs load |
|---|---|---|---|---|---|---|---|---|---|
";
const GOALS_HEAD: &str = "
| broker | task | client | goal | measured | |
|---|---|---|---|---|---|
";

/// The tables: figures, goals.
pub(super) fn markdown(options: &Options, measurements: &[Measurement]) -> String {
    let all = All { measurements };
    let mut text = HEAD.to_owned();
    for broker in &options.brokers {
        for (task, client) in options.pairs() {
            text += &all.row(&broker.name, task, client);
        }
    }
    let goals: String = GOALS.into_iter().filter_map(|goal| all.goal_row(goal)).collect();
    if !goals.is_empty() {
        text += GOALS_HEAD;
        text += &goals;
    }
    text
}

struct All<'a> {
    measurements: &'a [Measurement],
}

impl All<'_> {
    fn of(&self, broker: &str, task: Task, client: Client) -> impl Iterator<Item = &Measurement> {
        self.measurements.iter().filter(move |measurement| {
            measurement.broker == broker && measurement.task == task && measurement.client == client
        })
    }

    fn spread(
        &self,
        broker: &str,
        task: Task,
        client: Client,
        figure: fn(&Figures) -> f64,
    ) -> Option<Spread> {
        let figures = self.of(broker, task, client).filter_map(|run| run.figures.as_ref().ok());
        Spread::of(figures.map(figure))
    }

    fn median(
        &self,
        broker: &str,
        task: Task,
        client: Client,
        figure: fn(&Figures) -> f64,
    ) -> Option<f64> {
        self.spread(broker, task, client, figure).map(|spread| spread.median)
    }

    /// The client's median rate of another's.
    fn ratio(&self, broker: &str, task: Task, client: Client, other: Client) -> Option<f64> {
        let rate = |client| self.median(broker, task, client, |figures| figures.rate);
        Some(rate(client)? / rate(other).filter(|rate| *rate > 0.0)?)
    }

    fn row(&self, broker: &str, task: Task, client: Client) -> String {
        let total = self.of(broker, task, client).count();
        let sound = self.of(broker, task, client).filter(|run| run.is_sound()).count();
        let rate = self.spread(broker, task, client, |figures| figures.rate);
        let rate = rate.map_or_else(|| "failed".to_owned(), |rate| range(rate, 0));
        let client_cpu = self.median(broker, task, client, |figures| figures.client_cpu_us);
        let broker_cpu = self.median(broker, task, client, |figures| figures.broker_cpu_us);
        let ratio = |other| shown(self.ratio(broker, task, client, other), 2);
        format!(
            "| {broker} | {task} | {client} | {rate} | {sound}/{total} | {} | {} | {} | {} | {} |\n",
            shown(client_cpu, 2),
            shown(broker_cpu, 2),
            ratio(Client::Lapin),
            ratio(Client::Amqprs),
            ratio(Client::Load),
        )
    }

    /// None when there is nothing to compare with.
    fn goal_row(&self, Goal { broker, task, client, bound }: Goal) -> Option<String> {
        let mut measured = String::new();
        let is_met = match bound {
            Bound::Times(least, other) => {
                let ratio = self.ratio(broker, task, client, other)?;
                let _ = write!(measured, "{ratio:.2} x");
                ratio >= least
            }
            Bound::Cpu(most) => {
                let cpu = self.median(broker, task, client, |figures| figures.client_cpu_us)?;
                let _ = write!(measured, "{cpu:.2} us");
                cpu <= most
            }
        };
        let met = if is_met { "met" } else { "MISSED" };
        Some(format!("| {broker} | {task} | {client} | {bound} | {measured} | {met} |\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(client: Client, rate: f64, client_cpu_us: f64) -> Measurement {
        let figures = Figures { rate, faults: 0, client_cpu_us, broker_cpu_us: 9.0 };
        let broker = "rabbitmq".to_owned();
        Measurement { broker, task: Task::AckEach, client, figures: Ok(figures) }
    }

    fn table(measurements: &[Measurement]) -> String {
        let words = ["--brokers", "rabbitmq", "--tasks", "ack-each"].map(str::to_owned);
        markdown(&Options::parse(&words).unwrap(), measurements)
    }

    #[test]
    fn goals_are_held_against_the_medians_of_the_run() {
        let table = table(&[
            measurement(Client::Springhare, 50_000.0, 5.0),
            measurement(Client::Springhare, 10.0, 500.0),
            measurement(Client::Springhare, 60_000.0, 5.5),
            measurement(Client::Lapin, 20_000.0, 40.0),
            measurement(Client::Amqprs, 60_000.0, 10.0),
        ]);
        for line in [
            "| rabbitmq | ack-each | springhare | 50,000 (10 - 60,000) | 3/3 | 5.50 | 9.00 | 2.50 |",
            "| rabbitmq | ack-each | springhare | rate >= 2.0 x lapin | 2.50 x | met |",
            "| rabbitmq | ack-each | springhare | rate >= 1.0 x amqprs | 0.83 x | MISSED |",
            "| rabbitmq | ack-each | springhare | client CPU <= 6.0 us | 5.50 us | met |",
        ] {
            assert!(table.contains(line), "{line}\n{table}");
        }
    }

    #[test]
    fn what_failed_is_told_and_has_no_goals() {
        let failed = Measurement {
            figures: Err("gone".to_owned()),
            ..measurement(Client::Springhare, 0.0, 0.0)
        };
        let table = table(&[failed]);
        assert!(table.contains("| rabbitmq | ack-each | springhare | failed | 0/1 |"), "{table}");
        assert!(!table.contains("goal"), "{table}");
    }
}
