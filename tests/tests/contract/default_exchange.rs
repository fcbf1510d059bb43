//! The default exchange, which nobody declares, binds or deletes.

use springhare::connection::Link;
use springhare_amqp::FieldTable;
use springhare_broker::{ExchangeDeclareOptions, IfUnused};

use crate::support::{Router, Scene};

contract!(it_is_not_to_be_changed, it_routes_by_queue_name);

const REFUSED: &str = "ACCESS_REFUSED - operation not permitted on the default exchange";

async fn it_is_not_to_be_changed(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let q = scene.name();
    scene.queue(q).await;
    let durable = || ExchangeDeclareOptions { durable: true, ..Default::default() };
    let none = FieldTable::new;
    let x = "amq.fanout";
    scene.refused(403, REFUSED, async |c| c.exchange_declare("", "direct", durable()).await).await;
    scene.refused(403, REFUSED, async |c| c.exchange_declare_passive("").await).await;
    scene.refused(403, REFUSED, async |c| c.queue_bind(q, "", "k", none()).await).await;
    // Refused before the queue is looked for.
    scene.refused(403, REFUSED, async |c| c.queue_bind("not-there", "", "k", none()).await).await;
    scene.refused(403, REFUSED, async |c| c.queue_unbind(q, "", q, none()).await).await;
    scene.refused(403, REFUSED, async |c| c.exchange_delete("", IfUnused::No).await).await;
    scene.refused(403, REFUSED, async |c| c.exchange_bind(x, "", "k", none()).await).await;
    scene.refused(403, REFUSED, async |c| c.exchange_bind("", x, "k", none()).await).await;
    scene.refused(403, REFUSED, async |c| c.exchange_unbind(x, "", "k", none()).await).await;
}

async fn it_routes_by_queue_name(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let router = Router::new(&scene).await;
    assert!(!router.routes("", scene.name()).await);
    scene.queue(scene.name()).await;
    assert!(router.routes("", scene.name()).await);
    scene.channel.queue_delete(scene.name(), Default::default()).await.unwrap();
    assert!(!router.routes("", scene.name()).await);
}
