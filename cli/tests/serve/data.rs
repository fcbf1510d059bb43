//! What is in the data folder survives the server, however it ends.

use std::path::Path;

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use rustix::process::Signal;

use crate::harness::{Springhare, within_limit};

const PERSISTENT: u8 = 2;
const MESSAGES: usize = 200;

/// A server on this folder, with these arguments besides.
fn serve(folder: &Path, arguments: &[&str]) -> Springhare {
    Springhare::serve(&[&["--data", folder.to_str().unwrap()], arguments].concat())
}

async fn connect(server: &mut Springhare, user: &str) -> Connection {
    let url = format!("amqp://{user}@{}", server.address().await);
    let connecting = Connection::connect(&url, ConnectionProperties::default());
    within_limit("a connection", connecting).await.unwrap()
}

/// A channel that confirms, and the durable queue `q`.
async fn open(connection: &Connection) -> Channel {
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    within_limit("a queue", channel.queue_declare("q".into(), durable, FieldTable::default()))
        .await
        .unwrap();
    channel
}

/// Publishes this number; its confirm comes later.
async fn publish(channel: &Channel, number: usize) -> impl Future<Output = bool> + use<> {
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let options = BasicPublishOptions::default();
    let body = number.to_string();
    let confirm =
        channel.basic_publish("".into(), "q".into(), options, body.as_bytes(), properties);
    let confirm = confirm.await;
    async move {
        let Ok(confirm) = confirm else { return false };
        matches!(confirm.await, Ok(Confirmation::Ack(_)))
    }
}

/// Takes all numbers out of the queue.
async fn drain(channel: &Channel) -> Vec<usize> {
    let mut numbers = Vec::new();
    let options = BasicGetOptions { no_ack: true };
    while let Some(got) =
        within_limit("a message", channel.basic_get("q".into(), options)).await.unwrap()
    {
        numbers.push(std::str::from_utf8(&got.data).unwrap().parse().unwrap());
    }
    numbers
}

#[tokio::test]
async fn what_was_confirmed_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve(folder.path(), &[]);
    let connection = connect(&mut server, "guest:guest").await;
    let channel = open(&connection).await;
    let mut confirms = Vec::new();
    for number in 0..MESSAGES {
        confirms.push(publish(&channel, number).await);
    }
    let mut confirmed = 0;
    for confirm in confirms.drain(..MESSAGES / 2) {
        confirmed += usize::from(within_limit("a confirm", confirm).await);
    }
    assert_eq!(confirmed, MESSAGES / 2);
    server.signal(Signal::KILL);
    assert_eq!(server.ended().await.code, None);
    for confirm in confirms {
        confirmed += usize::from(within_limit("a confirm or none", confirm).await);
    }

    let mut server = serve(folder.path(), &[]);
    let connection = connect(&mut server, "guest:guest").await;
    let numbers = drain(&open(&connection).await).await;
    assert!(numbers.len() >= confirmed, "{confirmed} were confirmed: {numbers:?}");
    assert!(numbers.iter().copied().eq(0..numbers.len()), "in their order: {numbers:?}");
    server.logged("recovered after a crash").await;
    assert_eq!(server.terminated().await.code, Some(0));

    let mut server = serve(folder.path(), &[]);
    let connection = connect(&mut server, "guest:guest").await;
    assert_eq!(drain(&open(&connection).await).await, [0; 0], "the acknowledgements were kept");
    server.logged("recovered after an orderly stop").await;
}

#[tokio::test]
async fn users_of_the_definitions_stay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("definitions.json");
    let json = r#"{
        "users": [{"name": "alice", "password": "secret", "tags": ""}],
        "permissions": [{"user": "alice", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}]
    }"#;
    std::fs::write(&file, json).unwrap();
    let data = folder.path().join("data");
    let mut server = serve(&data, &["--definitions", file.to_str().unwrap()]);
    let connection = connect(&mut server, "alice:secret").await;
    open(&connection).await;
    server.logged("a new data folder").await;
    server.signal(Signal::KILL);
    server.ended().await;

    let mut server = serve(&data, &[]);
    let connection = connect(&mut server, "alice:secret").await;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let channel = connection.create_channel().await.unwrap();
    channel.queue_declare("q".into(), passive, FieldTable::default()).await.unwrap();
}

#[tokio::test]
async fn a_folder_is_said_to_be_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve(folder.path(), &["--durability", "os"]);
    let line = server.ready_line().await;
    let expected = format!(" (data in {})\n", folder.path().display());
    assert!(line.ends_with(&expected), "{line}");
    let refused = serve(folder.path(), &[]).ended().await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("is in use by another process"), "{}", refused.stderr);
    assert_eq!(server.terminated().await.code, Some(0));
    let mut again = serve(folder.path(), &[]);
    again.ready_line().await;
}

#[tokio::test]
async fn a_server_whose_store_has_failed_ends_with_1_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = serve(&data, &[]);
    let connection = connect(&mut server, "guest:guest").await;
    let channel = open(&connection).await;
    std::fs::remove_dir_all(&data).unwrap();
    // More than the segments that are there have room for.
    let body = vec![0; 20 << 20];
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    for _ in 0..2 {
        let options = BasicPublishOptions::default();
        let _ =
            channel.basic_publish("".into(), "q".into(), options, &body, properties.clone()).await;
    }
    server.logged("the store has failed").await;
    let ended = server.terminated().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("the store has failed"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_durability_without_a_folder_is_refused() {
    let ended = Springhare::run(&["serve", "--durability", "os"]).ended().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("a durability needs a data folder"), "{}", ended.stderr);
}
