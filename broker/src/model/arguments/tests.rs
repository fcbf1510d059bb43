use super::*;

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    entries.iter().map(|(name, value)| (ShortString::new(name).unwrap(), value.clone())).collect()
}

fn queue() -> Resource<'static> {
    Resource::queue("q", "/")
}

fn parse(entries: &[(&str, FieldValue)]) -> Result<QueueArguments, ArgumentError> {
    QueueArguments::parse(&table(entries), queue())
}

#[test]
fn arguments_are_read_into_types() {
    let read = parse(&[
        ("x-message-ttl", 60_000.into()),
        ("x-expires", 1i64.into()),
        ("x-max-length", 5u8.into()),
        ("x-max-length-bytes", 6i16.into()),
        ("x-overflow", "reject-publish".into()),
        ("x-dead-letter-exchange", "".into()),
        ("x-dead-letter-routing-key", "dead".into()),
        ("x-max-priority", 255.into()),
        ("x-single-active-consumer", true.into()),
        ("x-mine", 1.into()),
    ])
    .unwrap();
    assert_eq!(read.queue_type, QueueType::Classic);
    assert_eq!(read.message_ttl, Some(Duration::from_mins(1)));
    assert_eq!(read.expires, Some(Duration::from_millis(1)));
    assert_eq!((read.max_length, read.max_length_bytes), (Some(5), Some(6)));
    assert_eq!(read.overflow, Overflow::RejectPublish);
    assert_eq!(read.dead_letter_exchange, Some(ShortString::EMPTY));
    assert_eq!(read.dead_letter_routing_key.as_deref(), Some("dead"));
    assert_eq!(read.max_priority, Some(255));
    assert_eq!(read.active_consumers, ActiveConsumers::Single);
    assert_eq!(read.table.len(), 10);
    assert_eq!(parse(&[]).unwrap(), QueueArguments::default());
}

#[test]
fn a_quorum_queue_has_a_delivery_limit() {
    let limit = |limit: i32| {
        let arguments = [("x-queue-type", "quorum".into()), ("x-delivery-limit", limit.into())];
        parse(&arguments).unwrap().delivery_limit
    };
    assert_eq!(limit(20), Some(DeliveryLimit::AtMost(20)));
    assert_eq!(limit(-1), Some(DeliveryLimit::Unlimited));
}

/// What each wrong argument is answered with, seen on RabbitMQ 3.10.8.
#[test]
fn a_stream_has_an_age_and_segments() {
    let stream =
        |name, value: FieldValue| parse(&[("x-queue-type", "stream".into()), (name, value)]);
    let segment = "x-stream-max-segment-size-bytes";
    let read = stream("x-max-age", "7D".into()).unwrap();
    assert_eq!(read.max_age, Some(Duration::from_hours(7 * 24)));
    let largest = stream(segment, 3_000_000_000_i64.into()).unwrap();
    assert_eq!(largest.max_segment_size_bytes, Some(3_000_000_000));
    for (name, value, text) in [
        (
            "x-max-age",
            "7d".into(),
            "invalid arg 'x-max-age' for queue 'q' in vhost '/': invalid_max_age",
        ),
        (
            "x-max-age",
            "".into(),
            "invalid arg 'x-max-age' for queue 'q' in vhost '/': invalid_max_age",
        ),
        (
            "x-max-age",
            FieldValue::from(5),
            "invalid arg 'x-max-age' for queue 'q' in vhost '/': {unacceptable_type,signedint}",
        ),
        (
            segment,
            3_000_000_001_i64.into(),
            "Exceeded max value for x-stream-max-segment-size-bytes",
        ),
    ] {
        assert_eq!(stream(name, value).unwrap_err().to_string(), text);
    }
}

#[test]
fn wrong_values_are_refused_in_rabbitmqs_words() {
    let integers = ["x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes"];
    for name in integers.into_iter().chain(["x-max-priority"]) {
        check(name, "5".into(), "\"expected integer, got longstr\"");
        check(name, true.into(), "\"expected integer, got bool\"");
        check(name, FieldValue::Void, "\"expected integer, got void\"");
        check(name, vec![1].into(), "\"expected integer, got array\"");
        check(name, (-1).into(), "{value_negative,-1}");
    }
    check("x-expires", 0.into(), "{value_zero,0}");
    for name in ["x-message-ttl", "x-expires"] {
        check(name, 1_099_511_627_776i64.into(), "{value_too_large,1099511627776}");
    }
    check("x-max-priority", 256.into(), "{max_value_exceeded,256}");
    check("x-overflow", 5.into(), "{unacceptable_type,signedint}");
    check("x-overflow", "nonsense".into(), "invalid_overflow");
    check("x-overflow", "".into(), "invalid_overflow");
    check("x-dead-letter-routing-key", 5.into(), "{unacceptable_type,signedint}");
    check("x-dead-letter-routing-key", "k".into(), "routing_key_but_no_dlx_defined");
    check("x-queue-type", 5.into(), "{unacceptable_type,signedint}");
    check("x-queue-type", "odd".into(), "\"unsupported queue type 'odd'\"");
    check("x-queue-mode", "odd".into(), "\"unsupported queue mode 'odd'\"");
    check("x-queue-version", 3.into(), "\"unsupported queue version '3'\"");
    check("x-single-active-consumer", 1.into(), "{unacceptable_type,signedint}");
}

fn check(name: &str, value: FieldValue, term: &str) {
    let expected = format!("invalid arg '{name}' for queue 'q' in vhost '/': {term}");
    let refused = parse(&[(name, value)]).unwrap_err();
    assert_eq!(refused.to_string(), expected);
}

#[test]
fn a_name_that_nothing_can_have_is_refused() {
    let long = "x".repeat(256);
    let refused = parse(&[("x-dead-letter-exchange", long.into())]).unwrap_err();
    assert!(refused.to_string().ends_with("at most 255 bytes of UTF-8\""), "{refused}");
}

#[test]
fn an_argument_of_another_queue_type_is_refused_and_an_unknown_one_is_not() {
    assert_eq!(
        parse(&[("x-delivery-limit", "5".into())]).unwrap_err().to_string(),
        "invalid arg 'x-delivery-limit' for queue 'q' in vhost '/' of queue type \
         rabbit_classic_queue"
    );
    assert_eq!(
        parse(&[("x-queue-type", "quorum".into()), ("x-max-priority", 5.into())])
            .unwrap_err()
            .to_string(),
        "invalid arg 'x-max-priority' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue"
    );
    assert!(parse(&[("x-mine", 5.into()), ("x-queue-leader-locator", "random".into())]).is_ok());
}

fn compare(current: &[(&str, FieldValue)], received: &[(&str, FieldValue)]) -> Result<(), String> {
    let current = parse(current).unwrap();
    current.check_equivalent(&table(received), queue()).map_err(|error| error.to_string())
}

fn differs(name: &str, received: &str, current: &str) -> Result<(), String> {
    Err(format!(
        "inequivalent arg '{name}' for queue 'q' in vhost '/': received {received} but current \
         is {current}"
    ))
}

#[test]
fn a_different_argument_is_named_in_rabbitmqs_words() {
    let ttl = |ttl: i32| [("x-message-ttl", ttl.into())];
    let typed = |text: &str, kind: &str| format!("the value '{text}' of type '{kind}'");
    let name = "x-message-ttl";
    assert_eq!(compare(&ttl(1), &ttl(1)), Ok(()));
    assert_eq!(compare(&ttl(1), &ttl(2)), differs(name, "'2'", "'1'"));
    assert_eq!(compare(&ttl(60_000), &[]), differs(name, "none", &typed("60000", "signedint")));
    assert_eq!(compare(&[], &ttl(5)), differs(name, &typed("5", "signedint"), "none"));
    assert_eq!(compare(&ttl(1), &[(name, "a".into())]), differs(name, "'a'", "'1'"));
    assert_eq!(
        compare(&[("x-single-active-consumer", false.into())], &[]),
        differs("x-single-active-consumer", "none", &typed("false", "bool"))
    );
    assert_eq!(
        compare(&[], &[("x-max-length", 5.into()), (name, 5.into()), ("x-expires", 5.into())]),
        differs("x-expires", &typed("5", "signedint"), "none")
    );
}

#[test]
fn widths_classic_by_name_and_unknown_arguments_make_no_difference() {
    let classic = [("x-queue-type", "classic".into())];
    assert_eq!(compare(&[("x-expires", 5i64.into())], &[("x-expires", 5u8.into())]), Ok(()));
    assert_eq!(compare(&[], &classic), Ok(()));
    assert_eq!(compare(&classic, &[]), Ok(()));
    assert_eq!(compare(&[("x-foo", 1.into())], &[("x-foo", 2.into())]), Ok(()));
    assert_eq!(
        compare(&[], &[("x-queue-type", "quorum".into())]),
        differs("x-queue-type", "the value 'quorum' of type 'longstr'", "none")
    );
}
