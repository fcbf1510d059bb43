//! Bindings, of which files say less than brokers know.

use springhare_amqp::{FieldTable, FieldValue};

use super::*;
use crate::engine::declare::BindingRequest;
use crate::model::binding::Destination;

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

/// Binds the queue `q` of a broker that has it.
fn bind(broker: &Arc<BrokerCell>, source: &str, key: &str, arguments: FieldTable) {
    let request = BindingRequest {
        source: name(source),
        destination: Destination::Queue(name("q")),
        routing_key: name(key),
        arguments,
    };
    let connection = broker.connect(ShortString::EMPTY).unwrap();
    connection.virtual_host().bind(connection.id(), request).unwrap();
}

fn with_queue() -> Arc<BrokerCell> {
    let broker = broker();
    let file = json!({
        "queues": [{"vhost": "/", "name": "q", "durable": true, "auto_delete": false}],
        "exchanges": [{"vhost": "/", "name": "h", "type": "x-consistent-hash", "durable": true,
                       "auto_delete": false}],
    });
    import(&broker, &file.to_string()).unwrap();
    broker
}

#[test]
fn a_binding_whose_arguments_json_can_not_tell_is_not_made_twice() {
    let broker = with_queue();
    let values = [
        FieldValue::I8(1),
        FieldValue::U8(2),
        FieldValue::I32(3),
        FieldValue::I64(4),
        FieldValue::F32(0.1),
        FieldValue::Timestamp(5),
        FieldValue::Timestamp(u64::MAX),
        FieldValue::Void,
        FieldValue::Decimal { scale: 1, value: 5 },
        FieldValue::ByteArray(b"bytes".to_vec().into()),
        vec![FieldValue::I32(6)].into(),
    ];
    let count = values.len();
    for value in values {
        bind(&broker, "amq.headers", "", [(name("h"), value)].into_iter().collect());
    }
    let exported = export(&broker);
    import(&broker, &exported).unwrap();
    assert_eq!(broker.virtual_hosts()["/"].topology().bindings().count(), count);
    assert_eq!(export(&broker), exported);
    // What differs in JSON is another.
    let other = exported.replace("\"h\": 3", "\"h\": 33");
    import(&broker, &other).unwrap();
    assert_eq!(broker.virtual_hosts()["/"].topology().bindings().count(), count + 1);
}

#[test]
fn the_first_weight_of_a_queue_is_the_first_of_the_file_too() {
    for keys in [["5", "10"], ["10", "5"]] {
        let broker = with_queue();
        keys.iter().for_each(|key| bind(&broker, "h", key, FieldTable::new()));
        let exported = export(&broker);
        let bindings = &value(&exported)["bindings"];
        assert_eq!([0, 1].map(|place| &bindings[place]["routing_key"]), keys);
        let other = self::broker();
        import(&other, &exported).unwrap();
        assert_eq!(export(&other), exported);
    }
}
