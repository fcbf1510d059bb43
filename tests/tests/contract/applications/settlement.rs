use springhare::broker::Multiple;
use springhare::prelude::*;
use springhare::{Requeue, SettleError};
use springhare_tests::{Gate, Tell, eventually, pausing, ready, telling, within_limit};

use crate::place::Place;

application!(
    a_tag_may_be_settled_after_the_handler,
    a_manual_handler_may_have_its_message_acknowledged_by_an_error,
    a_stale_tag_is_refused_and_its_message_comes_back,
    a_tag_of_a_closed_channel_is_refused_before_the_wire,
    a_listeners_channel_does_not_settle_by_number,
    auto_mode_skips_what_the_handler_has_settled,
    a_handler_and_its_container_do_not_wait_for_each_other,
    what_auto_mode_has_settled_is_settled_for_the_tag,
    what_is_done_is_acknowledged_before_a_handler_waits,
    without_acks_a_message_is_settled_as_it_is_sent,
    a_consumer_that_ends_waits_for_the_tags_that_its_handler_gave_away,
    who_waits_for_tags_takes_no_more_messages,
);

type Tag = (Channel, DeliveryTag);

#[rabbit_listener(queue = "held", ack = "manual")]
async fn hold(channel: Channel, tag: DeliveryTag, held: State<Tell<Tag>>) {
    held.tell((channel, tag));
}

async fn a_tag_may_be_settled_after_the_handler(place: &Place) {
    let (held, mut tags) = telling::<Tag>();
    let app = place.builder().listeners(listeners![hold]).manage(held).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..3).map(|n| ("held", n.to_string()))).await.unwrap();
    let (channel, first) = tags.next().await;
    let (_, second) = tags.next().await;
    let (_, third) = tags.next().await;
    channel.ack_multiple(second).await.unwrap();
    let covered = channel.ack(first).await.unwrap_err();
    assert!(matches!(covered, SettleError::AlreadySettled { delivery_tag: 1 }), "{covered}");
    channel.nack(third, Requeue::Yes).await.unwrap();
    let (channel, again) = tags.next().await;
    assert_eq!(again.value(), 4, "the channel has survived");
    channel.reject(again, Requeue::No).await.unwrap();
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "over", ack = "manual")]
async fn over(text: Text, tag: DeliveryTag, held: State<Tell<u64>>) -> ListenerResult {
    held.tell(tag.value());
    Err(ListenerError::immediate_acknowledge(format!("{text} is over")))
}

async fn a_manual_handler_may_have_its_message_acknowledged_by_an_error(place: &Place) {
    let (held, mut tags) = telling::<u64>();
    let app = place.builder().listeners(listeners![over]).manage(held).start().await.unwrap();
    app.rabbit_template().convert_and_send("over", "tea").await.unwrap();
    assert_eq!(tags.next().await, 1);
    app.stop().await.unwrap();
    assert!(tags.is_silent());
    assert_eq!(place.left("over").await, 0);
}

async fn a_stale_tag_is_refused_and_its_message_comes_back(place: &Place) {
    let (held, mut tags) = telling::<Tag>();
    let app = place.builder().listeners(listeners![hold]).manage(held).start().await.unwrap();
    app.rabbit_template().convert_and_send("held", "tea").await.unwrap();
    let (old_channel, old) = tags.next().await;
    old_channel.close().await.unwrap();
    let (channel, tag) = tags.next().await;
    let stale = channel.ack(old).await.unwrap_err();
    assert!(matches!(stale, SettleError::OtherChannel { delivery_tag: 1 }), "{stale}");
    let closed = old_channel.ack(tag).await.unwrap_err();
    assert!(matches!(closed, SettleError::OtherChannel { .. }), "{closed}");
    app.stop().await.unwrap();
}

async fn a_tag_of_a_closed_channel_is_refused_before_the_wire(place: &Place) {
    let (held, mut tags) = telling::<Tag>();
    let app = place.builder().listeners(listeners![hold]).manage(held).start().await.unwrap();
    app.rabbit_template().convert_and_send("held", "tea").await.unwrap();
    let (channel, tag) = tags.next().await;
    channel.close().await.unwrap();
    let closed = channel.ack(tag).await.unwrap_err();
    assert!(matches!(closed, SettleError::ChannelClosed { delivery_tag: 1 }), "{closed}");
    app.stop().await.unwrap();
}

async fn a_listeners_channel_does_not_settle_by_number(place: &Place) {
    let (held, mut tags) = telling::<Tag>();
    let app = place.builder().listeners(listeners![hold]).manage(held).start().await.unwrap();
    app.rabbit_template().convert_and_send("held", "tea").await.unwrap();
    let (channel, tag) = tags.next().await;
    let refused = channel.basic_ack(tag.value(), Multiple::One).await.unwrap_err();
    assert!(matches!(refused, SettleError::ListenersChannel), "{refused}");
    channel.ack(tag).await.unwrap();
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "signed")]
async fn sign_yourself(
    number: Json<u32>,
    channel: Channel,
    tag: DeliveryTag,
    seen: State<Tell<u32>>,
) -> ListenerResult {
    if number.0.is_multiple_of(2) {
        channel.ack(tag).await?;
    }
    seen.tell(number.0);
    Ok(())
}

async fn auto_mode_skips_what_the_handler_has_settled(place: &Place) {
    let (seen, mut numbers) = telling::<u32>();
    let app =
        place.builder().listeners(listeners![sign_yourself]).manage(seen).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..500_u32).map(|n| ("signed", n.to_string()))).await.unwrap();
    for expected in 0..500 {
        assert_eq!(numbers.next().await, expected);
    }
    assert!(app.health().is_up());
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "signed_late")]
async fn sign_without_budget(
    number: Json<u32>,
    channel: Channel,
    tag: DeliveryTag,
    seen: State<Tell<u32>>,
) -> ListenerResult {
    if number.0 == 1 {
        // What settles now has to wait for the task's next turn, while the ack of the message
        // before is still to be sent.
        while tokio::task::coop::has_budget_remaining() {
            tokio::task::coop::consume_budget().await;
        }
        channel.ack(tag).await?;
    }
    seen.tell(number.0);
    Ok(())
}

async fn a_handler_and_its_container_do_not_wait_for_each_other(place: &Place) {
    let (seen, mut numbers) = telling::<u32>();
    let app = place
        .builder()
        .listeners(listeners![sign_without_budget])
        .manage(seen)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..3_u32).map(|n| ("signed_late", n.to_string()))).await.unwrap();
    for expected in 0..3 {
        assert_eq!(numbers.next().await, expected);
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "tag_kept")]
async fn give_the_tag_away(channel: Channel, tag: DeliveryTag, held: State<Tell<Tag>>) {
    held.tell((channel, tag));
}

async fn what_auto_mode_has_settled_is_settled_for_the_tag(place: &Place) {
    let (held, mut tags) = telling::<Tag>();
    let app = place
        .builder()
        .listeners(listeners![give_the_tag_away])
        .manage(held)
        .start()
        .await
        .unwrap();
    app.rabbit_template().convert_and_send("tag_kept", "tea").await.unwrap();
    let (channel, tag) = tags.next().await;
    // The handler has returned once the listener takes the next message.
    app.rabbit_template().convert_and_send("tag_kept", "coffee").await.unwrap();
    tags.next().await;
    let settled = channel.ack(tag).await.unwrap_err();
    assert!(matches!(settled, SettleError::AlreadySettled { delivery_tag: 1 }), "{settled}");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "waits", prefetch = 10)]
async fn wait(number: Json<u32>, gate: State<Gate>, seen: State<Tell<u32>>) {
    seen.tell(number.0);
    if number.0 == 2 {
        gate.pass().await;
    }
}

async fn what_is_done_is_acknowledged_before_a_handler_waits(place: &Place) {
    let (seen, mut numbers) = telling::<u32>();
    let gate = Gate::closed();
    let app = place
        .builder()
        .listeners(listeners![wait])
        .manage(gate.clone())
        .manage(seen)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..4_u32).map(|n| ("waits", n.to_string()))).await.unwrap();
    while numbers.next().await != 2 {}
    // Two more fit into the prefetch of ten only if the first two are acknowledged.
    rabbit.convert_and_send_all((4..13_u32).map(|n| ("waits", n.to_string()))).await.unwrap();
    eventually("all but one are delivered", async || {
        (ready(&rabbit, "waits").await == 1).then_some(())
    })
    .await;
    gate.let_through(1);
    for expected in 3..13 {
        assert_eq!(numbers.next().await, expected);
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "unsigned", ack = "none")]
async fn unsigned(text: Text, seen: State<Tell<String>>) -> ListenerResult {
    seen.tell(text.0);
    Err(ListenerError::msg("it is gone all the same"))
}

async fn without_acks_a_message_is_settled_as_it_is_sent(place: &Place) {
    let (seen, mut texts) = telling::<String>();
    let app = place.builder().listeners(listeners![unsigned]).manage(seen).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("unsigned", "tea").await.unwrap();
    rabbit.convert_and_send("unsigned", "coffee").await.unwrap();
    assert_eq!(texts.next().await, "tea");
    assert_eq!(texts.next().await, "coffee");
    assert_eq!(ready(&rabbit, "unsigned").await, 0);
    app.stop().await.unwrap();
    assert!(texts.is_silent());
}

/// How a listener's consumer ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Pause,
    ScaleDown,
    Stop,
}

#[rabbit_listener(id = "given", queue = "given", ack = "manual", concurrency = 2, prefetch = 1)]
async fn give_away(channel: Channel, tag: DeliveryTag, held: State<Tell<Tag>>) {
    held.tell((channel, tag));
}

async fn a_consumer_that_ends_waits_for_the_tags_that_its_handler_gave_away(place: &Place) {
    for end in [End::Pause, End::ScaleDown, End::Stop] {
        let (held, mut tags) = telling::<Tag>();
        let builder = place.builder().listeners(listeners![give_away]).manage(held);
        let app = builder.start().await.unwrap();
        let messages = (0..2).map(|n| ("given", n.to_string()));
        app.rabbit_template().convert_and_send_all(messages).await.unwrap();
        let (first, second) = (tags.next().await, tags.next().await);
        let listener = app.listener("given").unwrap();
        let ending = tokio::spawn(async move {
            match end {
                End::Pause => listener.pause().await,
                End::ScaleDown => listener.set_concurrency(1).await,
                End::Stop => listener.stop().await,
            }
        });
        let left = if matches!(end, End::ScaleDown) { 1 } else { 0 };
        place.has_consumers("given", Some(left)).await;
        for (channel, tag) in [first, second] {
            channel.ack(tag).await.unwrap();
        }
        within_limit("the consumer ends", ending).await.unwrap().unwrap();
        app.stop().await.unwrap();
        assert_eq!(place.left("given").await, 0, "{end:?}");
    }
}

#[rabbit_listener(id = "given.late", queue = "given.late", ack = "manual", prefetch = 5)]
async fn give_away_late(
    channel: Channel,
    tag: DeliveryTag,
    held: State<Tell<Tag>>,
    gate: State<Gate>,
) {
    held.tell((channel, tag));
    gate.pass().await;
}

async fn who_waits_for_tags_takes_no_more_messages(place: &Place) {
    let ((held, mut tags), gate) = (telling::<Tag>(), Gate::closed());
    let builder = place.builder().listeners(listeners![give_away_late]).manage(held);
    let app = builder.manage(gate.clone()).start().await.unwrap();
    let messages = (0..9).map(|n| ("given.late", n.to_string()));
    app.rabbit_template().convert_and_send_all(messages).await.unwrap();
    let (channel, tag) = tags.next().await;
    place.has_left("given.late", 4).await;
    let listener = app.listener("given.late").unwrap();
    let pausing = pausing(&listener).await;
    gate.let_through(1);
    place.has_consumers("given.late", Some(0)).await;
    channel.ack(tag).await.unwrap();
    within_limit("the pause", pausing).await.unwrap().unwrap();
    app.stop().await.unwrap();
    assert_eq!(place.left("given.late").await, 8);
}
