//! What a broker has from the start: definitions, policies, options of virtual hosts.

use springhare_amqp::Message;
use springhare_broker::{
    BasicPublishOptions, Broker, Clock, Error, NoAck, Policy, QueueDeclareOptions, QueueType, User,
    VirtualHostOptions,
};
use std::time::Duration;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const DEFINITIONS: &str = r#"{
    "users": [{"name": "alice", "password": "secret", "tags": ""}],
    "vhosts": [{"name": "orders"}],
    "permissions": [
        {"user": "alice", "vhost": "orders", "configure": "", "write": ".*", "read": ""}
    ],
    "policies": [{
        "vhost": "orders", "name": "short", "pattern": "^o", "definition": {"message-ttl": 1000}
    }],
    "queues": [{"vhost": "orders", "name": "o", "durable": true, "auto_delete": false}],
    "bindings": [{
        "vhost": "orders", "source": "amq.fanout", "destination": "o",
        "destination_type": "queue", "routing_key": ""
    }]
}"#;

#[tokio::test]
async fn definitions_are_there_before_the_first_connection() -> Result {
    let (clock, hand) = Clock::manual();
    let broker = Broker::builder().clock(clock).definitions(DEFINITIONS).start()?;
    let connection = broker.connect_to("orders", "test")?;
    let channel = connection.open_channel()?;
    let publish = || {
        let options = BasicPublishOptions::default();
        channel.basic_publish("amq.fanout", "", options, Message::new("x"))
    };
    publish().await?;
    assert!(channel.basic_get("o", NoAck::Yes).await?.is_some());
    publish().await?;
    hand.advance(Duration::from_millis(1001));
    assert!(channel.basic_get("o", NoAck::Yes).await?.is_none());
    let exported = broker.export_definitions();
    assert!(exported.contains("\"alice\"") && !exported.contains("guest"), "{exported}");
    Ok(())
}

#[tokio::test]
async fn a_policy_that_changes_counts_for_what_waits() -> Result {
    let (clock, hand) = Clock::manual();
    let broker = Broker::builder().clock(clock).start()?;
    let connection = broker.connect("test")?;
    let channel = connection.open_channel()?;
    for queue in ["q", "dead"] {
        channel.queue_declare(queue, QueueDeclareOptions::default()).await?;
    }
    for body in ["a", "b", "c"] {
        let options = BasicPublishOptions::default();
        channel.basic_publish("", "q", options, Message::new(body)).await?;
    }
    let policy = Policy::new("p", "^q$")
        .set("dead-letter-exchange", "")
        .set("dead-letter-routing-key", "dead");
    broker.set_policy("/", policy.clone().set("max-length", 2)).await?;
    let count = async |queue: &str| -> Result<u64> {
        Ok(channel.queue_declare_passive(queue).await?.message_count)
    };
    assert_eq!((count("q").await?, count("dead").await?), (2, 1));
    // How long a message lives is settled when it comes, as on RabbitMQ.
    broker.set_policy("/", policy.set("message-ttl", 10)).await?;
    hand.advance(Duration::from_millis(11));
    assert_eq!((count("q").await?, count("dead").await?), (2, 1));
    channel.queue_purge("q").await?;
    let options = BasicPublishOptions::default();
    channel.basic_publish("", "q", options, Message::new("d")).await?;
    hand.advance(Duration::from_millis(11));
    assert_eq!((count("q").await?, count("dead").await?), (0, 2));
    broker.clear_policy("/", "p").await?;
    Ok(())
}

#[test]
fn what_is_wrong_does_not_start() {
    let builder = Broker::builder().definitions("{\"queues\": [{}]}");
    let Err(Error::Definitions(error)) = builder.start() else { panic!("wrong definitions") };
    assert_eq!(error.faults().len(), 4);
    let wrong = Broker::builder().policy("/", Policy::new("p", "q").set("x", 1)).start();
    assert!(matches!(wrong, Err(Error::Policy { .. })));
    let policy = Policy::new("p", "q").set("max-length", 1);
    let nowhere = Broker::builder().operator_policy("nowhere", policy.clone()).start();
    let text = nowhere.map(drop).unwrap_err().to_string();
    assert!(text.contains("virtual_host(\"nowhere\")"), "{text}");
    assert!(Broker::builder().virtual_host("v").policy("v", policy).start().is_ok());
}

#[tokio::test]
async fn the_example_of_the_documentation_is_imported() -> Result {
    let page = include_str!("../../docs/policies-and-definitions.md");
    let json = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
    let broker = Broker::builder().start()?;
    let imported = broker.import_definitions(json.ok_or("an example")?).await?;
    assert_eq!((imported.queues, imported.policies, imported.permissions), (1, 2, 2));
    assert!(imported.warnings.is_empty(), "{imported:?}");
    Ok(())
}

#[tokio::test]
async fn a_virtual_host_has_options() -> Result {
    let options = || VirtualHostOptions {
        description: "Orders".to_owned(),
        default_queue_type: Some(QueueType::Quorum),
        ..VirtualHostOptions::default()
    };
    let broker = Broker::builder().virtual_host_with("v", options()).start()?;
    let channel = broker.connect_to("v", "test")?.open_channel()?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("q", durable).await?;
    let exported = broker.export_virtual_host("v")?;
    assert!(exported.contains("\"Orders\"") && exported.contains("\"quorum\""), "{exported}");
    assert!(broker.export_virtual_host("w").is_err());
    // Users of this process may be for virtual hosts that definitions bring.
    let alice = User::new("bob", "x").permissions("orders", springhare_broker::Permissions::all());
    assert!(Broker::builder().definitions(DEFINITIONS).user(alice).start().is_ok());
    Ok(())
}
