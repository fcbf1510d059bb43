//! Frames as a line of text, and back.

use super::bytes::{
    HEADER, METHOD, PROTOCOL_HEADER, body, header, heartbeat, longstr, method, shortstr,
};
use super::frame::RawFrame;
use super::spec::{self, Type};
use super::value::{Bytes, Text, hex, write_string};

/// Texts of a server that are its own: only that they are there is compared.
const OWN: [&[u8]; 6] =
    [b"cluster_name", b"copyright", b"information", b"platform", b"product", b"version"];

/// The bytes that a line stands for.
///
/// ```text
/// protocol                                  the protocol header
/// heartbeat
/// raw 01 0000                               any bytes
/// 1 queue.declare queue=orders durable      a method: what is not named is zero, empty or false
/// 1 header size=5 content_type=text/plain   a content header
/// 1 body hello                              a content body; a*5000 for five thousand of them
/// ```
///
/// # Panics
///
/// When the line is none of these.
#[must_use]
pub(super) fn parse(line: &str) -> Vec<u8> {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    match first {
        "protocol" => return PROTOCOL_HEADER.to_vec(),
        "heartbeat" => return heartbeat(),
        "raw" => return hex(&rest.replace(' ', "")),
        _ => {}
    }
    let channel = first.parse().unwrap_or_else(|_| panic!("'{first}' is no channel"));
    let (what, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut text = Text(arguments);
    let bytes = match what {
        "header" => parse_header(channel, &mut text),
        "body" => body(channel, parse_body(&mut text)),
        name => parse_method(channel, name, &mut text),
    };
    assert!(text.0.is_empty(), "'{}' is left over", text.0);
    bytes
}

fn parse_body(text: &mut Text<'_>) -> Vec<u8> {
    let part = text.string();
    let part_text = String::from_utf8_lossy(&part);
    match part_text.split_once('*').map(|(unit, count)| (unit, count.parse())) {
        Some((unit, Ok(count))) => unit.repeat(count).into_bytes(),
        _ => part,
    }
}

fn parse_header(channel: u16, text: &mut Text<'_>) -> Vec<u8> {
    let mut size = 0;
    let mut values: Vec<(usize, Vec<u8>)> = Vec::new();
    while !text.0.is_empty() {
        let name = text.word();
        text.expect('=');
        if name == "size" {
            size = text.number();
        } else {
            let at = spec::PROPERTIES.iter().position(|(property, _)| *property == name);
            let at = at.unwrap_or_else(|| panic!("no property is called '{name}'"));
            let Some((_, kind)) = spec::PROPERTIES.get(at) else { unreachable!("it was found") };
            values.push((at, parse_argument(*kind, text)));
        }
        text.skip(' ');
    }
    values.sort_by_key(|(at, _)| *at);
    let flags = values.iter().fold(0_u16, |flags, (at, _)| flags | 1 << (15 - at));
    let values = values.into_iter().flat_map(|(_, value)| value);
    header(channel, size, flags.to_be_bytes().into_iter().chain(values).collect::<Vec<_>>())
}

fn parse_method(channel: u16, name: &str, text: &mut Text<'_>) -> Vec<u8> {
    let spec = spec::by_name(name).unwrap_or_else(|| panic!("no method is called '{name}'"));
    let mut given: Vec<(&str, Option<Vec<u8>>)> = Vec::new();
    while !text.0.is_empty() {
        let name = text.word();
        let kind = spec.arguments.iter().find(|(argument, _)| *argument == name);
        let (_, kind) = kind.unwrap_or_else(|| panic!("{} has no '{name}'", spec.name));
        let value = text.skip('=').then(|| parse_argument(*kind, text));
        given.push((name, value));
        text.skip(' ');
    }
    let mut bytes = Vec::new();
    let mut bits = 0;
    for (name, kind) in &spec.arguments {
        let value = given.iter().find(|(given, _)| given == name).map(|(_, value)| value);
        if *kind != Type::Bit {
            bits = 0;
            let zero = || parse_argument(*kind, &mut Text(zero(*kind)));
            bytes.extend(value.cloned().flatten().unwrap_or_else(zero));
            continue;
        }
        if bits % 8 == 0 {
            bytes.push(0);
        }
        if let (Some(octet), Some(_)) = (bytes.last_mut(), value) {
            *octet |= 1 << (bits % 8);
        }
        bits += 1;
    }
    method(channel, spec.id.0, spec.id.1, bytes)
}

/// How the value that stands for nothing is written.
fn zero(kind: Type) -> &'static str {
    match kind {
        Type::ShortString | Type::LongString => "",
        Type::Table => "{}",
        Type::Bit | Type::Octet | Type::Short | Type::Long | Type::LongLong => "0",
    }
}

fn parse_argument(kind: Type, text: &mut Text<'_>) -> Vec<u8> {
    match kind {
        Type::Bit => panic!("a bit has no value: it is named or not"),
        Type::Octet => text.number::<u8>().to_be_bytes().to_vec(),
        Type::Short => text.number::<u16>().to_be_bytes().to_vec(),
        Type::Long => text.number::<u32>().to_be_bytes().to_vec(),
        Type::LongLong => text.number::<u64>().to_be_bytes().to_vec(),
        Type::ShortString => shortstr(text.string()),
        Type::LongString => longstr(text.string()),
        Type::Table => text.table(),
    }
}

/// The line that stands for a frame, so that [`parse`] reads the frame back; what can't be read
/// is written as raw bytes.
#[must_use]
pub(super) fn write(frame: &RawFrame) -> String {
    let written = match frame.kind {
        METHOD => write_method(frame),
        HEADER => write_header(&frame.payload),
        super::bytes::BODY => Some(format!("body {}", write_body(&frame.payload))),
        _ => None,
    };
    let written = written.unwrap_or_else(|| {
        format!("frame of type {} {}", frame.kind, write_string(&frame.payload))
    });
    format!("{} {written}", frame.channel)
}

fn write_body(bytes: &[u8]) -> String {
    match bytes {
        [first, rest @ ..] if rest.len() > 15 && rest.iter().all(|byte| byte == first) => {
            format!("{}*{}", char::from(*first), bytes.len())
        }
        _ => write_string(bytes),
    }
}

fn write_header(payload: &[u8]) -> Option<String> {
    let mut bytes = Bytes(payload);
    let class = u16::from_be_bytes(bytes.array()?);
    let weight = u16::from_be_bytes(bytes.array()?);
    let mut written = format!("header size={}", u64::from_be_bytes(bytes.array()?));
    let flags = u16::from_be_bytes(bytes.array()?);
    for (at, (name, kind)) in spec::PROPERTIES.iter().enumerate() {
        if flags & 1 << (15 - at) != 0 {
            written.push_str(&format!(" {name}={}", write_argument(*kind, &mut bytes)?));
        }
    }
    ((class, weight) == (60, 0) && bytes.0.is_empty()).then_some(written)
}

fn write_method(frame: &RawFrame) -> Option<String> {
    let (id, arguments) = frame.method()?;
    let spec = spec::by_id(id)?;
    let mut bytes = Bytes(arguments);
    let mut written = spec.name.to_owned();
    let (mut octet, mut bits) = (0, 0);
    for (name, kind) in &spec.arguments {
        if *kind == Type::Bit {
            if bits % 8 == 0 {
                [octet] = bytes.array()?;
            }
            if octet & 1 << (bits % 8) != 0 {
                written.push_str(&format!(" {name}"));
            }
            bits += 1;
            continue;
        }
        bits = 0;
        let value = write_argument(*kind, &mut bytes)?;
        // Only what the specification reserves is left out, and only if it is as it must be.
        if !(name.starts_with("reserved") && ["0", "\"\""].contains(&value.as_str())) {
            written.push_str(&format!(" {name}={value}"));
        }
    }
    bytes.0.is_empty().then_some(written)
}

fn write_argument(kind: Type, bytes: &mut Bytes<'_>) -> Option<String> {
    let own = |name: &[u8], value: String| match value.split_once(':') {
        Some(("S", _)) if OWN.contains(&name) => "S:*".to_owned(),
        // When a message died.
        Some(("T", _)) if name == b"time" => "T:*".to_owned(),
        _ => value,
    };
    Some(match kind {
        Type::Bit => return None,
        Type::Octet => u8::from_be_bytes(bytes.array()?).to_string(),
        Type::Short => u16::from_be_bytes(bytes.array()?).to_string(),
        Type::Long => u32::from_be_bytes(bytes.array()?).to_string(),
        Type::LongLong => u64::from_be_bytes(bytes.array()?).to_string(),
        Type::ShortString => write_string(bytes.short_string()?),
        Type::LongString => write_string(bytes.long_string()?),
        Type::Table => bytes.table(&own)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_as_they_are_read() {
        for line in [
            "1 channel.open",
            "1 queue.declare queue=q durable no_wait arguments={x-expires=I:5}",
            "2 access.request realm=/data exclusive read",
            "0 connection.close code=200 text=\"good bye\" class=0 method=0",
            "1 header size=5 content_type=text/plain headers={a=V:} priority=9 app_id=x",
            "1 body hello",
            "1 body a*5000",
            "1 body \"\"",
            "1 basic.ack delivery_tag=18446744073709551615 multiple",
        ] {
            let bytes = parse(line);
            let payload = bytes[7..bytes.len() - 1].to_vec();
            let channel = u16::from_be_bytes([bytes[1], bytes[2]]);
            let frame = RawFrame { kind: bytes[0], channel, payload };
            assert!(write(&frame).starts_with(line), "{line} became {}", write(&frame));
        }
    }
}
