//! Limits, deletions and permissions: what clients are told.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use springhare_broker::{QueueType, UserLimits, VirtualHostLimits};
use springhare_tests::{RabbitMq, eventually, is_left_out, within_limit};

use crate::broker::{Operated, declare};

#[tokio::test]
async fn clients_are_told_the_same() {
    if is_left_out() {
        return;
    }
    let rabbitmq = Operated::RabbitMq(Box::new(RabbitMq::start().unwrap()));
    let (ours, theirs) = (told_by(&Operated::ours()).await, told_by(&rabbitmq).await);
    assert_eq!(ours, theirs);
    assert!(ours.iter().any(|told| told.contains("user connection limit (1) is reached")));
}

/// What a client sees, in order.
async fn told_by(broker: &Operated) -> Vec<String> {
    let mut told = Vec::new();
    broker.set_up(Some(QueueType::Quorum)).await;
    limited_user(broker, &mut told).await;
    limited_host(broker, &mut told).await;
    deleted(broker, &mut told).await;
    told
}

async fn limited_user(broker: &Operated, told: &mut Vec<String>) {
    broker.limit_user(UserLimits { max_connections: Some(1), max_channels: Some(2) }).await;
    let connection = broker.connect().await.unwrap();
    broker.has_counted(1, 0).await;
    told.push(refused(broker).await);
    let one = connection.create_channel().await.unwrap();
    let _other = connection.create_channel().await.unwrap();
    broker.has_counted(1, 2).await;
    close(one).await;
    broker.has_counted(1, 1).await;
    let _again = connection.create_channel().await.unwrap();
    broker.has_counted(1, 2).await;
    told.push(connection.create_channel().await.unwrap_err().to_string());
    broker.has_counted(0, 0).await;
    broker.limit_user(UserLimits { max_connections: Some(0), max_channels: None }).await;
    told.push(refused(broker).await);
    broker.limit_user(UserLimits { max_connections: Some(-1), max_channels: Some(-1) }).await;
}

async fn limited_host(broker: &Operated, told: &mut Vec<String>) {
    broker.limit_host(VirtualHostLimits { max_connections: Some(1), max_queues: Some(1) }).await;
    let connection = broker.connect().await.unwrap();
    broker.has_counted(1, 0).await;
    told.push(refused(broker).await);
    let none = FieldTable::default;
    let mut classic = none();
    classic.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
    for (queue, arguments) in [("a", none()), ("a", none()), ("a", classic), ("b", none())] {
        let channel = connection.create_channel().await.unwrap();
        told.push(declare(&channel, queue, arguments).await);
    }
    broker.limit_host(VirtualHostLimits { max_connections: None, max_queues: Some(0) }).await;
    let channel = connection.create_channel().await.unwrap();
    told.push(declare(&channel, "c", none()).await);
    broker.limit_host(VirtualHostLimits { max_connections: Some(-1), max_queues: Some(-1) }).await;
    let channel = connection.create_channel().await.unwrap();
    told.push(declare(&channel, "b", none()).await);
    told.push(declare(&channel, "", none()).await);
}

async fn deleted(broker: &Operated, told: &mut Vec<String>) {
    let connection = broker.connect().await.unwrap();
    broker.set_permissions("^mine").await;
    let channel = connection.create_channel().await.unwrap();
    told.push(publish(&channel, "amq.fanout").await);
    told.push(publish(&connection.create_channel().await.unwrap(), "mine").await);
    broker.set_permissions(".*").await;
    told.push(publish(&connection.create_channel().await.unwrap(), "amq.fanout").await);
    broker.delete_user().await;
    told.push(closed(&connection).await);
    told.push(refused(broker).await);
    broker.set_up(None).await;
    let connection = broker.connect().await.unwrap();
    broker.delete_host().await;
    told.push(closed(&connection).await);
    told.push(refused(broker).await);
}

async fn refused(broker: &Operated) -> String {
    match broker.connect().await {
        Ok(_) => "connected".to_owned(),
        Err(error) => error,
    }
}

async fn close(channel: Channel) {
    within_limit("a closed channel", channel.close(200, "done".into())).await.unwrap();
}

/// Why the connection was closed.
async fn closed(connection: &Connection) -> String {
    let ended = async || (!connection.status().connected()).then_some(());
    eventually("the connection is closed", ended).await;
    connection.create_channel().await.unwrap_err().to_string()
}

async fn publish(channel: &Channel, exchange: &str) -> String {
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let options = BasicPublishOptions::default();
    let sent = channel
        .basic_publish(exchange.into(), "k".into(), options, b"x", BasicProperties::default())
        .await;
    let confirmed = match sent {
        Ok(confirm) => within_limit("a confirm", confirm).await,
        Err(error) => Err(error),
    };
    match confirmed {
        Ok(Confirmation::Ack(_)) => "confirmed".to_owned(),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.to_string(),
    }
}
