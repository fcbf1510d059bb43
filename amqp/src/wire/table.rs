use std::ops::ControlFlow;

use bytes::BytesMut;

use super::{DecodeError, Reader, Writer};
use crate::{FieldTable, FieldValue};

/// How deep tables and arrays may stand in one another, the outermost included.
///
/// RabbitMQ has no such limit. Death records, the deepest that brokers make, take three levels.
pub const TABLE_DEPTH_MAX: usize = 16;

/// Reads a field table (AMQP 0-9-1 section 4.2.5.5) that takes all of `bytes`, its length
/// included.
///
/// All the types that RabbitMQ 3.10 reads are read, by RabbitMQ's meaning of their letters: `s`
/// is a short integer, and both `l` and `L` are signed 64-bit ones. Of entries with the same
/// name the first counts, as in RabbitMQ's lookups. A name that is not UTF-8 is read with U+FFFD
/// in it.
///
/// Decoding allocates at most [`FIELD_VALUE_MEMORY_MAX`] bytes for each byte of `bytes`.
///
/// # Errors
///
/// Any [`DecodeError`] that names no method: a length that is not true, an unknown type, too
/// many levels.
pub fn decode_table(bytes: &[u8]) -> Result<FieldTable, DecodeError> {
    let mut reader = Reader::new(bytes);
    let table = reader.table("table")?;
    reader.finish()?;
    Ok(table)
}

/// Appends `table` with its length.
pub fn encode_table(table: &FieldTable, out: &mut BytesMut) {
    Writer::new(out).table(table);
}

/// The most memory that decoding one value of a table takes beside its own bytes.
///
/// A value has at least one byte on the wire (an array of values without content), so this is
/// also the most that decoding allocates for each byte that is there.
pub const FIELD_VALUE_MEMORY_MAX: usize = 4 * size_of::<FieldValue>();

impl Reader<'_> {
    /// A field table, as [`decode_table`] reads it.
    pub(crate) fn table(&mut self, field: &'static str) -> Result<FieldTable, DecodeError> {
        read_entries(self, field, 1)
    }

    /// Goes over a table as [`Self::table`] would, and allocates nothing.
    pub(crate) fn walk_table(&mut self, field: &'static str) -> Result<(), DecodeError> {
        walk_entries(self, field, 1)
    }

    /// Shows each entry of the table that starts here, its name and all its bytes, as long as
    /// `look` wants; nothing for what is no table.
    pub(crate) fn each_entry(
        &mut self,
        mut look: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Ok(mut entries) = nested(self, "table", 1) else { return ControlFlow::Continue(()) };
        loop {
            let start = entries.rest();
            let Ok(name) = entries.short_bytes("table") else { break };
            if walk_value(&mut entries, "table", 1).is_err() {
                break;
            }
            let entry = start.get(..start.len() - entries.rest().len()).unwrap_or_default();
            look(name, entry)?;
        }
        ControlFlow::Continue(())
    }
}

impl Writer<'_> {
    pub(crate) fn table(&mut self, table: &FieldTable) {
        self.counted(|entries| {
            for (name, value) in table.iter() {
                entries.shortstr(name);
                write_value(entries, value);
            }
        });
    }
}

fn read_entries(
    reader: &mut Reader<'_>,
    field: &'static str,
    depth: usize,
) -> Result<FieldTable, DecodeError> {
    let mut entries = nested(reader, field, depth)?;
    let mut table = FieldTable::new();
    while !entries.is_empty() {
        let name = entries.shortstr_lossy(field)?;
        let value = read_value(&mut entries, field, depth)?;
        table.set_first(name, value);
    }
    Ok(table)
}

fn read_array(
    reader: &mut Reader<'_>,
    field: &'static str,
    depth: usize,
) -> Result<Vec<FieldValue>, DecodeError> {
    let mut elements = nested(reader, field, depth)?;
    let mut values = Vec::new();
    while !elements.is_empty() {
        values.push(read_value(&mut elements, field, depth)?);
    }
    values.shrink_to_fit();
    Ok(values)
}

/// The content of a table or an array at this depth.
fn nested<'a>(
    reader: &mut Reader<'a>,
    field: &'static str,
    depth: usize,
) -> Result<Reader<'a>, DecodeError> {
    if depth > TABLE_DEPTH_MAX {
        return Err(DecodeError::TooDeep);
    }
    reader.long_bytes(field).map(Reader::new)
}

fn read_value(
    reader: &mut Reader<'_>,
    field: &'static str,
    depth: usize,
) -> Result<FieldValue, DecodeError> {
    Ok(match reader.octet(field)? {
        b't' => FieldValue::Boolean(reader.octet(field)? != 0),
        b'b' => FieldValue::I8(i8::from_be_bytes(reader.array(field)?)),
        b'B' => FieldValue::U8(reader.octet(field)?),
        b's' => FieldValue::I16(i16::from_be_bytes(reader.array(field)?)),
        b'u' => FieldValue::U16(reader.short(field)?),
        b'I' => FieldValue::I32(i32::from_be_bytes(reader.array(field)?)),
        b'i' => FieldValue::U32(reader.long(field)?),
        b'l' | b'L' => FieldValue::I64(i64::from_be_bytes(reader.array(field)?)),
        b'f' => FieldValue::F32(f32::from_be_bytes(reader.array(field)?)),
        b'd' => FieldValue::F64(f64::from_be_bytes(reader.array(field)?)),
        b'D' => FieldValue::Decimal { scale: reader.octet(field)?, value: reader.long(field)? },
        b'S' => FieldValue::LongString(reader.longstr(field)?),
        b'A' => FieldValue::Array(read_array(reader, field, depth + 1)?),
        b'T' => FieldValue::Timestamp(reader.longlong(field)?),
        b'F' => FieldValue::Table(read_entries(reader, field, depth + 1)?),
        b'x' => FieldValue::ByteArray(reader.longstr(field)?),
        b'V' => FieldValue::Void,
        tag => return Err(DecodeError::UnknownFieldType { tag }),
    })
}

fn walk_entries(
    reader: &mut Reader<'_>,
    field: &'static str,
    depth: usize,
) -> Result<(), DecodeError> {
    let mut entries = nested(reader, field, depth)?;
    while !entries.is_empty() {
        entries.short_bytes(field)?;
        walk_value(&mut entries, field, depth)?;
    }
    Ok(())
}

fn walk_array(
    reader: &mut Reader<'_>,
    field: &'static str,
    depth: usize,
) -> Result<(), DecodeError> {
    let mut elements = nested(reader, field, depth)?;
    while !elements.is_empty() {
        walk_value(&mut elements, field, depth)?;
    }
    Ok(())
}

fn walk_value(
    reader: &mut Reader<'_>,
    field: &'static str,
    depth: usize,
) -> Result<(), DecodeError> {
    let width = match reader.octet(field)? {
        b'A' => return walk_array(reader, field, depth + 1),
        b'F' => return walk_entries(reader, field, depth + 1),
        b'S' | b'x' => {
            reader.long_bytes(field)?;
            0
        }
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        tag => return Err(DecodeError::UnknownFieldType { tag }),
    };
    reader.take(width, field).map(drop)
}

fn write_value(writer: &mut Writer<'_>, value: &FieldValue) {
    writer.octet(tag(value));
    match value {
        FieldValue::Boolean(value) => writer.octet(u8::from(*value)),
        FieldValue::I8(value) => writer.octet(value.cast_unsigned()),
        FieldValue::U8(value) => writer.octet(*value),
        FieldValue::I16(value) => writer.short(value.cast_unsigned()),
        FieldValue::U16(value) => writer.short(*value),
        FieldValue::I32(value) => writer.long(value.cast_unsigned()),
        FieldValue::U32(value) => writer.long(*value),
        FieldValue::I64(value) => writer.longlong(value.cast_unsigned()),
        FieldValue::F32(value) => writer.long(value.to_bits()),
        FieldValue::F64(value) => writer.longlong(value.to_bits()),
        FieldValue::Decimal { scale, value } => {
            writer.octet(*scale);
            writer.long(*value);
        }
        FieldValue::LongString(bytes) | FieldValue::ByteArray(bytes) => writer.longstr(bytes),
        FieldValue::Array(values) => writer.counted(|elements| {
            for value in values {
                write_value(elements, value);
            }
        }),
        FieldValue::Timestamp(seconds) => writer.longlong(*seconds),
        FieldValue::Table(table) => writer.table(table),
        FieldValue::Void => {}
    }
}

/// The letter of the value's type.
fn tag(value: &FieldValue) -> u8 {
    match value {
        FieldValue::Boolean(_) => b't',
        FieldValue::I8(_) => b'b',
        FieldValue::U8(_) => b'B',
        FieldValue::I16(_) => b's',
        FieldValue::U16(_) => b'u',
        FieldValue::I32(_) => b'I',
        FieldValue::U32(_) => b'i',
        FieldValue::I64(_) => b'l',
        FieldValue::F32(_) => b'f',
        FieldValue::F64(_) => b'd',
        FieldValue::Decimal { .. } => b'D',
        FieldValue::LongString(_) => b'S',
        FieldValue::Array(_) => b'A',
        FieldValue::Timestamp(_) => b'T',
        FieldValue::Table(_) => b'F',
        FieldValue::ByteArray(_) => b'x',
        FieldValue::Void => b'V',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table with these bytes as its content.
    fn counted(content: &[u8]) -> Vec<u8> {
        [&u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
    }

    #[test]
    fn all_types_are_read_and_written_by_rabbitmqs_letters() {
        let values: [(&[u8], FieldValue); 17] = [
            (b"t\x01", FieldValue::Boolean(true)),
            (b"b\xff", FieldValue::I8(-1)),
            (b"B\xff", FieldValue::U8(255)),
            (b"s\xff\xfe", FieldValue::I16(-2)),
            (b"u\xff\xfe", FieldValue::U16(65_534)),
            (b"I\xff\xff\xff\xfd", FieldValue::I32(-3)),
            (b"i\xff\xff\xff\xfd", FieldValue::U32(4_294_967_293)),
            (b"l\xff\xff\xff\xff\xff\xff\xff\xfc", FieldValue::I64(-4)),
            (b"f\x3f\xc0\x00\x00", FieldValue::F32(1.5)),
            (b"d\x3f\xf8\x00\x00\x00\x00\x00\x00", FieldValue::F64(1.5)),
            (b"D\x02\x00\x00\x01\x3a", FieldValue::Decimal { scale: 2, value: 314 }),
            (b"S\x00\x00\x00\x01a", FieldValue::LongString(b"a"[..].into())),
            (b"A\x00\x00\x00\x01V", FieldValue::Array(vec![FieldValue::Void])),
            (b"T\x00\x00\x00\x00\x00\x00\x00\x09", FieldValue::Timestamp(9)),
            (b"F\x00\x00\x00\x00", FieldValue::Table(FieldTable::new())),
            (b"x\x00\x00\x00\x01a", FieldValue::ByteArray(b"a"[..].into())),
            (b"V", FieldValue::Void),
        ];
        for (bytes, value) in values {
            let encoded = counted(&[b"\x01n", bytes].concat());
            let table = decode_table(&encoded).unwrap();
            assert_eq!(table.get("n"), Some(&value));
            let mut written = BytesMut::new();
            encode_table(&table, &mut written);
            assert_eq!(written, encoded, "{value:?}");
            assert_eq!(Reader::new(&encoded).walk_table("table"), Ok(()));
        }
    }

    #[test]
    fn what_only_others_write_is_read_as_rabbitmq_does() {
        let table = decode_table(&counted(
            b"\x01aL\xff\xff\xff\xff\xff\xff\xff\xff\x01bt\x07\x01ct\x00\x01at\x01\x01\xffV",
        ))
        .unwrap();
        assert_eq!(table.get("a"), Some(&FieldValue::I64(-1)), "the first of two counts");
        assert_eq!(table.get("b"), Some(&FieldValue::Boolean(true)));
        assert_eq!(table.get("c"), Some(&FieldValue::Boolean(false)));
        assert_eq!(table.get("\u{fffd}"), Some(&FieldValue::Void));
        for tag in [b'U', b'z', 0] {
            let refused = decode_table(&counted(&[0, tag, 0, 0])).unwrap_err();
            assert_eq!(refused, DecodeError::UnknownFieldType { tag });
        }
    }

    #[test]
    fn lengths_that_are_not_true_are_refused() {
        let refused = Err(DecodeError::Truncated { field: "table" });
        for bytes in [
            &b"\x00\x00\x00\x01"[..],
            b"\xff\xff\xff\xff\x01aV",
            b"\x00\x00\x00\x03\x09aV",
            b"\x00\x00\x00\x08\x01aS\xff\xff\xff\xffx",
            b"\x00\x00\x00\x08\x01aA\x00\x00\x00\x02V",
        ] {
            assert_eq!(decode_table(bytes), refused, "{bytes:?}");
        }
        let left_over = Err(DecodeError::TrailingBytes { count: 1 });
        assert_eq!(decode_table(&[0, 0, 0, 0, 1]), left_over);
    }

    #[test]
    fn the_depth_is_limited() {
        for tag in [b'F', b'A'] {
            let nested = |levels: usize| {
                let mut bytes = counted(b"");
                for level in (2..=levels).rev() {
                    let name: &[u8] = if level == 2 || tag == b'F' { b"\x01n" } else { b"" };
                    bytes = counted(&[name, &[tag], &bytes].concat());
                }
                bytes
            };
            assert!(decode_table(&nested(TABLE_DEPTH_MAX)).is_ok());
            let deeper = nested(TABLE_DEPTH_MAX + 1);
            assert_eq!(decode_table(&deeper), Err(DecodeError::TooDeep));
            assert_eq!(Reader::new(&deeper).walk_table("table"), Err(DecodeError::TooDeep));
            assert_eq!(decode_table(&nested(10_000)), Err(DecodeError::TooDeep));
            let deepest = decode_table(&nested(TABLE_DEPTH_MAX)).unwrap();
            assert!(deepest.is_deeper_than(TABLE_DEPTH_MAX - 1));
            assert!(!deepest.is_deeper_than(TABLE_DEPTH_MAX));
        }
    }
}
