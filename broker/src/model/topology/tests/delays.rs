//! Exchanges that delay.

use std::time::Duration;

use super::*;
use crate::model::exchange::end_delay;
use crate::model::routes::Delay;

fn delayed(exchange: &str, kind: &str) -> ExchangeDefinition {
    let mut definition = definition(exchange, ExchangeKind::DelayedMessage);
    definition.arguments.insert("x-delayed-type", kind).unwrap();
    definition
}

fn delaying(milliseconds: i32) -> MessageProperties {
    let mut table = FieldTable::new();
    table.insert("x-delay", milliseconds).unwrap();
    with_headers(Some(table))
}

fn of(topology: &Map, exchange: &str, properties: &MessageProperties) -> (Vec<u64>, Vec<Delay>) {
    let mut routes = Routes::default();
    let message = RoutedMessage::new("a.b", &[], properties, || 0);
    topology.route(exchange, &message, &mut routes).unwrap();
    assert!(message.was_looked_at() || routes.delays().is_empty());
    (routes.queues().iter().map(|queue| queue.0).collect(), routes.delays().to_vec())
}

fn delay(exchange: &str, milliseconds: u64) -> Delay {
    Delay { exchange: name(exchange), delay: Duration::from_millis(milliseconds) }
}

#[test]
fn a_message_waits_where_it_is_delayed_and_goes_on_from_there() {
    let mut topology = with_queues(2);
    let mut x = delayed("x", "topic");
    x.arguments.insert("alternate-exchange", "amq.fanout").unwrap();
    topology.add_exchange(x);
    topology.bind(to_queue("amq.fanout", "", "q1")).unwrap();
    assert_eq!(of(&topology, "x", &delaying(5)), (vec![], vec![delay("x", 5)]));
    let mut over = delaying(5);
    end_delay(&mut over);
    assert_eq!(of(&topology, "x", &over), (vec![1], vec![]), "nothing matches when it is due");
    topology.bind(to_queue("x", "a.*", "q0")).unwrap();
    assert_eq!(of(&topology, "x", &over), (vec![0], vec![]));
    assert_eq!(of(&topology, "x", &delaying(-5)), (vec![0], vec![]));
    assert_eq!(of(&topology, "x", &MessageProperties::default()), (vec![0], vec![]));
}

#[test]
fn it_waits_at_each_exchange_that_is_on_its_way() {
    let mut topology = with_queues(2);
    for (exchange, queue) in [("x", "q0"), ("y", "q1")] {
        topology.add_exchange(delayed(exchange, "fanout"));
        topology.bind(to_exchange("amq.fanout", "", exchange)).unwrap();
        topology.bind(to_queue(exchange, "", queue)).unwrap();
    }
    topology.bind(to_queue("amq.fanout", "", "q0")).unwrap();
    let (queues, mut delays) = of(&topology, "amq.fanout", &delaying(7));
    delays.sort_by(|one, other| one.exchange.cmp(&other.exchange));
    assert_eq!((queues, delays), (vec![0], vec![delay("x", 7), delay("y", 7)]));
    let (mut queues, delays) = of(&topology, "amq.fanout", &MessageProperties::default());
    queues.sort_unstable();
    assert_eq!((queues, delays), (vec![0, 1], vec![]));
}
