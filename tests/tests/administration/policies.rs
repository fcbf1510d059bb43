//! What is wrong with a policy, in RabbitMQ's words.

use springhare_amqp::FieldValue;
use springhare_broker::{AdminError, Broker, Policy};
use springhare_tests::RabbitMq;

/// Key and value, and the value in JSON.
fn wrong() -> Vec<(&'static str, FieldValue, &'static str)> {
    let mut wrong = vec![
        ("foo", 1.into(), "1"),
        ("foo", "a \"b\"".into(), r#""a \"b\"""#),
        ("message-ttl", 1.5.into(), "1.5"),
        ("max-age", "5x".into(), "\"5x\""),
        ("max-age", "0D".into(), "\"0D\""),
        ("ha-mode", "most".into(), "\"most\""),
        ("ha-params", 2.into(), "2"),
        ("overflow", FieldValue::Array(vec![1000.into(), "b".into()]), "[1000, \"b\"]"),
        ("stream-max-segment-size-bytes", 3_000_000_001_i64.into(), "3000000001"),
    ];
    for key in [
        "alternate-exchange",
        "dead-letter-exchange",
        "dead-letter-routing-key",
        "dead-letter-strategy",
        "message-ttl",
        "expires",
        "max-length",
        "max-length-bytes",
        "max-in-memory-length",
        "max-in-memory-bytes",
        "queue-mode",
        "queue-version",
        "overflow",
        "queue-leader-locator",
        "initial-cluster-size",
    ] {
        wrong.push((key, (-1).into(), "-1"));
        wrong.push((key, true.into(), "true"));
        wrong.push((key, FieldValue::Void, "null"));
    }
    wrong
}

#[tokio::test]
async fn wrong_policies_are_refused_in_the_same_words() {
    let Some(rabbitmq) = RabbitMq::shared() else { return };
    let ours = Broker::builder().start().unwrap();
    for (key, value, json) in wrong() {
        let definition = format!("{{\"{key}\": {json}}}");
        let literal = format!("{definition:?}");
        let said = rabbitmq.node().evaluate_text(&format!(
            "{{error_string, Said}} = rabbit_policy:parse_set(<<\"/\">>, <<\"p\">>, <<\"^q\">>, \
             <<{literal}>>, <<\"0\">>, <<\"all\">>, <<\"test\">>), Said"
        ));
        let policy = Policy::new("p", "^q").set(key, value);
        let Err(AdminError::Policy(error)) = ours.set_policy("/", policy).await else {
            panic!("{definition} is taken")
        };
        assert_eq!(error.to_string(), said.unwrap().trim_end(), "{definition}");
    }
}

#[tokio::test]
async fn operators_have_limits_only() {
    let Some(rabbitmq) = RabbitMq::shared() else { return };
    let ours = Broker::builder().start().unwrap();
    for key in ["dead-letter-exchange", "alternate-exchange", "queue-mode", "ha-mode"] {
        let said = rabbitmq.node().evaluate_text(&format!(
            "{{error_string, Said}} = rabbit_policy:parse_set_op(<<\"/\">>, <<\"p\">>, <<\"^q\">>, \
             <<\"{{\\\"{key}\\\": \\\"x\\\"}}\">>, <<\"0\">>, <<\"all\">>, <<\"test\">>), Said"
        ));
        let refused = ours.set_operator_policy("/", Policy::new("p", "^q").set(key, "x")).await;
        assert_eq!(refused.unwrap_err().to_string(), said.unwrap().trim_end(), "{key}");
    }
}
