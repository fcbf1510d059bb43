//! A quorum queue outlives the node that leads it, with all that was confirmed.

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use springhare_tests::{Cluster, NODES, eventually, is_left_out, within_limit};

const QUEUE: &str = "cluster.quorum";

/// How many messages are confirmed before the leader is lost, and how many after.
const MESSAGES: u32 = 100;

#[tokio::test]
async fn a_quorum_queue_outlives_its_leader() {
    if is_left_out() {
        return;
    }
    let mut cluster = Cluster::up().unwrap();
    let nodes = [1, 2, 3].map(|number| cluster.node(number).unwrap().clone());
    for node in &nodes {
        assert_eq!(node.running_nodes().unwrap().len(), NODES);
    }
    let processes = [1, 2, 3].map(|number| cluster.process(number).unwrap().id());
    let url = cluster.url();
    assert_eq!(url, cluster.addresses().map(|at| format!("amqp://guest:guest@{at}")).join(","));

    declare(&connect(&cluster, 1).await).await;
    let leader = cluster.leader_of(QUEUE).unwrap();
    let survivor = leader % NODES + 1;
    let connection = connect(&cluster, survivor).await;
    let channel = within_limit("a channel", connection.create_channel()).await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    for number in 0..MESSAGES {
        publish(&channel, number).await;
    }
    cluster.kill(leader).unwrap();
    assert!(cluster.process(leader).is_none());
    assert!(!cluster.node(leader).unwrap().greets());
    for number in MESSAGES..2 * MESSAGES {
        publish(&channel, number).await;
    }
    assert_ne!(cluster.leader_of(QUEUE).unwrap(), leader);
    let running = cluster.node(survivor).unwrap().running_nodes().unwrap();
    assert_eq!(running.len(), NODES - 1, "{running:?}");
    for number in 0..2 * MESSAGES {
        assert_eq!(get(&channel).await, number.to_string());
    }
    drop(connection);

    cluster.start(leader).unwrap();
    assert_eq!(cluster.node(leader).unwrap().running_nodes().unwrap().len(), NODES);
    assert!(cluster.start(NODES + 1).is_err());

    let ids = [1, 2, 3].map(|number| cluster.process(number).unwrap().id());
    assert_eq!((1..=NODES).filter(|number| ids[number - 1] != processes[number - 1]).count(), 1);
    drop(cluster);
    for (node, id) in nodes.iter().zip(ids) {
        assert!(node.find(id).unwrap().is_none(), "{} still runs", node.name());
        assert!(!node.greets());
        assert!(!node.directory().exists());
    }
}

async fn connect(cluster: &Cluster, number: usize) -> Connection {
    let address = cluster.node(number).unwrap().address();
    let url = format!("amqp://guest:guest@{address}/%2f");
    let connecting = Connection::connect(&url, ConnectionProperties::default());
    within_limit("a connection", connecting).await.unwrap()
}

async fn declare(connection: &Connection) {
    let channel = within_limit("a channel", connection.create_channel()).await.unwrap();
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let declaring = channel.queue_declare(QUEUE.into(), options, arguments);
    within_limit("a quorum queue", declaring).await.unwrap();
}

/// Publishes a message and waits until it is confirmed.
async fn publish(channel: &Channel, number: u32) {
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let body = number.to_string();
    let publishing =
        channel.basic_publish("".into(), QUEUE.into(), options, body.as_bytes(), properties);
    let confirmed = within_limit("a confirm", async { publishing.await?.await }).await.unwrap();
    assert!(matches!(confirmed, Confirmation::Ack(None)), "message {number}: {confirmed:?}");
}

async fn get(channel: &Channel) -> String {
    let got = eventually("there is a message", async || {
        let options = BasicGetOptions { no_ack: true };
        channel.basic_get(QUEUE.into(), options).await.unwrap()
    });
    String::from_utf8(got.await.delivery.data).unwrap()
}
