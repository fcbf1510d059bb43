//! The arguments of all methods, written down a second time, as RabbitMQ's parser has them.
//!
//! `o`, `w`, `l` and `q` are integers of 1, 2, 4 and 8 bytes, `s` and `S` short and long strings,
//! `t` a table, `b` a bit; what follows `-` is reserved, and zero.

use proptest::prelude::*;

use crate::strategies::{long_string, short_string, table};

const METHODS: &[(u16, u16, &str)] = &[
    (10, 10, "o o t S S"),
    (10, 11, "t s S s"),
    (10, 20, "S"),
    (10, 21, "S"),
    (10, 30, "w l w"),
    (10, 31, "w l w"),
    (10, 40, "s -s -b"),
    (10, 41, "-s"),
    (10, 50, "w s w w"),
    (10, 51, ""),
    (10, 60, "s"),
    (10, 61, ""),
    (10, 70, "S s"),
    (10, 71, ""),
    (20, 10, "-s"),
    (20, 11, "-S"),
    (20, 20, "b"),
    (20, 21, "b"),
    (20, 40, "w s w w"),
    (20, 41, ""),
    (30, 10, "s b b b b b"),
    (30, 11, "w"),
    (40, 10, "-w s s b b b b b t"),
    (40, 11, ""),
    (40, 20, "-w s b b"),
    (40, 21, ""),
    (40, 30, "-w s s s b t"),
    (40, 31, ""),
    (40, 40, "-w s s s b t"),
    (40, 51, ""),
    (50, 10, "-w s b b b b b t"),
    (50, 11, "s l l"),
    (50, 20, "-w s s s b t"),
    (50, 21, ""),
    (50, 30, "-w s b"),
    (50, 31, "l"),
    (50, 40, "-w s b b b"),
    (50, 41, "l"),
    (50, 50, "-w s s s t"),
    (50, 51, ""),
    (60, 10, "l w b"),
    (60, 11, ""),
    (60, 20, "-w s s b b b b t"),
    (60, 21, "s"),
    (60, 30, "s b"),
    (60, 31, "s"),
    (60, 40, "-w s s b b"),
    (60, 50, "w s s s"),
    (60, 60, "s q b s s"),
    (60, 70, "-w s b"),
    (60, 71, "q b s s l"),
    (60, 72, "-s"),
    (60, 80, "q b"),
    (60, 90, "q b"),
    (60, 100, "b"),
    (60, 110, "b"),
    (60, 111, ""),
    (60, 120, "q b b"),
    (85, 10, "b"),
    (85, 11, ""),
    (90, 10, ""),
    (90, 11, ""),
    (90, 20, ""),
    (90, 21, ""),
    (90, 30, ""),
    (90, 31, ""),
];

#[derive(Debug, Clone)]
enum Argument {
    Bit(bool),
    Bytes(Vec<u8>),
}

/// The payload of any method's frame.
pub(crate) fn method_payload() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(METHODS).prop_flat_map(|(class, method, arguments)| {
        let arguments: Vec<_> = arguments.split_whitespace().map(argument).collect();
        arguments.prop_map(move |arguments| payload(class, method, &arguments))
    })
}

fn argument(kind: &str) -> BoxedStrategy<Argument> {
    match kind {
        "b" => any::<bool>().prop_map(Argument::Bit).boxed(),
        "o" => any::<u8>().prop_map(|value| Argument::Bytes(vec![value])).boxed(),
        "w" => any::<[u8; 2]>().prop_map(|value| Argument::Bytes(value.to_vec())).boxed(),
        "l" => any::<[u8; 4]>().prop_map(|value| Argument::Bytes(value.to_vec())).boxed(),
        "q" => any::<[u8; 8]>().prop_map(|value| Argument::Bytes(value.to_vec())).boxed(),
        "s" => short_string().prop_map(|text| counted_by_octet(text.as_bytes())).boxed(),
        "S" => long_string().prop_map(|bytes| counted_by_long(&bytes)).boxed(),
        "t" => table()
            .prop_map(|table| {
                let mut out = bytes::BytesMut::new();
                springhare_amqp::wire::encode_table(&table, &mut out);
                Argument::Bytes(out.to_vec())
            })
            .boxed(),
        "-b" => Just(Argument::Bit(false)).boxed(),
        "-w" => Just(Argument::Bytes(vec![0; 2])).boxed(),
        "-s" => Just(Argument::Bytes(vec![0])).boxed(),
        "-S" => Just(Argument::Bytes(vec![0; 4])).boxed(),
        _ => unreachable!("{kind} is no kind of argument"),
    }
}

fn counted_by_octet(bytes: &[u8]) -> Argument {
    Argument::Bytes([&[u8::try_from(bytes.len()).unwrap()], bytes].concat())
}

fn counted_by_long(bytes: &[u8]) -> Argument {
    Argument::Bytes([&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat())
}

fn payload(class: u16, method: u16, arguments: &[Argument]) -> Vec<u8> {
    let mut bytes = [class.to_be_bytes(), method.to_be_bytes()].concat();
    let mut bits = Vec::new();
    for argument in arguments {
        match argument {
            Argument::Bit(bit) => bits.push(*bit),
            Argument::Bytes(argument) => {
                pack(&mut bits, &mut bytes);
                bytes.extend(argument);
            }
        }
    }
    pack(&mut bits, &mut bytes);
    bytes
}

/// Bits that follow one another share octets, the first has the lowest place.
fn pack(bits: &mut Vec<bool>, bytes: &mut Vec<u8>) {
    for octet in bits.chunks(8) {
        bytes.push(octet.iter().rev().fold(0, |octet, bit| octet << 1 | u8::from(*bit)));
    }
    bits.clear();
}
