use super::*;
use crate::model::queue::SettlementMode::{Automatic, Explicit};

fn reply_consumer(id: u64) -> ReplyConsumer {
    ReplyConsumer { id: ConsumerId(id), tag: tag("r"), address: tag("amq.rabbitmq.reply-to.x") }
}

#[test]
fn one_reply_consumer_that_does_not_acknowledge() {
    let mut channel = TestChannel::new();
    channel.ensure_no_reply_consumer(Automatic).unwrap();
    channel.set_reply_consumer(reply_consumer(1));
    assert_eq!(
        text(channel.ensure_no_reply_consumer(Automatic)),
        "406 PRECONDITION_FAILED - reply consumer already set"
    );
    assert_eq!(
        text(channel.ensure_no_reply_consumer(Explicit)),
        "406 PRECONDITION_FAILED - reply consumer cannot acknowledge",
        "RabbitMQ looks at that first"
    );
}

#[test]
fn an_address_lives_as_long_as_its_consumer() {
    let mut channel = TestChannel::new();
    let none = "406 PRECONDITION_FAILED - fast reply consumer does not exist";
    assert_eq!(text(channel.reply_address()), none);
    channel.set_reply_consumer(reply_consumer(1));
    assert_eq!(channel.reply_address().unwrap(), "amq.rabbitmq.reply-to.x");
    assert_eq!(channel.remove_reply_consumer("other"), None);
    assert_eq!(channel.remove_reply_consumer_by_id(ConsumerId(2)), None);
    assert_eq!(channel.remove_reply_consumer("r"), Some(reply_consumer(1)));
    assert_eq!(text(channel.reply_address()), none);
    channel.set_reply_consumer(reply_consumer(2));
    assert_eq!(channel.close(None).unwrap().reply_consumer, Some(reply_consumer(2)));
    assert_eq!(text(channel.reply_address()), none);
}

#[test]
fn its_tag_is_no_hindrance_for_other_consumers() {
    let mut channel = TestChannel::new();
    channel.set_reply_consumer(reply_consumer(1));
    channel.ensure_free_tag("r").unwrap();
}
