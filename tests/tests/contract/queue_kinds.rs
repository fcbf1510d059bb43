//! What queues of each type are declared with.

use springhare::connection::Link;
use springhare_amqp::FieldValue;
use springhare_broker::{QosScope, QueueDeclareOptions};

use crate::features::{number, quorum, stream};
use crate::support::{Scene, arguments, text};

contract!(
    properties_that_a_replicated_queue_has_not,
    arguments_that_a_stream_has_not,
    arguments_that_a_quorum_queue_has_not,
    arguments_that_only_a_stream_has,
    arguments_of_a_stream,
    ages,
    an_age_that_is_none,
    a_channels_prefetch_and_a_quorum_queue,
);

contract_beyond!(
    an_age_that_makes_no_sense > "RabbitMQ 3.10 closes the connection with an internal error",
);

async fn refused(scene: &Scene<'_>, options: QueueDeclareOptions, fault: &str) {
    let queue = scene.name();
    let text = fault.replacen('Q', &format!("queue '{queue}' in vhost '/'"), 1);
    let text = format!("PRECONDITION_FAILED - {text}");
    scene.refused(406, &text, async |channel| channel.queue_declare(queue, options).await).await;
}

async fn properties_that_a_replicated_queue_has_not(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for (kind, options) in [("quorum", quorum([])), ("stream", stream([]))] {
        let transient = QueueDeclareOptions { durable: false, ..options.clone() };
        refused(&scene, transient, "invalid property 'non-durable' for Q").await;
        let exclusive = QueueDeclareOptions { exclusive: true, ..options.clone() };
        refused(&scene, exclusive, "invalid property 'exclusive-owner' for Q").await;
        let auto_delete = QueueDeclareOptions { auto_delete: true, ..options.clone() };
        refused(&scene, auto_delete, "invalid property 'auto-delete' for Q").await;
        let text = format!(
            "PRECONDITION_FAILED - Cannot declare a server-named queue for type \
             rabbit_{kind}_queue"
        );
        scene.refused(406, &text, async |channel| channel.queue_declare("", options).await).await;
    }
}

async fn arguments_that_a_stream_has_not(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for (argument, value) in [
        ("x-message-ttl", number(5)),
        ("x-expires", number(5)),
        ("x-max-length", number(5)),
        ("x-max-priority", number(5)),
        ("x-delivery-limit", number(5)),
        ("x-overflow", text("drop-head")),
        ("x-dead-letter-exchange", text("x")),
        ("x-single-active-consumer", FieldValue::Boolean(true)),
        ("x-queue-mode", text("lazy")),
    ] {
        let fault = format!("invalid arg '{argument}' for Q of queue type rabbit_stream_queue");
        refused(&scene, stream([(argument, value)]), &fault).await;
    }
}

async fn arguments_that_a_quorum_queue_has_not(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for (argument, value) in [("x-max-priority", number(5)), ("x-max-age", text("1D"))] {
        let fault = format!("invalid arg '{argument}' for Q of queue type rabbit_quorum_queue");
        refused(&scene, quorum([(argument, value)]), &fault).await;
    }
}

async fn arguments_that_only_a_stream_has(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for (argument, value) in
        [("x-max-age", text("1D")), ("x-stream-max-segment-size-bytes", number(1000))]
    {
        let fault = format!("invalid arg '{argument}' for Q of queue type rabbit_classic_queue");
        refused(&scene, arguments([(argument, value)]), &fault).await;
    }
}

async fn arguments_of_a_stream(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (size, locator) = ("x-stream-max-segment-size-bytes", "x-queue-leader-locator");
    for (argument, value) in [
        (size, number(1_000_000)),
        (locator, text("client-local")),
        ("x-max-length-bytes", number(1_000_000)),
        ("x-initial-cluster-size", number(1)),
        ("x-foo", number(1)),
    ] {
        scene.queue_with(scene.name(), stream([(argument, value)])).await;
        scene.channel.queue_delete(scene.name(), Default::default()).await.unwrap();
    }
    for (argument, value, fault) in [
        (size, text("5"), "\"expected integer, got longstr\""),
        (locator, text("nonsense"), "invalid_queue_locator_arg"),
        ("x-max-age", number(5), "{unacceptable_type,signedint}"),
    ] {
        let fault = format!("invalid arg '{argument}' for Q: {fault}");
        refused(&scene, stream([(argument, value)]), &fault).await;
    }
}

async fn ages(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for age in ["1Y", "2M", "3D", "4h", "5m", "6s", "700s"] {
        scene.queue_with(scene.name(), stream([("x-max-age", text(age))])).await;
        scene.channel.queue_delete(scene.name(), Default::default()).await.unwrap();
    }
}

async fn refused_ages(scene: &Scene<'_>, ages: &[&str]) {
    for age in ages {
        let fault = "invalid arg 'x-max-age' for Q: invalid_max_age";
        refused(scene, stream([("x-max-age", text(age))]), fault).await;
    }
}

async fn an_age_that_is_none(link: &dyn Link) {
    let scene = Scene::new(link).await;
    refused_ages(&scene, &["7", "1.5D", "1d", "1DD", "0s"]).await;
}

async fn an_age_that_makes_no_sense(link: &dyn Link) {
    let scene = Scene::new(link).await;
    refused_ages(&scene, &["", "h", "-1D"]).await;
}

async fn a_channels_prefetch_and_a_quorum_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, quorum([])).await;
    let text =
        format!("NOT_IMPLEMENTED - queue '{queue}' in vhost '/' does not support global qos");
    scene
        .connection_refused(540, &text, async |channel| {
            channel.basic_qos(1, QosScope::Channel).await?;
            channel.basic_consume(queue, "", Default::default()).await
        })
        .await;
}
