use super::*;
use crate::model::queue::Returned;

/// Transactional, with one consumer that has deliveries 1, 2 and 3.
fn transactional() -> TestChannel {
    let mut channel = with_three();
    channel.select_transactions().unwrap();
    channel
}

fn publish(queues: &[&'static str], bytes: usize) -> RoutedPublish {
    let message = Arc::new(PublishedMessage::new(
        ShortString::EMPTY,
        ShortString::EMPTY,
        Message::new("x".repeat(bytes)),
    ));
    let queues = queues.iter().map(|queue| ShortString::from_static(queue)).collect();
    RoutedPublish { message, queues, delays: Vec::new(), unroutable: Unroutable::Drop }
}

fn defer(channel: &mut TestChannel, tags: Tags, settlement: Settlement) {
    let settled = channel.settle(tags, settlement, MethodId::BASIC_ACK).unwrap();
    assert!(settled.is_empty(), "nothing is settled before the commit");
}

fn settlements(committed: &Committed<&'static str>) -> Vec<(Settlement, Vec<u64>)> {
    let settlements = committed.settlements.iter();
    settlements.map(|(settlement, settled)| (*settlement, positions(settled))).collect()
}

#[test]
fn a_channel_has_one_mode() {
    let mut channel = TestChannel::new();
    for refused in [channel.commit().map(drop), channel.rollback().map(drop)] {
        assert_eq!(text(refused), "406 PRECONDITION_FAILED - channel is not transactional");
    }
    channel.select_transactions().unwrap();
    channel.select_transactions().unwrap();
    assert_eq!(
        text(channel.select_confirms()),
        "406 PRECONDITION_FAILED - cannot switch from tx to confirm mode"
    );
    assert_eq!(channel.next_publish(), None, "no confirms in a transaction");

    let mut channel = TestChannel::new();
    channel.select_confirms().unwrap();
    assert_eq!(
        text(channel.select_transactions()),
        "406 PRECONDITION_FAILED - cannot switch from confirm to tx mode"
    );
    assert_eq!(text(channel.commit()), "406 PRECONDITION_FAILED - channel is not transactional");
}

#[test]
fn a_commit_settles_in_order_and_those_of_a_kind_by_their_tags() {
    let mut channel = transactional();
    channel.deliver_alone("r", None, message(40));
    defer(&mut channel, Tags::One(3), Settlement::Discard);
    defer(&mut channel, Tags::One(1), Settlement::Discard);
    defer(&mut channel, Tags::One(4), Settlement::Acknowledge);
    defer(&mut channel, Tags::One(2), Settlement::Discard);
    let committed = channel.commit().unwrap();
    assert_eq!(
        settlements(&committed),
        [
            (Settlement::Discard, vec![1, 3]),
            (Settlement::Acknowledge, vec![40]),
            (Settlement::Discard, vec![2]),
        ]
    );
    assert_eq!(committed.settlements[1].1[0].queue, "r");
    assert!(settlements(&channel.commit().unwrap()).is_empty(), "the next one is empty");
}

#[test]
fn what_is_settled_in_a_transaction_can_not_be_settled_again_in_it() {
    let mut channel = transactional();
    defer(&mut channel, Tags::UpTo(2), Settlement::Acknowledge);
    let requeue = Settlement::Requeue(Returned::Failed);
    let again = channel.settle(Tags::One(2), requeue, MethodId::BASIC_REJECT);
    assert_eq!(text(again), "406 PRECONDITION_FAILED - unknown delivery tag 2");
    let beyond = channel.settle(Tags::UpTo(7), requeue, MethodId::BASIC_NACK);
    assert_eq!(text(beyond), "406 PRECONDITION_FAILED - unknown delivery tag 7");
    defer(&mut channel, Tags::UpTo(0), requeue);
    defer(&mut channel, Tags::UpTo(0), requeue);
    let committed = channel.commit().unwrap();
    assert_eq!(
        settlements(&committed),
        [(Settlement::Acknowledge, vec![1, 2]), (requeue, vec![3])]
    );
}

#[test]
fn a_rollback_unsettles() {
    let mut channel = transactional();
    defer(&mut channel, Tags::One(3), Settlement::Acknowledge);
    defer(&mut channel, Tags::One(1), Settlement::Discard);
    channel.defer_publish(publish(&["q"], 100), 10_000).unwrap();
    assert!(channel.rollback().unwrap() >= 100);
    defer(&mut channel, Tags::UpTo(2), Settlement::Acknowledge);
    defer(&mut channel, Tags::One(3), Settlement::Acknowledge);
    let committed = channel.commit().unwrap();
    assert_eq!(settlements(&committed), [(Settlement::Acknowledge, vec![1, 2, 3])]);
    assert!(committed.publishes.is_empty());
}

#[test]
fn what_is_recovered_is_what_the_transaction_has_not_settled() {
    let mut channel = transactional();
    defer(&mut channel, Tags::One(2), Settlement::Acknowledge);
    assert_eq!(positions(&channel.settle_all()), [1, 3]);
    channel.rollback().unwrap();
    assert_eq!(positions(&channel.settle_all()), [2]);
}

#[test]
fn a_source_lives_until_its_settlements_are_committed() {
    let mut channel = transactional();
    channel.remove_consumer("t").unwrap();
    defer(&mut channel, Tags::UpTo(0), Settlement::Acknowledge);
    assert_eq!(channel.sources.live(), 1);
    let committed = channel.commit().unwrap();
    assert_eq!(settlements(&committed), [(Settlement::Acknowledge, vec![1, 2, 3])]);
    assert_eq!(channel.sources.live(), 0);
}

#[test]
fn a_closed_channel_gives_back_what_it_had_settled_and_holds_nothing() {
    let mut channel = transactional();
    defer(&mut channel, Tags::One(2), Settlement::Acknowledge);
    let held = channel.defer_publish(publish(&["q"], 5), 10_000).unwrap();
    let remains = channel.close(None).unwrap();
    assert_eq!(positions(&remains.unsettled), [1, 2, 3]);
    assert_eq!(remains.held_bytes, held);
    assert!(channel.defer_publish(publish(&["q"], 5), 10_000).is_err());
}

#[test]
fn a_transaction_is_bounded_in_bytes() {
    let mut channel = transactional();
    let one = channel.defer_publish(publish(&["q"], 100), 100_000).unwrap();
    assert!(one >= 100 + PublishedMessage::OVERHEAD_BYTES);
    let limit = one * 2;
    let same_way = channel.defer_publish(publish(&["q"], 100), limit).unwrap();
    assert!(same_way < one, "the names of the queues are kept once");
    assert_eq!(
        text(channel.defer_publish(publish(&["r"], 100), limit)),
        format!(
            "406 PRECONDITION_FAILED - a transaction holds at most {limit} bytes of messages \
             (transaction_max_bytes): commit it earlier"
        )
    );
    let committed = channel.commit().unwrap();
    assert_eq!(committed.held_bytes, one + same_way);
    assert_eq!(committed.publishes.len(), 2);
    channel.defer_publish(publish(&["r"], 100), limit).unwrap();
}
