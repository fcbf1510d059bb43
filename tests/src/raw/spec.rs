//! The methods of AMQP 0-9-1 and RabbitMQ's extensions: names, numbers, and what they carry.
//!
//! Written down apart from our codec on purpose: one of the two would show a mistake in the other.

use std::sync::OnceLock;

/// For each method its numbers, its name, and its arguments: name and type. Neighbouring bits
/// share an octet. What the specification reserves is named so, and its value is written if it
/// is not zero. A line that is indented goes on with the one before.
const METHODS: &str = "
10.10 connection.start version_major:octet version_minor:octet server_properties:table
    mechanisms:longstr locales:longstr
10.11 connection.start-ok client_properties:table mechanism:shortstr response:longstr
    locale:shortstr
10.20 connection.secure challenge:longstr
10.21 connection.secure-ok response:longstr
10.30 connection.tune channel_max:short frame_max:long heartbeat:short
10.31 connection.tune-ok channel_max:short frame_max:long heartbeat:short
10.40 connection.open virtual_host:shortstr reserved_1:shortstr reserved_2:bit
10.41 connection.open-ok reserved_1:shortstr
10.50 connection.close code:short text:shortstr class:short method:short
10.51 connection.close-ok
10.60 connection.blocked reason:shortstr
10.61 connection.unblocked
10.70 connection.update-secret new_secret:longstr reason:shortstr
10.71 connection.update-secret-ok
20.10 channel.open reserved_1:shortstr
20.11 channel.open-ok reserved_1:longstr
20.20 channel.flow active:bit
20.21 channel.flow-ok active:bit
20.40 channel.close code:short text:shortstr class:short method:short
20.41 channel.close-ok
30.10 access.request realm:shortstr exclusive:bit passive:bit active:bit write:bit read:bit
30.11 access.request-ok ticket:short
40.10 exchange.declare reserved_1:short exchange:shortstr type:shortstr passive:bit durable:bit
    auto_delete:bit internal:bit no_wait:bit arguments:table
40.11 exchange.declare-ok
40.20 exchange.delete reserved_1:short exchange:shortstr if_unused:bit no_wait:bit
40.21 exchange.delete-ok
40.30 exchange.bind reserved_1:short destination:shortstr source:shortstr routing_key:shortstr
    no_wait:bit arguments:table
40.31 exchange.bind-ok
40.40 exchange.unbind reserved_1:short destination:shortstr source:shortstr routing_key:shortstr
    no_wait:bit arguments:table
40.51 exchange.unbind-ok
50.10 queue.declare reserved_1:short queue:shortstr passive:bit durable:bit exclusive:bit
    auto_delete:bit no_wait:bit arguments:table
50.11 queue.declare-ok queue:shortstr message_count:long consumer_count:long
50.20 queue.bind reserved_1:short queue:shortstr exchange:shortstr routing_key:shortstr
    no_wait:bit arguments:table
50.21 queue.bind-ok
50.30 queue.purge reserved_1:short queue:shortstr no_wait:bit
50.31 queue.purge-ok message_count:long
50.40 queue.delete reserved_1:short queue:shortstr if_unused:bit if_empty:bit no_wait:bit
50.41 queue.delete-ok message_count:long
50.50 queue.unbind reserved_1:short queue:shortstr exchange:shortstr routing_key:shortstr
    arguments:table
50.51 queue.unbind-ok
60.10 basic.qos prefetch_size:long prefetch_count:short global:bit
60.11 basic.qos-ok
60.20 basic.consume reserved_1:short queue:shortstr consumer_tag:shortstr no_local:bit
    no_ack:bit exclusive:bit no_wait:bit arguments:table
60.21 basic.consume-ok consumer_tag:shortstr
60.30 basic.cancel consumer_tag:shortstr no_wait:bit
60.31 basic.cancel-ok consumer_tag:shortstr
60.40 basic.publish reserved_1:short exchange:shortstr routing_key:shortstr mandatory:bit
    immediate:bit
60.50 basic.return code:short text:shortstr exchange:shortstr routing_key:shortstr
60.60 basic.deliver consumer_tag:shortstr delivery_tag:longlong redelivered:bit
    exchange:shortstr routing_key:shortstr
60.70 basic.get reserved_1:short queue:shortstr no_ack:bit
60.71 basic.get-ok delivery_tag:longlong redelivered:bit exchange:shortstr routing_key:shortstr
    message_count:long
60.72 basic.get-empty reserved_1:shortstr
60.80 basic.ack delivery_tag:longlong multiple:bit
60.90 basic.reject delivery_tag:longlong requeue:bit
60.100 basic.recover-async requeue:bit
60.110 basic.recover requeue:bit
60.111 basic.recover-ok
60.120 basic.nack delivery_tag:longlong multiple:bit requeue:bit
85.10 confirm.select no_wait:bit
85.11 confirm.select-ok
90.10 tx.select
90.11 tx.select-ok
90.20 tx.commit
90.21 tx.commit-ok
90.30 tx.rollback
90.31 tx.rollback-ok
";

/// The properties of a content of class basic, from the highest bit of the flags down.
pub(super) const PROPERTIES: [(&str, Type); 14] = [
    ("content_type", Type::ShortString),
    ("content_encoding", Type::ShortString),
    ("headers", Type::Table),
    ("delivery_mode", Type::Octet),
    ("priority", Type::Octet),
    ("correlation_id", Type::ShortString),
    ("reply_to", Type::ShortString),
    ("expiration", Type::ShortString),
    ("message_id", Type::ShortString),
    ("timestamp", Type::LongLong),
    ("type", Type::ShortString),
    ("user_id", Type::ShortString),
    ("app_id", Type::ShortString),
    ("cluster_id", Type::ShortString),
];

/// What an argument is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Bit,
    Octet,
    Short,
    Long,
    LongLong,
    ShortString,
    LongString,
    Table,
}

/// A method's layout.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) id: (u16, u16),
    pub(super) name: &'static str,
    pub(super) arguments: Vec<(&'static str, Type)>,
}

pub(super) fn by_id(id: (u16, u16)) -> Option<&'static Method> {
    methods().iter().find(|method| method.id == id)
}

pub(super) fn by_name(name: &str) -> Option<&'static Method> {
    methods().iter().find(|method| method.name == name)
}

fn methods() -> &'static [Method] {
    static METHODS_READ: OnceLock<Vec<Method>> = OnceLock::new();
    METHODS_READ.get_or_init(|| {
        let starts = METHODS.match_indices('\n').map(|(at, _)| &METHODS[at + 1..]);
        starts.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).map(parse).collect()
    })
}

/// The method that this text begins with.
fn parse(text: &'static str) -> Method {
    let mut words = text.split_whitespace();
    let mut word = || words.next().expect("a line has a number and a name");
    let (class, id) = word().split_once('.').expect("two numbers");
    let number = |text: &str| text.parse().expect("a number");
    let id = (number(class), number(id));
    let name = word();
    let arguments = words.map_while(|word| word.split_once(':')).map(argument).collect();
    Method { id, name, arguments }
}

fn argument((name, kind): (&'static str, &str)) -> (&'static str, Type) {
    let kind = match kind {
        "bit" => Type::Bit,
        "octet" => Type::Octet,
        "short" => Type::Short,
        "long" => Type::Long,
        "longlong" => Type::LongLong,
        "shortstr" => Type::ShortString,
        "longstr" => Type::LongString,
        "table" => Type::Table,
        other => panic!("no type is called {other}"),
    };
    (name, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_unique() {
        for (at, method) in methods().iter().enumerate() {
            for other in &methods()[at + 1..] {
                assert_ne!(method.id, other.id);
                assert_ne!(method.name, other.name);
            }
        }
        assert_eq!(methods().len(), 66);
    }
}
