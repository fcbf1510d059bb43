mod replies;
mod transactions;

use std::sync::Arc;

use springhare_amqp::Message;

use super::*;
use crate::model::message::PublishedMessage;

type TestChannel = Channel<&'static str>;

fn message(position: u64) -> QueueMessage {
    let message =
        Arc::new(PublishedMessage::new(ShortString::EMPTY, ShortString::EMPTY, Message::default()));
    QueueMessage::waiting(position, message)
}

fn tag(text: &'static str) -> ShortString {
    ShortString::from_static(text)
}

/// A channel with one consumer that has deliveries 1, 2 and 3.
fn with_three() -> TestChannel {
    let mut channel = TestChannel::new();
    let source = channel.add_consumer(tag("t"), ConsumerId(1), "q");
    for position in 1..=3 {
        assert_eq!(channel.deliver(source, message(position)), position);
    }
    channel
}

fn acknowledge(
    channel: &mut TestChannel,
    tags: Tags,
) -> Result<Vec<Settled<&'static str>>, AmqpError> {
    channel.settle(tags, Settlement::Acknowledge, MethodId::BASIC_ACK)
}

fn positions(settled: &[Settled<&'static str>]) -> Vec<u64> {
    settled.iter().flat_map(|group| group.messages.iter().map(|m| m.position)).collect()
}

fn text<T: std::fmt::Debug>(result: Result<T, AmqpError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_delivery_is_settled_once() {
    let mut channel = with_three();
    let settled = acknowledge(&mut channel, Tags::One(2)).unwrap();
    assert_eq!(positions(&settled), [2]);
    assert_eq!(settled[0].consumer, Some(ConsumerId(1)));
    let again = acknowledge(&mut channel, Tags::One(2));
    assert_eq!(text(again), "406 PRECONDITION_FAILED - unknown delivery tag 2");
}

#[test]
fn multiple_covers_what_is_unsettled_up_to_a_tag_that_is() {
    let mut channel = with_three();
    acknowledge(&mut channel, Tags::One(2)).unwrap();
    let unknown = acknowledge(&mut channel, Tags::UpTo(2));
    assert_eq!(text(unknown), "406 PRECONDITION_FAILED - unknown delivery tag 2");
    assert_eq!(positions(&acknowledge(&mut channel, Tags::UpTo(3)).unwrap()), [1, 3]);
    let beyond = acknowledge(&mut channel, Tags::UpTo(9));
    assert_eq!(text(beyond), "406 PRECONDITION_FAILED - unknown delivery tag 9");
}

#[test]
fn tag_zero_is_all_with_multiple_and_nothing_without() {
    let mut channel = with_three();
    let single = acknowledge(&mut channel, Tags::One(0));
    assert_eq!(text(single), "406 PRECONDITION_FAILED - unknown delivery tag 0");
    assert_eq!(positions(&acknowledge(&mut channel, Tags::UpTo(0)).unwrap()), [1, 2, 3]);
    let none = acknowledge(&mut channel, Tags::UpTo(0)).unwrap();
    assert!(none.is_empty(), "of nothing, all is nothing");
}

#[test]
fn deliveries_are_grouped_by_consumer_and_queue() {
    let mut channel = with_three();
    let other = channel.add_consumer(tag("u"), ConsumerId(2), "r");
    channel.deliver(other, message(10));
    channel.deliver_alone("s", None, message(20));
    let settled = acknowledge(&mut channel, Tags::UpTo(0)).unwrap();
    let groups: Vec<_> = settled.iter().map(|g| (g.queue, g.consumer, g.messages.len())).collect();
    assert_eq!(
        groups,
        [("q", Some(ConsumerId(1)), 3), ("r", Some(ConsumerId(2)), 1), ("s", None, 1)]
    );
}

#[test]
fn what_a_cancelled_consumer_has_stays_with_the_channel() {
    let mut channel = with_three();
    assert_eq!(channel.remove_consumer("t").unwrap().queue, "q");
    let settled = acknowledge(&mut channel, Tags::UpTo(3)).unwrap();
    assert_eq!((settled[0].queue, positions(&settled).len()), ("q", 3));
    assert_eq!(channel.sources.live(), 0, "the last delivery takes its source along");
}

#[test]
fn a_get_leaves_no_source_behind() {
    let mut channel = TestChannel::new();
    for _ in 0..1000 {
        let tag = channel.deliver_alone("q", None, message(1));
        acknowledge(&mut channel, Tags::One(tag)).unwrap();
    }
    assert_eq!(channel.sources.live(), 0);
}

#[test]
fn a_tag_in_use_can_not_be_taken() {
    let mut channel = with_three();
    let taken = channel.ensure_free_tag("t").unwrap_err();
    assert_eq!(taken.to_string(), "530 NOT_ALLOWED - attempt to reuse consumer tag 't'");
    assert!(channel.remove_consumer_by_id("t", ConsumerId(7)).is_none());
    assert!(channel.ensure_free_tag("t").is_err(), "another consumer's id changes nothing");
    assert!(channel.remove_consumer_by_id("t", ConsumerId(1)).is_some());
    assert!(channel.ensure_free_tag("t").is_ok());
}

#[test]
fn an_empty_queue_name_is_the_last_declared_queue() {
    let mut channel = TestChannel::new();
    let none = channel.queue_name(&ShortString::EMPTY, MethodId::QUEUE_BIND);
    assert_eq!(text(none), "404 NOT_FOUND - no previously declared queue");
    channel.declared_queue(tag("q"));
    let last = channel.queue_name(&ShortString::EMPTY, MethodId::QUEUE_BIND).unwrap();
    assert_eq!(last, "q");
}

#[test]
fn publishes_are_numbered_from_confirm_select_on() {
    let mut channel = TestChannel::new();
    assert_eq!(channel.next_publish(), None);
    channel.select_confirms().unwrap();
    assert_eq!(channel.next_publish(), Some(1));
    channel.select_confirms().unwrap();
    assert_eq!(channel.next_publish(), Some(2), "a second confirm.select changes nothing");
}

#[test]
fn prefetch_is_for_consumers_that_settle() {
    let mut channel = TestChannel::new();
    assert_eq!(channel.prefetch(SettlementMode::Explicit), None, "0 is no limit");
    channel.set_prefetch(5);
    assert_eq!(channel.prefetch(SettlementMode::Explicit), Some(5));
    assert_eq!(channel.prefetch(SettlementMode::Automatic), None);
}

#[test]
fn closing_gives_everything_back_once() {
    let mut channel = with_three();
    let error = AmqpError::new(ReplyCode::NotFound, MethodId::BASIC_GET, "no queue 'q'");
    let remains = channel.close(Some(error.clone())).unwrap();
    assert_eq!(remains.consumers.len(), 1);
    assert_eq!(positions(&remains.unsettled), [1, 2, 3]);
    assert!(channel.close(None).is_none());
    assert_eq!(channel.close_reason(), Some(error.clone()));
    assert_eq!(channel.ensure_open(MethodId::BASIC_ACK), Err(error));
}
