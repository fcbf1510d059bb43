use serde_json::Value;

use super::super::load::LatencyFigures;
use super::*;

fn options(words: &[&str]) -> Options {
    let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
    Options::parse(&words).unwrap()
}

fn load(scenario: &str, broker: &str, rate: f64, cpu: f64, p50: f64) -> Measurement {
    let outcome = Outcome::Load(LoadFigures {
        rate,
        verified: true,
        broker_cpu_us: cpu,
        client_cpu_us: 0.5,
        latency_us: LatencyFigures { p50, p99: 2.0 * p50 },
        report: Value::Null,
    });
    Measurement { scenario: scenario.to_owned(), broker: broker.to_owned(), repeat: 1, outcome }
}

#[test]
fn messages_are_compared_with_rabbitmq_and_with_the_goals() {
    let options = options(&["--brokers", "springhare,rabbitmq", "--scenarios", "transient-16"]);
    let measurements = [
        load("transient-16", "springhare", 1_200_000.0, 0.4, 900.0),
        load("transient-16", "springhare", 1_000_000.0, 0.56, 900.0),
        load("transient-16", "springhare", 1_100_000.0, 0.6, 900.0),
        load("transient-16", "rabbitmq", 100_000.0, 8.0, 900.0),
    ];
    let text = markdown(&options, &measurements);
    let row = "| transient-16 | springhare | 1,100,000 (1,000,000 - 1,200,000) | 3/3 | 0.56 | 0.50 \
               |  |  | 11.00 | 0.070 |  |";
    assert!(text.contains(row), "{text}");
    assert!(text.contains("| transient-16 | rate | >= 6.0 x | 11.00 x | met |"), "{text}");
    assert!(text.contains("| transient-16 | broker CPU | <= 5 % | 7.0 % | MISSED |"), "{text}");
    assert!(!text.contains("idle"), "{text}");
}

#[test]
fn latencies_are_shown_where_they_are_the_point() {
    let options = options(&["--brokers", "springhare,rabbitmq", "--scenarios", "rpc"]);
    let measurements = [
        load("rpc", "springhare", 20_000.0, 1.0, 50.0),
        load("rpc", "rabbitmq", 6000.0, 10.0, 200.0),
    ];
    let text = markdown(&options, &measurements);
    assert!(text.contains("| 50 | 100 | 3.33 | 0.100 | 0.25 |"), "{text}");
    assert!(text.contains("| rpc | p50 | <= 45 % | 25.0 % | met |"), "{text}");
}

#[test]
fn idle_has_a_table_of_its_own_and_a_failure_a_row() {
    let options = options(&["--brokers", "springhare,rabbitmq", "--scenarios", "acked-16,idle"]);
    let figures =
        IdleFigures { ready_ms: 9.0, start_kb: 9216.0, queue_kb: 3.0, connection_kb: 17.0 };
    let named = |scenario: &str, outcome| Measurement {
        scenario: scenario.to_owned(),
        broker: "springhare".to_owned(),
        repeat: 1,
        outcome,
    };
    let measurements = [
        named("idle", Outcome::Idle(figures)),
        named("acked-16", Outcome::Failed("it was closed".to_owned())),
    ];
    let text = markdown(&options, &measurements);
    assert!(text.contains("| acked-16 | springhare | failed | 0/1 |"), "{text}");
    assert!(text.contains("| springhare | 9.0 (9.0 - 9.0) | 9.0 | 3.0 | 17.0 |"), "{text}");
    assert!(text.contains("| idle | ready | <= 20 ms | 9.0 ms | met |"), "{text}");
    assert!(text.contains("| idle | RSS at start | <= 8 MB | 9.0 MB | MISSED |"), "{text}");
    assert!(text.contains("| idle | a connection | <= 16 KB | 17.0 KB | MISSED |"), "{text}");
}

#[test]
fn thousands_are_told_apart() {
    assert_eq!(grouped(0.5, 2), "0.50");
    assert_eq!(grouped(999.4, 0), "999");
    assert_eq!(grouped(1000.0, 1), "1,000.0");
    assert_eq!(grouped(-123_456.0, 0), "-123,456");
    assert_eq!(grouped(1_234_567.0, 0), "1,234,567");
}
