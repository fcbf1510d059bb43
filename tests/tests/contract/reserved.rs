//! Names that only the broker gives.

use springhare::connection::Link;
use springhare_broker::{IfUnused, QueueDeclareOptions};

use crate::support::Scene;

contract!(
    names_that_start_with_amq,
    names_that_only_look_alike,
    line_breaks_are_left_out_of_names,
    system_exchanges_stay,
    a_long_text_is_cut,
);

async fn names_that_start_with_amq(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for name in ["amq.foo", "amq.", "amq.gen-abc"] {
        let text = format!("ACCESS_REFUSED - queue name '{name}' contains reserved prefix 'amq.*'");
        scene.refused(403, &text, async |c| c.queue_declare(name, Default::default()).await).await;
        let text =
            format!("ACCESS_REFUSED - exchange name '{name}' contains reserved prefix 'amq.*'");
        scene
            .refused(403, &text, async |channel| {
                channel.exchange_declare(name, "direct", Default::default()).await
            })
            .await;
        let text = format!("NOT_FOUND - no queue '{name}' in vhost '/'");
        scene.refused(404, &text, async |channel| channel.queue_declare_passive(name).await).await;
        let text = format!("NOT_FOUND - no exchange '{name}' in vhost '/'");
        scene
            .refused(404, &text, async |channel| channel.exchange_declare_passive(name).await)
            .await;
        assert_eq!(scene.channel.queue_delete(name, Default::default()).await.unwrap(), 0);
    }
}

async fn names_that_only_look_alike(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let exclusive = || QueueDeclareOptions { exclusive: true, ..Default::default() };
    for name in ["AMQ.foo", "amqfoo"] {
        scene.queue_with(&format!("{name}{}", scene.name()), exclusive()).await;
    }
}

async fn line_breaks_are_left_out_of_names(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (broken, name) = (format!("{}\r\n-x\n", scene.name()), scene.named("x"));
    let queue = scene.channel.queue_declare(&broken, Default::default()).await.unwrap().queue;
    assert_eq!(queue, name.as_str());
    scene.exchange(&broken, "fanout").await;
    scene.channel.exchange_declare_passive(&name).await.unwrap();
}

async fn system_exchanges_stay(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for exchange in ["amq.direct", "amq.match", "amq.rabbitmq.trace", "amq.not-there"] {
        for if_unused in [IfUnused::Yes, IfUnused::No] {
            let text = format!(
                "ACCESS_REFUSED - deletion of system exchange '{exchange}' in vhost '/' not \
                 allowed"
            );
            scene.refused(403, &text, async |c| c.exchange_delete(exchange, if_unused).await).await;
        }
    }
}

async fn a_long_text_is_cut(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let name = "n".repeat(255);
    let text = format!("NOT_FOUND - no queue '{}...", "n".repeat(252 - 22));
    assert_eq!(text.len(), 255);
    scene.refused(404, &text, async |channel| channel.queue_declare_passive(&name).await).await;
}
