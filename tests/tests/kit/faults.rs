//! Faults at will, and that the application survives them.

use std::sync::Mutex;

use futures_util::FutureExt;
use springhare::middleware::{LayerFuture, NextPublish};
use springhare::prelude::*;
use springhare::test::Settlement;
use springhare::{Disposition, Error, Publish};

use crate::place::{Place, time_passes_until};

cases!(
    what_was_not_settled_comes_back_after_its_connection_was_killed,
    a_cancelled_consumer_comes_back,
    a_refused_publish_is_an_error_and_the_next_is_not,
    a_refused_publish_in_a_batch_is_named,
    what_goes_through_layers_meets_the_same_faults,
    what_a_layer_gives_up_before_the_broker_has_it_is_withdrawn,
    a_parked_message_whose_publish_is_refused_is_not_lost,
    a_blocked_publish_waits,
    an_application_whose_broker_was_away_comes_back,
);

/// What a handler has not settled.
#[derive(Debug, Default)]
struct Held(Mutex<Vec<DeliveryTag>>);

#[rabbit_listener(id = "holds", queue = "k.holds", ack = "manual")]
async fn hold(
    _body: Bytes,
    redelivered: Redelivered,
    channel: Channel,
    tag: DeliveryTag,
    held: State<Held>,
) -> ListenerResult {
    if redelivered.is_redelivered() {
        channel.ack(tag).await?;
    } else {
        held.0.lock().unwrap().push(tag);
    }
    Ok(())
}

async fn what_was_not_settled_comes_back_after_its_connection_was_killed(place: &Place) {
    let h = place.start(|app| app.listeners(listeners![hold]).manage(Held::default())).await;
    h.rabbit().convert_and_send("k.holds", "tea").await.unwrap();
    let holds = h.listener("holds");
    let first = &holds.await_calls(1).await[0];
    assert_eq!(first.settlement(), None);
    assert!(h.faults().kill_connections().await >= 2, "the listeners' and the template's");
    assert_eq!(first.settlement(), Some(Settlement::Returned));
    time_passes_until(&h, "it comes back", async || holds.calls().len() == 2).await;
    let second = &holds.await_settled(2).await[1];
    assert!(second.is_redelivered());
    assert_eq!(second.settlement(), Some(Settlement::Acked));
    h.rabbit().convert_and_send("k.holds", "tea").await.unwrap();
    time_passes_until(&h, "all is well", async || h.app().health().is_up()).await;
    h.stop().await.unwrap();
}

#[rabbit_listener(id = "takes", queue = "k.takes")]
async fn take(Text(text): Text) -> ListenerResult {
    if text == "bad" { Err(ListenerError::fatal("it is bad")) } else { Ok(()) }
}

async fn a_cancelled_consumer_comes_back(place: &Place) {
    let h = place.start(|app| app.listeners(listeners![take])).await;
    assert_eq!(h.faults().cancel_consumers("k.others"), 0);
    assert_eq!(h.faults().cancel_consumers("k.takes"), 1);
    h.rabbit().convert_and_send("k.takes", "tea").await.unwrap();
    let takes = h.listener("takes");
    time_passes_until(&h, "it is handled", async || takes.calls().len() == 1).await;
    let is_up = async || h.app().health().is_up();
    time_passes_until(&h, "the listener is up again", is_up).await;
    h.stop().await.unwrap();
}

async fn a_refused_publish_is_an_error_and_the_next_is_not(place: &Place) {
    let h = place.start(|app| app.listeners(listeners![take])).await;
    h.faults().refuse_publishes(1);
    let refused = h.rabbit().convert_and_send("k.takes", "lost").await.unwrap_err();
    assert!(matches!(refused, Error::NotConfirmed(_) | Error::Amqp(_)), "{refused:?}");
    h.rabbit().convert_and_send("k.takes", "tea").await.unwrap();
    let calls = h.listener("takes").await_calls(1).await;
    assert_eq!(calls[0].payload::<String>().unwrap(), "tea");
    h.stop().await.unwrap();
}

async fn a_refused_publish_in_a_batch_is_named(place: &Place) {
    let h = place.start(|app| app.listeners(listeners![take])).await;
    h.faults().refuse_publishes(2);
    let messages = (0..5).map(|number: u32| ("k.takes", number.to_string()));
    let failed = h.rabbit().convert_and_send_all(messages).await.unwrap_err();
    assert_eq!((failed.index, failed.confirmed_after), (0, 3));
    let calls = h.listener("takes").await_calls(3).await;
    let taken: Vec<u32> = calls.iter().map(|call| call.payload().unwrap()).collect();
    assert_eq!(taken, [2, 3, 4]);
    h.stop().await.unwrap();
}

fn passing<'p>(publish: Publish, next: NextPublish<'p>) -> LayerFuture<'p> {
    next.run(publish)
}

async fn what_goes_through_layers_meets_the_same_faults(place: &Place) {
    let h = place.start(|app| app.publish_layer(passing).listeners(listeners![take])).await;
    let rabbit = h.rabbit();
    let send = async |count: u32| {
        let messages = (0..count).map(|number| ("k.takes", number.to_string()));
        rabbit.convert_and_send_all(messages).await
    };
    h.faults().refuse_publishes(2);
    let failed = send(5).await.unwrap_err();
    assert_eq!((failed.index, failed.confirmed_after), (0, 3));
    h.faults().block();
    let mut waits = Box::pin(send(2));
    assert!(waits.as_mut().now_or_never().is_none(), "the broker takes nothing");
    h.faults().cut_off().await;
    let lost = waits.await.unwrap_err();
    assert!(matches!(lost.error, Error::NotConfirmed(_)), "{lost}");
    let unreachable = send(2).await.unwrap_err();
    assert_eq!((unreachable.index, unreachable.confirmed_after), (0, 0));
    assert!(matches!(unreachable.error, Error::Link(_)), "{unreachable}");
    h.faults().unblock();
    h.faults().restore();
    send(2).await.unwrap();
    let is_up = async || h.app().health().is_up();
    time_passes_until(&h, "the listeners are back", is_up).await;
    let calls = h.listener("takes").await_calls(5).await;
    let taken: Vec<u32> = calls.iter().map(|call| call.payload().unwrap()).collect();
    assert_eq!(taken, [2, 3, 4, 0, 1]);
    h.stop().await.unwrap();
}

/// Waits for nothing where the number is 0.
fn impatient<'p>(publish: Publish, next: NextPublish<'p>) -> LayerFuture<'p> {
    if *publish.message.body == *b"0" {
        let sent = next.run(publish).now_or_never();
        return Box::pin(async move { sent.unwrap_or(Err(Error::Stopped)) });
    }
    next.run(publish)
}

async fn what_a_layer_gives_up_before_the_broker_has_it_is_withdrawn(place: &Place) {
    let h = place.start(|app| app.publish_layer(impatient).listeners(listeners![take])).await;
    let rabbit = h.rabbit();
    // So that there is a connection.
    rabbit.convert_and_send("k.takes", "7").await.unwrap();
    h.faults().block();
    let messages = (0..3_u32).map(|number| ("k.takes", number.to_string()));
    let mut sending = Box::pin(rabbit.convert_and_send_all(messages));
    assert!(sending.as_mut().now_or_never().is_none(), "the broker takes nothing");
    h.faults().unblock();
    let failed = sending.await.unwrap_err();
    assert_eq!((failed.index, failed.confirmed_after), (0, 2), "{failed}");
    let calls = h.listener("takes").await_calls(3).await;
    let taken: Vec<u32> = calls.iter().map(|call| call.payload().unwrap()).collect();
    assert_eq!(taken, [7, 1, 2]);
    h.stop().await.unwrap();
}

async fn a_parked_message_whose_publish_is_refused_is_not_lost(place: &Place) {
    let h = place.start(|app| app.listeners(listeners![take])).await;
    h.app().stop_listener("takes").await.unwrap();
    h.rabbit().convert_and_send("k.takes", "bad").await.unwrap();
    h.faults().refuse_publishes(1);
    h.app().start_listener("takes").await.unwrap();
    let parked = async || h.queue("k.takes.error").len().await.is_ok_and(|length| length == 1);
    time_passes_until(&h, "it is parked", parked).await;
    let calls = h.listener("takes").await_settled(2).await;
    let ends = calls.iter().map(|call| call.settlement().unwrap()).collect::<Vec<_>>();
    assert_eq!(ends, [Settlement::Requeued, Settlement::Acked]);
    assert_eq!(calls[0].disposition(), Some(Disposition::Fatal));
    h.stop().await.unwrap();
}

async fn a_blocked_publish_waits(place: &Place) {
    let h = place.start(|app| app.listeners(listeners![take])).await;
    h.faults().block();
    let rabbit = h.rabbit();
    let mut sending = Box::pin(async { rabbit.convert_and_send("k.takes", "tea").await });
    for _ in 0..20 {
        assert!(sending.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    h.faults().unblock();
    sending.await.unwrap();
    h.listener("takes").await_calls(1).await;
    h.stop().await.unwrap();
}

async fn an_application_whose_broker_was_away_comes_back(place: &Place) {
    let h = place.start(|app| app.listeners(listeners![take])).await;
    h.faults().cut_off().await;
    let is_down = async || !h.app().health().is_up();
    time_passes_until(&h, "the listeners notice", is_down).await;
    assert!(h.rabbit().convert_and_send("k.takes", "tea").await.is_err());
    h.faults().restore();
    let is_up = async || h.app().health().is_up();
    time_passes_until(&h, "the listeners are back", is_up).await;
    h.rabbit().convert_and_send("k.takes", "tea").await.unwrap();
    assert_eq!(h.listener("takes").await_calls(1).await.len(), 1);
    h.stop().await.unwrap();
}
