//! One application on several brokers: each has its own queues, template and replies.

use std::collections::BTreeSet;

use springhare::prelude::*;
use springhare::{ApplicationEvent, Error, ListenerSettings, Startup};
use springhare_broker::{Broker, QueueDeclareOptions, QueueDeleteOptions};
use springhare_tests::eventually;

use crate::support::{Tell, arrives, broker, refused, telling};

#[rabbit_listener(id = "orders", queue = "work")]
async fn orders(text: Text, seen: State<Tell<String>>) {
    seen.tell(format!("main: {}", text.0));
}

#[rabbit_listener(id = "invoices", queue = "work", broker = "billing")]
async fn invoices(
    text: Text,
    rabbit: RabbitTemplate,
    seen: State<Tell<String>>,
) -> ListenerResult<Option<String>> {
    seen.tell(format!("billing: {}", text.0));
    match text.0.as_str() {
        "bad" => Err(ListenerError::fatal("no such account")),
        "call" => Ok(Some("paid".to_owned())),
        other => {
            rabbit.convert_and_send("receipts", other).await?;
            Ok(None)
        }
    }
}

/// A broker of its own, whatever the clock says.
fn another() -> Broker {
    Broker::builder().start().unwrap()
}

async fn has(broker: &Broker, queue: &str) -> bool {
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    channel.queue_declare_passive(queue).await.is_ok()
}

async fn consumers(broker: &Broker, queue: &str) -> u64 {
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    channel.queue_declare_passive(queue).await.unwrap().consumer_count
}

#[tokio::test]
async fn a_queue_of_one_name_on_two_brokers_is_two_queues() {
    let (main, billing) = (another(), another());
    let (seen, mut told) = telling::<String>();
    let app = Springhare::builder()
        .broker(main.clone())
        .named_broker("billing", |it| {
            it.broker(billing.clone()).declare(Queue::durable("receipts"))
        })
        .listeners(listeners![orders, invoices])
        .manage(seen)
        .start()
        .await
        .unwrap();
    let (here, there) = (app.rabbit_template(), app.broker("billing").unwrap().rabbit_template());
    here.convert_and_send("work", "tea").await.unwrap();
    assert_eq!(told.next().await, "main: tea");
    there.convert_and_send("work", "tea").await.unwrap();
    assert_eq!(told.next().await, "billing: tea");
    // A listener's template, its replies and its failures are on its own broker.
    assert_eq!(arrives(&there, "receipts").await.body, "tea");
    let answer: String = there.convert_send_and_receive("work", "call").await.unwrap();
    assert_eq!(answer, "paid");
    there.convert_and_send("work", "bad").await.unwrap();
    arrives(&there, "work.error").await;
    for queue in ["receipts", "work.error"] {
        assert!(has(&billing, queue).await && !has(&main, queue).await, "{queue}");
    }
    assert_eq!((consumers(&main, "work").await, consumers(&billing, "work").await), (1, 1));
    app.stop().await.unwrap();
    assert_eq!((consumers(&main, "work").await, consumers(&billing, "work").await), (0, 0));
    for template in [here, there] {
        assert!(matches!(template.convert_and_send("work", "x").await, Err(Error::Stopped)));
    }
}

#[tokio::test]
async fn each_broker_has_its_admin_and_the_health_of_its_own_listeners() {
    let (main, billing) = (another(), another());
    let app = Springhare::builder()
        .broker(main.clone())
        .named_broker("billing", |it| it.broker(billing.clone()))
        .listeners(listeners![orders, invoices])
        .manage(telling::<String>().0)
        .start()
        .await
        .unwrap();
    let handle = app.broker("billing").unwrap();
    handle.admin().declare(Queue::durable("receipts")).await.unwrap();
    assert!(has(&billing, "receipts").await && !has(&main, "receipts").await);
    let ids = |health: springhare::Health| -> Vec<String> {
        health.listeners().iter().map(|one| one.id().to_owned()).collect()
    };
    assert_eq!(ids(handle.health()), ["invoices"]);
    assert_eq!(ids(app.broker("rabbitmq").unwrap().health()), ["orders"]);
    assert_eq!(ids(app.health()), ["invoices", "orders"]);
    let unknown = app.broker("biling").unwrap_err();
    assert!(matches!(&unknown, Error::UnknownBroker { name } if name == "biling"), "{unknown}");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn settings_say_where_a_broker_is_and_which_one_a_listener_has() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("springhare.toml");
    let text = "[brokers.billing]\nurl = \"embedded:\"\ntemplate.exchange = \"shop\"\n\
                [listener.orders]\nbroker = \"audit\"\n";
    std::fs::write(&path, text).unwrap();
    let (seen, mut told) = telling::<String>();
    let app = Springhare::builder()
        .config(path)
        .environment([("SPRINGHARE_BROKERS_AUDIT_URL", "embedded:")])
        .named_broker("billing", |it| {
            let queue = Binding::queue("work").to("shop").with("invoice.*");
            it.declare(Exchange::topic("shop")).declare(queue).declare(Queue::durable("receipts"))
        })
        .listeners(listeners![orders, invoices])
        .manage(seen)
        .start()
        .await
        .unwrap();
    let template = |name| app.broker(name).unwrap().rabbit_template();
    template("audit").convert_and_send("work", "tea").await.unwrap();
    assert_eq!(told.next().await, "main: tea");
    template("billing").convert_and_send("invoice.new", "call").await.unwrap();
    assert_eq!(told.next().await, "billing: call");
    // The default route is a broker's own.
    assert!(app.rabbit_template().convert_and_send("work", "x").await.is_err());
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_there_is_not_is_told_with_what_was_meant() {
    let builder = Springhare::builder()
        .environment([
            ("SPRINGHARE_LISTENER_INVOICES_BROKER", "billling"),
            ("SPRINGHARE_BROKERS_BILING_URL", "embedded:"),
            ("SPRINGHARE_BROKERS_BILLING_PORT", "many"),
        ])
        .named_broker("billing", |it| it.url("embedded:"))
        .named_broker("", |it| it)
        .named_broker("rabbitmq", |it| it)
        .listeners(listeners![invoices])
        .manage(telling::<String>().0);
    let text = refused(builder).await;
    for words in [
        "brokers.rs:17: listener `invoices`: there is no broker `billling`; did you mean `billing`?",
        "SPRINGHARE_BROKERS_BILING_URL: no broker's name, followed by a key, has this name; the \
         brokers are billing, and the keys url,",
        "SPRINGHARE_BROKERS_BILLING_PORT: `port` is a whole number",
        "`.named_broker(\"\", ..)`: a broker's name is not empty",
        "`.named_broker(\"rabbitmq\", ..)`: `rabbitmq` is the application's own broker",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(text.contains("for 5 reasons"), "{text}");
    let nowhere = Springhare::builder().named_broker("billing", |it| it).listeners(listeners![]);
    let text = refused(nowhere).await;
    assert!(text.contains("nothing says where the broker `billing` is: give"), "{text}");
}

#[tokio::test]
async fn no_broker_is_started_before_each_is_known_to_have_a_place() {
    let folder = tempfile::TempDir::new().unwrap();
    let data = |name: &str| format!("embedded:{}", folder.path().join(name).display());
    let typo = |billing: &'static str| {
        let app = Springhare::builder().listeners(listeners![]).url(data("main"));
        app.named_broker("billing", move |it| it.url(billing))
    };
    let text = refused(typo("ampq://billing.example")).await;
    assert!(text.contains("`.named_broker(\"billing\", ..)`: `url`: "), "{text}");
    let builder = Springhare::builder().listeners(listeners![]).url(data("main")).environment([
        ("SPRINGHARE_BROKERS_AUDIT_URL", data("audit")),
        ("SPRINGHARE_BROKERS_BILLING_URL", "amqp://billing.example:many".to_owned()),
    ]);
    let builder = builder.named_broker("audit", |it| it).named_broker("billing", |it| it);
    let text = refused(builder).await;
    assert!(text.contains("SPRINGHARE_BROKERS_BILLING_URL: `url`: "), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a folder was made");
    // One that can't be started takes along those that were.
    let other = Broker::builder().data(folder.path().join("billing")).start().unwrap();
    let both = || {
        let app = Springhare::builder().listeners(listeners![]).url(data("main"));
        app.named_broker("billing", |it| it.url(data("billing")))
    };
    let text = refused(both()).await;
    assert!(text.contains("broker `billing`: the embedded broker could not start: "), "{text}");
    other.stop();
    both().start().await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn a_start_that_fails_on_one_broker_leaves_nothing_on_the_others() {
    let (main, billing) = (another(), another());
    let channel = billing.connect("rival").unwrap().open_channel().unwrap();
    channel.queue_declare("work", QueueDeclareOptions::default()).await.unwrap();
    let builder = Springhare::builder()
        .broker(main.clone())
        .named_broker("billing", |it| it.broker(billing.clone()))
        .listeners(listeners![orders, invoices])
        .manage(telling::<String>().0);
    let text = refused(builder).await;
    assert!(text.contains("listener `invoices`"), "{text}");
    assert!(!has(&main, "work").await);
}

#[tokio::test]
async fn what_happens_and_what_is_wrong_says_on_which_broker() {
    let (main, billing) = (another(), another());
    let app = |listeners| {
        let app = Springhare::builder().environment([("A", "b")]).broker(main.clone());
        let app = app.named_broker("billing", |it| it.broker(billing.clone()));
        app.listeners(listeners).manage(telling::<String>().0)
    };
    let builder = app(listeners![orders, invoices]);
    let mut events = builder.events();
    let running = builder.start().await.unwrap();
    running.stop().await.unwrap();
    let (mut opened, mut started) = (BTreeSet::new(), BTreeSet::new());
    while let Some(event) = events.next().await {
        match event {
            ApplicationEvent::ConnectionOpened { broker, connection, .. } => {
                opened.insert(format!("{broker}'s {connection}"));
            }
            ApplicationEvent::ConsumerStarted { broker, listener, .. } => {
                started.insert(format!("{listener} on {broker}"));
            }
            _ => {}
        }
    }
    let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>();
    let connections = [
        "billing's listeners",
        "billing's publisher",
        "rabbitmq's listeners",
        "rabbitmq's publisher",
    ];
    assert_eq!(names(&opened), connections);
    assert_eq!(names(&started), ["invoices on billing", "orders on rabbitmq"]);
    let channel = billing.connect("rival").unwrap().open_channel().unwrap();
    channel.queue_delete("work", QueueDeleteOptions::default()).await.unwrap();
    channel.queue_declare("work", QueueDeclareOptions::default()).await.unwrap();
    let text = refused(app(listeners![orders, invoices])).await;
    assert!(text.contains("broker `billing`: ") && !text.contains("broker `rabbitmq`"), "{text}");
    // Who joins is told so, too.
    let running = app(listeners![orders]).start().await.unwrap();
    let late = Listener::queue("work").id("late").broker("billing").handler(|| async {});
    let error = running.listeners().add(late).await.unwrap_err().to_string();
    assert!(error.contains("broker `billing`: "), "{error}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_is_only_sent_to_is_part_of_the_health() {
    let main = another();
    let app = Springhare::builder()
        .broker(main)
        .named_broker("billing", |it| it.url("amqp://127.0.0.1:1").startup(Startup::Background))
        .listeners(listeners![orders])
        .manage(telling::<String>().0)
        .start()
        .await
        .unwrap();
    let health = eventually("why the other is down", async || {
        let health = app.health();
        health.to_string().contains("cannot connect").then_some(health)
    });
    let health = health.await;
    assert!(!health.is_up());
    let text = health.to_string();
    assert!(text.starts_with("down: broker `billing` is away: "), "{text}");
    let brokers = health.brokers().iter().map(|broker| (broker.name(), broker.is_up()));
    assert_eq!(brokers.collect::<Vec<_>>(), [("rabbitmq", true), ("billing", false)]);
    assert_eq!(health.listeners()[0].broker(), "rabbitmq");
    assert!(app.broker("rabbitmq").unwrap().health().is_up());
    assert!(!app.broker("billing").unwrap().health().is_up());
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_is_not_awaited_keeps_no_other_from_starting() {
    let (main, _hand) = broker();
    let (seen, mut told) = telling::<String>();
    let app = Springhare::builder()
        .broker(main)
        .named_broker("billing", |it| {
            // Nobody listens on the port of no service.
            it.url("amqp://127.0.0.1:1").startup(Startup::Background)
        })
        .listeners(listeners![orders, invoices])
        .manage(seen)
        .start()
        .await
        .unwrap();
    app.rabbit_template().convert_and_send("work", "tea").await.unwrap();
    assert_eq!(told.next().await, "main: tea");
    assert!(app.broker("rabbitmq").unwrap().health().is_up());
    let health = eventually("why the other is down", async || {
        let health = app.broker("billing").unwrap().health().to_string();
        health.contains("cannot connect").then_some(health)
    });
    let health = health.await;
    assert!(health.contains("to broker `billing` (amqp://127.0.0.1:1"), "{health}");
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "lost-invoices", fault_of = "work")]
async fn lost(fault: Fault<Text>, seen: State<Tell<String>>) {
    seen.tell(format!("lost: {}", fault.payload.unwrap().0));
}

#[tokio::test]
async fn a_listener_of_faults_reads_them_where_they_are() {
    let (main, billing, audit) = (another(), another(), another());
    let app = |listeners| {
        let app = Springhare::builder().environment([("A", "b")]).broker(main.clone());
        let app = app.named_broker("billing", |it| it.broker(billing.clone()));
        app.named_broker("audit", |it| it.broker(audit.clone())).listeners(listeners)
    };
    let (seen, mut told) = telling::<String>();
    let both = listeners![invoices, lost];
    // It follows its queue, wherever a setting has that.
    let moved = app(both.clone()).listener("invoices", |invoices| invoices.broker("audit"));
    let moved = moved.manage(seen).start().await.unwrap();
    let rabbit = moved.broker("audit").unwrap().rabbit_template();
    rabbit.convert_and_send("work", "bad").await.unwrap();
    assert_eq!(told.next().await, "billing: bad");
    assert_eq!(told.next().await, "lost: bad");
    moved.stop().await.unwrap();
    assert!(!has(&main, "work.error").await && !has(&billing, "work.error").await);
    // Those of another program it reads where it is told to. It can't guess which of two is meant.
    let elsewhere = app(both.clone()).listener("lost-invoices", |lost| lost.broker("audit"));
    let elsewhere = elsewhere.manage(telling::<String>().0).start().await.unwrap();
    assert_eq!(consumers(&audit, "work.error").await, 1);
    elsewhere.stop().await.unwrap();
    // A profile that it names is such a word, one that all have is none.
    let profile = |name: &'static str| move |it: ListenerSettings| it.profile(name);
    let audited = || app(both.clone()).profile("audited", |it| it.broker("audit"));
    let named = audited().listener("lost-invoices", profile("audited"));
    let named = named.manage(telling::<String>().0).start().await.unwrap();
    assert_eq!(consumers(&audit, "work.error").await, 1);
    named.stop().await.unwrap();
    let of_all = audited().listener_defaults(profile("audited"));
    let of_all = of_all.manage(telling::<String>().0).start().await.unwrap();
    assert_eq!(consumers(&billing, "work.error").await, 1);
    of_all.stop().await.unwrap();
    let two = app(listeners![orders, invoices, lost]).manage(telling::<String>().0);
    let text = refused(two).await;
    assert!(text.contains("which is there on the brokers `billing` and `rabbitmq`"), "{text}");
    // So does one that joins.
    let joined = app(listeners![invoices]).manage(telling::<String>().0).start().await.unwrap();
    joined.listeners().add_all(listeners![lost]).await.unwrap();
    assert_eq!(consumers(&billing, "work.error").await, 1);
    joined.stop().await.unwrap();
}

#[tokio::test]
async fn a_description_tells_which_broker_has_what() {
    let described = Springhare::builder()
        .named_broker("billing", |it| it.url("embedded:").declare(Queue::durable("receipts")))
        .listeners(listeners![orders, invoices])
        .manage(telling::<String>().0)
        .describe()
        .unwrap();
    let table = described.to_string();
    let (main, billing) = table.split_once("BROKER billing\n").unwrap();
    assert!(main.starts_with("BROKER rabbitmq\n") && main.contains("orders"), "{table}");
    assert!(!main.contains("receipts") && billing.contains("receipts"), "{table}");
    assert!(billing.contains("invoices"), "{table}");
    let mermaid = described.mermaid();
    assert!(mermaid.contains("subgraph b1[\"billing\"]"), "{mermaid}");
    let nodes: Vec<&str> = mermaid.lines().filter(|line| line.contains("[(\"")).collect();
    let names: BTreeSet<&str> = nodes.iter().map(|node| node.split('[').next().unwrap()).collect();
    assert_eq!(names.len(), nodes.len(), "each node has a name of its own: {mermaid}");
    let document = described.asyncapi("Shop", "1.0.0");
    assert_eq!(document["servers"]["billing"]["protocol"], "amqp");
    let channel = |operation: &str| {
        let reference = document["operations"][operation]["channel"]["$ref"].as_str().unwrap();
        let key = reference.rsplit('/').next().unwrap().to_owned();
        document["channels"][key]["servers"][0]["$ref"].as_str().unwrap().to_owned()
    };
    assert_eq!(channel("orders"), "#/servers/rabbitmq");
    assert_eq!(channel("invoices"), "#/servers/billing");
}

#[tokio::test]
async fn a_listener_that_joins_consumes_from_the_broker_that_it_names() {
    let (main, billing) = (another(), another());
    let (seen, mut told) = telling::<String>();
    let app = Springhare::builder()
        .broker(main.clone())
        .named_broker("billing", |it| it.broker(billing.clone()))
        .listeners(listeners![orders])
        .manage(seen)
        .start()
        .await
        .unwrap();
    let late = Listener::queue("late").broker("billing");
    let late = late.handler(|text: Text, seen: State<Tell<String>>| async move {
        seen.tell(text.0);
    });
    let late = app.listeners().add(late).await.unwrap();
    late.add_queues(["later"]).await.unwrap();
    for queue in ["late", "later"] {
        assert_eq!(consumers(&billing, queue).await, 1);
        assert!(!has(&main, queue).await);
        let rabbit = app.broker("billing").unwrap().rabbit_template();
        rabbit.convert_and_send(queue, queue).await.unwrap();
        assert_eq!(told.next().await, queue);
    }
    let taken = Listener::queue("work").id("orders").broker("billing").handler(|| async {});
    let nowhere = Listener::queue("work").broker("nowhere").handler(|| async {});
    for (listener, words) in
        [(taken, "two listeners have the id `orders`"), (nowhere, "no broker `nowhere`")]
    {
        let error = app.listeners().add(listener).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(!has(&billing, "work").await);
    app.listeners().remove("late").await.unwrap();
    assert_eq!(consumers(&billing, "later").await, 0);
    app.stop().await.unwrap();
}
