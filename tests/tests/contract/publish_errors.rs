//! Messages that the broker does not take.

use springhare::connection::Link;
use springhare_amqp::{BasicProperties, FieldValue, Message, ShortString};
use springhare_tests::MAX_MESSAGE_SIZE;

use crate::support::{Scene, table, text, with_properties};

contract!(
    an_invalid_expiration,
    a_valid_expiration,
    a_body_that_is_too_large,
    somebody_elses_user_id: "a connection of this process has no user",
    carbon_copies_are_lists,
    a_missing_exchange_in_confirm_mode,
);

fn expiring(expiration: &str) -> Message {
    let expiration = Some(ShortString::new(expiration).unwrap());
    with_properties("", BasicProperties { expiration, ..Default::default() })
}

async fn refused(scene: &Scene<'_>, message: Message, explanation: &str) {
    let (text, queue) = (format!("PRECONDITION_FAILED - {explanation}"), scene.name());
    scene
        .refused(406, &text, async |channel| {
            channel.basic_publish("", queue, Default::default(), message).await
        })
        .await;
}

async fn an_invalid_expiration(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for (expiration, fault) in [
        ("abc", "no_integer"),
        ("", "no_integer"),
        (" 1", "no_integer"),
        ("-1", "{value_negative,-1}"),
        ("1.5", "{leftover_string,\".5\"}"),
        ("1 ", "{leftover_string,\" \"}"),
        ("10abc", "{leftover_string,\"abc\"}"),
        ("1099511627776", "{value_too_large,1099511627776}"),
    ] {
        // Even when the message reaches no queue.
        let explanation = format!("invalid expiration '{expiration}': {fault}");
        refused(&scene, expiring(expiration), &explanation).await;
    }
}

async fn a_valid_expiration(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    for expiration in ["60000", "4294967295", "4294967296", "+60000"] {
        let message = expiring(expiration);
        let publish =
            scene.channel.basic_publish("", scene.name(), Default::default(), message).await;
        publish.unwrap();
        assert_eq!(scene.drain(scene.name()).await, [""], "{expiration}");
    }
}

async fn a_body_that_is_too_large(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, size) = (scene.name(), MAX_MESSAGE_SIZE + 1);
    scene.queue(queue).await;
    let explanation =
        format!("message size {size} is larger than configured max size {MAX_MESSAGE_SIZE}");
    refused(&scene, Message::new(vec![0; size]), &explanation).await;
    // Looked at before the exchange is.
    let text = format!("PRECONDITION_FAILED - {explanation}");
    scene
        .refused(406, &text, async |channel| {
            let message = Message::new(vec![0; size]);
            channel.basic_publish("not-there", "", Default::default(), message).await
        })
        .await;
    let largest = Message::new(vec![0; MAX_MESSAGE_SIZE]);
    scene.channel.basic_publish("", queue, Default::default(), largest).await.unwrap();
    assert_eq!(scene.get(queue).await.message.message.body.len(), MAX_MESSAGE_SIZE);
}

async fn somebody_elses_user_id(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let of = |user: &str| {
        let user_id = Some(ShortString::new(user).unwrap());
        with_properties("", BasicProperties { user_id, ..Default::default() })
    };
    let explanation = "user_id property set to 'bob' but authenticated user was 'guest'";
    refused(&scene, of("bob"), explanation).await;
    let own = of("guest");
    scene.channel.basic_publish("", scene.name(), Default::default(), own).await.unwrap();
}

async fn carbon_copies_are_lists(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for header in ["CC", "BCC"] {
        let headers = Some(table([(header, text("x"))]));
        let message = with_properties("", BasicProperties { headers, ..Default::default() });
        let explanation =
            format!("invalid message: {{unacceptable_type_in_header,\"{header}\",longstr}}");
        refused(&scene, message, &explanation).await;
        let headers = Some(table([(header, FieldValue::I32(1))]));
        let message = with_properties("", BasicProperties { headers, ..Default::default() });
        let explanation =
            format!("invalid message: {{unacceptable_type_in_header,\"{header}\",signedint}}");
        refused(&scene, message, &explanation).await;
    }
}

async fn a_missing_exchange_in_confirm_mode(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let x = scene.name();
    let text = format!("NOT_FOUND - no exchange '{x}' in vhost '/'");
    scene
        .refused(404, &text, async |channel| {
            channel.confirm_select().await?;
            channel.basic_publish(x, "k", Default::default(), Default::default()).await
        })
        .await;
}
