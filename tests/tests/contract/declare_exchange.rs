//! Declaring and deleting exchanges.

use springhare::connection::Link;
use springhare_amqp::FieldValue;
use springhare_broker::{ExchangeDeclareOptions, IfUnused};

use crate::support::{Scene, table, text};

contract!(
    the_same_again,
    a_property_differs,
    the_alternate_exchange_differs,
    an_unknown_type_closes_the_connection,
    the_predeclared_ones,
    passive_looks_at_the_name_only,
    deleted_if_unused,
    an_internal_exchange_takes_no_publish,
);

type Declaration = (&'static str, ExchangeDeclareOptions);

fn direct() -> Declaration {
    ("direct", ExchangeDeclareOptions::default())
}

fn with_alternate(name: &str) -> Declaration {
    let arguments = table([("alternate-exchange", text(name))]);
    ("direct", ExchangeDeclareOptions { arguments, ..Default::default() })
}

async fn inequivalent(
    scene: &Scene<'_>,
    name: &str,
    first: Declaration,
    second: Declaration,
    difference: &str,
) {
    let exchange = scene.named(name);
    scene.channel.exchange_declare(&exchange, first.0, first.1).await.unwrap();
    let (argument, values) = difference.split_once(": ").unwrap();
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg '{argument}' for exchange '{exchange}' in vhost \
         '/': {values}"
    );
    scene
        .refused(406, &text, async |channel| {
            channel.exchange_declare(&exchange, second.0, second.1).await
        })
        .await;
}

async fn the_same_again(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let options = ExchangeDeclareOptions {
        durable: true,
        auto_delete: true,
        internal: true,
        arguments: table([("x-foo", FieldValue::I32(1))]),
    };
    scene.channel.exchange_declare(scene.name(), "topic", options.clone()).await.unwrap();
    // Arguments that the broker does not know are not compared.
    let again = ExchangeDeclareOptions { arguments: Default::default(), ..options };
    scene.channel.exchange_declare(scene.name(), "topic", again).await.unwrap();
}

async fn a_property_differs(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let none = ExchangeDeclareOptions::default;
    let durable = || ("direct", ExchangeDeclareOptions { durable: true, ..none() });
    let auto_delete = || ("direct", ExchangeDeclareOptions { auto_delete: true, ..none() });
    let internal = || ("direct", ExchangeDeclareOptions { internal: true, ..none() });
    let all = ExchangeDeclareOptions { durable: true, auto_delete: true, internal: true, ..none() };
    let last = ExchangeDeclareOptions { durable: false, ..all.clone() };
    for (name, first, second, difference) in [
        ("a", direct(), ("fanout", none()), "type: received 'fanout' but current is 'direct'"),
        ("b", direct(), durable(), "durable: received 'true' but current is 'false'"),
        ("c", durable(), direct(), "durable: received 'false' but current is 'true'"),
        ("d", direct(), auto_delete(), "auto_delete: received 'true' but current is 'false'"),
        ("e", auto_delete(), direct(), "auto_delete: received 'false' but current is 'true'"),
        ("f", direct(), internal(), "internal: received 'true' but current is 'false'"),
        ("g", internal(), direct(), "internal: received 'false' but current is 'true'"),
        ("h", direct(), ("topic", all), "type: received 'topic' but current is 'direct'"),
        ("i", direct(), ("direct", last), "auto_delete: received 'true' but current is 'false'"),
    ] {
        inequivalent(&scene, name, first, second, difference).await;
    }
}

async fn the_alternate_exchange_differs(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let new = "alternate-exchange: received the value 'a' of type 'longstr' but current is none";
    let gone = "alternate-exchange: received none but current is the value 'a' of type 'longstr'";
    let other = "alternate-exchange: received 'b' but current is 'a'";
    inequivalent(&scene, "new", direct(), with_alternate("a"), new).await;
    inequivalent(&scene, "gone", with_alternate("a"), direct(), gone).await;
    inequivalent(&scene, "other", with_alternate("a"), with_alternate("b"), other).await;
    let name = scene.name();
    let invalid = format!(
        "PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in exchange \
         '{name}' in vhost '/'"
    );
    let arguments = table([("alternate-exchange", FieldValue::I32(5))]);
    let options = ExchangeDeclareOptions { arguments, ..Default::default() };
    scene
        .refused(406, &invalid, async |channel| {
            channel.exchange_declare(name, "direct", options).await
        })
        .await;
}

async fn an_unknown_type_closes_the_connection(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.exchange(scene.name(), "direct").await;
    for (kind, text) in [
        ("nonsense", "COMMAND_INVALID - unknown exchange type 'nonsense'"),
        ("DIRECT", "COMMAND_INVALID - unknown exchange type 'DIRECT'"),
        ("", "COMMAND_INVALID - invalid exchange type ''"),
    ] {
        let name = scene.name();
        scene
            .connection_refused(503, text, async |channel| {
                channel.exchange_declare(name, kind, Default::default()).await
            })
            .await;
    }
}

async fn the_predeclared_ones(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let durable = || ExchangeDeclareOptions { durable: true, ..Default::default() };
    for (exchange, kind) in [
        ("amq.direct", "direct"),
        ("amq.fanout", "fanout"),
        ("amq.topic", "topic"),
        ("amq.headers", "headers"),
        ("amq.match", "headers"),
    ] {
        scene.channel.exchange_declare(exchange, kind, durable()).await.unwrap();
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange '{exchange}' in vhost \
             '/': received 'false' but current is 'true'"
        );
        scene
            .refused(406, &text, async |channel| {
                channel.exchange_declare(exchange, kind, Default::default()).await
            })
            .await;
    }
    scene.channel.exchange_declare_passive("amq.rabbitmq.trace").await.unwrap();
}

async fn passive_looks_at_the_name_only(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.exchange(scene.name(), "fanout").await;
    scene.channel.exchange_declare_passive(scene.name()).await.unwrap();
}

async fn deleted_if_unused(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let exchange = scene.name();
    let in_use = format!("PRECONDITION_FAILED - exchange '{exchange}' in vhost '/' in use");
    let queue = scene.named("queue");
    scene.exchange(exchange, "direct").await;
    scene.queue(&queue).await;
    scene.bind(&queue, exchange, "k").await;
    scene.refused(406, &in_use, async |c| c.exchange_delete(exchange, IfUnused::Yes).await).await;
    scene.channel.queue_delete(&queue, Default::default()).await.unwrap();
    // As a source it is in use, as a destination it is not.
    let no_arguments = Default::default;
    scene.channel.exchange_bind("amq.fanout", exchange, "k", no_arguments()).await.unwrap();
    scene.refused(406, &in_use, async |c| c.exchange_delete(exchange, IfUnused::Yes).await).await;
    scene.channel.exchange_unbind("amq.fanout", exchange, "k", no_arguments()).await.unwrap();
    scene.channel.exchange_bind(exchange, "amq.fanout", "k", no_arguments()).await.unwrap();
    scene.channel.exchange_delete(exchange, IfUnused::Yes).await.unwrap();
}

async fn an_internal_exchange_takes_no_publish(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let internal = ExchangeDeclareOptions { internal: true, ..Default::default() };
    scene.channel.exchange_declare(scene.name(), "fanout", internal).await.unwrap();
    for exchange in [scene.name(), "amq.rabbitmq.trace"] {
        let text = format!(
            "ACCESS_REFUSED - cannot publish to internal exchange '{exchange}' in vhost '/'"
        );
        scene
            .refused(403, &text, async |channel| {
                channel.basic_publish(exchange, "k", Default::default(), Default::default()).await
            })
            .await;
    }
}
