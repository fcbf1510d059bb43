//! Settling what was delivered, and what never was.

use std::sync::Arc;

use springhare::connection::{Link, LinkChannel, LinkError};
use springhare_broker::{Multiple, NoAck, Requeue};

use crate::support::Scene;

contract!(
    an_unknown_tag,
    a_tag_is_settled_once,
    a_tag_belongs_to_its_channel,
    multiple_settles_up_to_the_tag,
    multiple_with_tag_0_settles_all,
    multiple_beyond_the_last_delivery,
    multiple_needs_its_own_tag,
    tags_count_per_channel,
);

#[derive(Debug, Clone, Copy)]
enum Verdict {
    Ack,
    Nack,
    Reject,
}

const VERDICTS: [Verdict; 3] = [Verdict::Ack, Verdict::Nack, Verdict::Reject];

impl Verdict {
    async fn settle(self, channel: &Arc<dyn LinkChannel>, tag: u64) -> Result<(), LinkError> {
        match self {
            Self::Ack => channel.basic_ack(tag, Multiple::One).await,
            Self::Nack => channel.basic_nack(tag, Multiple::One, Requeue::Yes).await,
            Self::Reject => channel.basic_reject(tag, Requeue::Yes).await,
        }
    }
}

async fn up_to(
    verdict: Verdict,
    channel: &Arc<dyn LinkChannel>,
    tag: u64,
) -> Result<(), LinkError> {
    match verdict {
        Verdict::Nack => channel.basic_nack(tag, Multiple::UpTo, Requeue::Yes).await,
        _ => channel.basic_ack(tag, Multiple::UpTo).await,
    }
}

fn unknown(tag: u64) -> String {
    format!("PRECONDITION_FAILED - unknown delivery tag {tag}")
}

async fn an_unknown_tag(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    for verdict in VERDICTS {
        for tag in [0, 5] {
            scene.refused(406, &unknown(tag), async |c| verdict.settle(&c, tag).await).await;
        }
        // Tag 0 is no tag, even with something to settle.
        scene.add(queue, 1).await;
        scene
            .refused(406, &unknown(0), async |channel| {
                channel.basic_get(queue, NoAck::No).await?;
                verdict.settle(&channel, 0).await
            })
            .await;
        scene.ready(queue, 1).await;
        assert_eq!(scene.drain(queue).await, ["1R"]);
    }
}

async fn a_tag_is_settled_once(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    for verdict in VERDICTS {
        scene.add(queue, 1).await;
        scene
            .refused(406, &unknown(1), async |channel| {
                channel.basic_get(queue, NoAck::No).await?;
                verdict.settle(&channel, 1).await?;
                verdict.settle(&channel, 1).await
            })
            .await;
        scene.drain(queue).await;
    }
}

async fn a_tag_belongs_to_its_channel(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.fill(scene.name(), 1).await;
    scene.get(scene.name()).await;
    for verdict in VERDICTS {
        scene.refused(406, &unknown(1), async |c| verdict.settle(&c, 1).await).await;
    }
    scene.channel.basic_ack(1, Multiple::One).await.unwrap();
}

async fn multiple_settles_up_to_the_tag(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 5).await;
    scene.get_many(queue, 5).await;
    scene.channel.basic_ack(2, Multiple::UpTo).await.unwrap();
    scene.channel.basic_nack(4, Multiple::UpTo, Requeue::Yes).await.unwrap();
    scene.ready(queue, 2).await;
    assert_eq!(scene.drain(queue).await, ["3R", "4R"]);
    scene.channel.basic_ack(5, Multiple::One).await.unwrap();
}

async fn multiple_with_tag_0_settles_all(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    for verdict in [Verdict::Ack, Verdict::Nack] {
        // With nothing to settle it is no error.
        up_to(verdict, &scene.channel, 0).await.unwrap();
    }
    scene.add(queue, 3).await;
    scene.get_many(queue, 3).await;
    scene.channel.basic_nack(0, Multiple::UpTo, Requeue::Yes).await.unwrap();
    scene.ready(queue, 3).await;
    scene.get_many(queue, 3).await;
    scene.channel.basic_ack(0, Multiple::UpTo).await.unwrap();
    scene.channel.basic_recover().await.unwrap();
    assert!(scene.drain(queue).await.is_empty());
}

async fn multiple_beyond_the_last_delivery(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 1).await;
    for verdict in [Verdict::Ack, Verdict::Nack] {
        scene.refused(406, &unknown(5), async |c| up_to(verdict, &c, 5).await).await;
        scene
            .refused(406, &unknown(5), async |channel| {
                channel.basic_get(queue, NoAck::No).await?;
                up_to(verdict, &channel, 5).await
            })
            .await;
        scene.ready(queue, 1).await;
    }
}

/// A tag that was settled before does not stand for those below it.
async fn multiple_needs_its_own_tag(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    for verdict in [Verdict::Ack, Verdict::Nack] {
        scene.add(queue, 3).await;
        scene
            .refused(406, &unknown(2), async |channel| {
                for _ in 0..3 {
                    channel.basic_get(queue, NoAck::No).await?;
                }
                channel.basic_ack(2, Multiple::One).await?;
                up_to(verdict, &channel, 2).await
            })
            .await;
        scene.ready(queue, 2).await;
        assert_eq!(scene.drain(queue).await, ["1R", "3R"]);
    }
}

async fn tags_count_per_channel(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 3).await;
    assert_eq!(scene.get(queue).await.delivery_tag, 1);
    let other = scene.open().await;
    let got = other.basic_get(queue, NoAck::No).await.unwrap().expect("the second");
    assert_eq!(got.delivery.delivery_tag, 1);
    assert_eq!(scene.get(queue).await.delivery_tag, 2);
}
