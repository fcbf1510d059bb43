use springhare::Requeue;
use springhare::prelude::*;
use springhare::test::{Settled, delivery};

use crate::support::{Tell, telling};

type Tag = (Channel, DeliveryTag);

#[rabbit_listener(queue = "held", ack = "manual")]
async fn hold(channel: Channel, tag: DeliveryTag, held: State<Tell<Tag>>) {
    held.tell((channel, tag));
}

#[tokio::test]
async fn a_handler_is_tested_without_a_broker() {
    let test = delivery();
    let (held, mut tags) = telling::<Tag>();
    hold(test.channel.clone(), test.tag, State::new(held)).await;
    let (channel, tag) = tags.next().await;
    assert_eq!(test.settlements.last(), None);
    channel.reject(tag, Requeue::No).await.unwrap();
    assert_eq!(test.settlements.all(), [Settled::Rejected(Requeue::No)]);
    assert!(test.channel.queue_purge("q").await.is_err());
}
