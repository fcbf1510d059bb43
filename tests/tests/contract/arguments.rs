//! What the arguments of a new queue may be.

use springhare::connection::Link;
use springhare_amqp::FieldValue;
use springhare_broker::QueueDeclareOptions;

use crate::support::{Scene, arguments, text};

contract!(
    not_an_integer,
    integers_out_of_range,
    integers_in_range,
    texts_and_flags,
    dead_letter_arguments,
    arguments_of_other_queue_types,
    the_first_fault_is_named,
);

async fn invalid(scene: &Scene<'_>, options: QueueDeclareOptions, fault: &str) {
    let queue = scene.name();
    let named = format!("queue '{queue}' in vhost '/'");
    let text = format!("PRECONDITION_FAILED - {}", fault.replacen('Q', &named, 1));
    scene.refused(406, &text, async |c| c.queue_declare(queue, options).await).await;
}

async fn valid<const N: usize>(scene: &Scene<'_>, entries: [(&str, FieldValue); N]) {
    let options = QueueDeclareOptions { exclusive: true, ..arguments(entries) };
    scene.queue_with(scene.name(), options).await;
    scene.channel.queue_delete(scene.name(), Default::default()).await.unwrap();
}

const INTEGERS: [&str; 5] =
    ["x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-max-priority"];

async fn not_an_integer(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for argument in INTEGERS {
        for (value, kind) in [
            (text("5"), "longstr"),
            (FieldValue::F64(5.0), "double"),
            (FieldValue::F32(5.0), "float"),
            (FieldValue::Boolean(true), "bool"),
            (FieldValue::Void, "void"),
            (FieldValue::Array(vec![FieldValue::I32(1)]), "array"),
            (FieldValue::Decimal { scale: 1, value: 50 }, "decimal"),
            (FieldValue::Timestamp(5), "timestamp"),
            (FieldValue::ByteArray("5".into()), "binary"),
        ] {
            let fault = format!("invalid arg '{argument}' for Q: \"expected integer, got {kind}\"");
            invalid(&scene, arguments([(argument, value)]), &fault).await;
        }
    }
}

async fn integers_out_of_range(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for argument in INTEGERS {
        let fault = format!("invalid arg '{argument}' for Q: {{value_negative,-1}}");
        invalid(&scene, arguments([(argument, FieldValue::I32(-1))]), &fault).await;
    }
    let large = 1 << 40;
    for (argument, value, fault) in [
        ("x-expires", 0, "{value_zero,0}"),
        ("x-expires", large, "{value_too_large,1099511627776}"),
        ("x-message-ttl", large, "{value_too_large,1099511627776}"),
        ("x-max-priority", 256, "{max_value_exceeded,256}"),
        ("x-max-priority", large, "{max_value_exceeded,1099511627776}"),
    ] {
        let fault = format!("invalid arg '{argument}' for Q: {fault}");
        invalid(&scene, arguments([(argument, FieldValue::I64(value))]), &fault).await;
    }
}

async fn integers_in_range(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for value in [
        FieldValue::I8(5),
        FieldValue::U8(5),
        FieldValue::I16(5),
        FieldValue::U16(5),
        FieldValue::I32(5),
        FieldValue::U32(5),
        FieldValue::I64(5),
    ] {
        valid(&scene, [("x-max-length", value)]).await;
    }
    for (argument, value) in [
        ("x-message-ttl", 0),
        ("x-message-ttl", 1 << 32),
        ("x-expires", 1 << 32),
        ("x-max-length", 0),
        ("x-max-length", 1 << 40),
        ("x-max-length-bytes", 0),
        ("x-max-length-bytes", 1 << 40),
        ("x-max-priority", 0),
        ("x-max-priority", 255),
    ] {
        valid(&scene, [(argument, FieldValue::I64(value))]).await;
    }
}

async fn texts_and_flags(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for (argument, value, fault) in [
        ("x-overflow", FieldValue::I32(5), "{unacceptable_type,signedint}"),
        ("x-overflow", FieldValue::Void, "{unacceptable_type,void}"),
        ("x-overflow", text("nonsense"), "invalid_overflow"),
        ("x-overflow", text(""), "invalid_overflow"),
        ("x-queue-type", FieldValue::Boolean(true), "{unacceptable_type,bool}"),
        ("x-queue-type", text("nonsense"), "\"unsupported queue type 'nonsense'\""),
        ("x-queue-type", text(""), "\"unsupported queue type ''\""),
        ("x-queue-mode", FieldValue::I32(5), "{unacceptable_type,signedint}"),
        ("x-queue-mode", text("nonsense"), "\"unsupported queue mode 'nonsense'\""),
        ("x-single-active-consumer", FieldValue::I32(5), "{unacceptable_type,signedint}"),
        ("x-single-active-consumer", text("true"), "{unacceptable_type,longstr}"),
        ("x-single-active-consumer", FieldValue::Void, "{unacceptable_type,void}"),
    ] {
        let fault = format!("invalid arg '{argument}' for Q: {fault}");
        invalid(&scene, arguments([(argument, value)]), &fault).await;
    }
    for (argument, value) in [
        ("x-overflow", text("drop-head")),
        ("x-overflow", text("reject-publish")),
        ("x-overflow", text("reject-publish-dlx")),
        ("x-queue-type", text("classic")),
        ("x-queue-mode", text("lazy")),
        ("x-queue-mode", text("default")),
        ("x-single-active-consumer", FieldValue::Boolean(true)),
        ("x-single-active-consumer", FieldValue::Boolean(false)),
        ("x-foo", FieldValue::Void),
    ] {
        valid(&scene, [(argument, value)]).await;
    }
}

async fn dead_letter_arguments(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (exchange, key) = ("x-dead-letter-exchange", "x-dead-letter-routing-key");
    for value in [FieldValue::I32(5), FieldValue::Boolean(true), FieldValue::Void] {
        let fault = format!("invalid type '{}' for arg '{exchange}' in Q", value.type_name());
        invalid(&scene, arguments([(exchange, value.clone())]), &fault).await;
        let fault =
            format!("invalid arg '{key}' for Q: {{unacceptable_type,{}}}", value.type_name());
        invalid(&scene, arguments([(key, value.clone())]), &fault).await;
        invalid(&scene, arguments([(exchange, text("")), (key, value)]), &fault).await;
    }
    let fault = format!("invalid arg '{key}' for Q: routing_key_but_no_dlx_defined");
    invalid(&scene, arguments([(key, text("k"))]), &fault).await;
    // The exchange need not be there.
    valid(&scene, [(exchange, text("not-there"))]).await;
    valid(&scene, [(exchange, text("")), (key, text("k"))]).await;
}

async fn arguments_of_other_queue_types(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for argument in ["x-delivery-limit", "x-dead-letter-strategy"] {
        for value in [FieldValue::I32(3), text("nonsense")] {
            let fault =
                format!("invalid arg '{argument}' for Q of queue type rabbit_classic_queue");
            invalid(&scene, arguments([(argument, value)]), &fault).await;
        }
    }
}

async fn the_first_fault_is_named(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (ttl, length) = ("x-message-ttl", "x-max-length");
    let fault = "invalid arg 'x-message-ttl' for Q: {value_negative,-1}";
    let negative = || FieldValue::I32(-1);
    invalid(&scene, arguments([(ttl, negative()), (length, negative())]), fault).await;
    invalid(&scene, arguments([(length, negative()), (ttl, negative())]), fault).await;
    let fault = "invalid type 'signedint' for arg 'x-dead-letter-exchange' in Q";
    let both = [("x-expires", text("a")), ("x-dead-letter-exchange", FieldValue::I32(5))];
    invalid(&scene, arguments(both), fault).await;
}
