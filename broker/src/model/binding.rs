use std::hash::{Hash, Hasher};

use springhare_amqp::{FieldTable, FieldValue, ShortString};

/// Where a binding leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Destination {
    /// The queue of this name.
    Queue(ShortString),
    /// The exchange of this name (RabbitMQ's exchange-to-exchange bindings).
    Exchange(ShortString),
}

/// One way from an exchange to a queue or to another exchange.
///
/// Source, destination, routing key and arguments together are its identity: the same binding
/// made twice is one, and it is unbound by naming all four. The arguments compare by name, type
/// and value, in any order, as RabbitMQ compares them.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    source: ShortString,
    destination: Destination,
    routing_key: ShortString,
    arguments: FieldTable,
    /// The arguments as bytes that compare and hash, since a table holds floats and does not;
    /// empty for no arguments.
    arguments_identity: ArgumentsIdentity,
}

/// Arguments in a form that compares and hashes; equal for equal arguments in any order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct ArgumentsIdentity(Box<[u8]>);

impl Binding {
    /// A binding from the exchange `source` to `destination`.
    pub(crate) fn new(
        source: ShortString,
        destination: Destination,
        routing_key: ShortString,
        arguments: FieldTable,
    ) -> Self {
        let arguments_identity = ArgumentsIdentity::of(&arguments);
        Self { source, destination, routing_key, arguments, arguments_identity }
    }

    /// The name of the exchange that it leads from.
    pub(crate) fn source(&self) -> &ShortString {
        &self.source
    }

    /// What it leads to.
    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The binding key: what it means is the source's matter.
    pub(crate) fn routing_key(&self) -> &ShortString {
        &self.routing_key
    }

    /// The arguments, which headers exchanges match by.
    pub(crate) fn arguments(&self) -> &FieldTable {
        &self.arguments
    }

    /// The arguments as something to compare and hash.
    pub(crate) fn arguments_identity(&self) -> &ArgumentsIdentity {
        &self.arguments_identity
    }
}

impl PartialEq for Binding {
    fn eq(&self, other: &Self) -> bool {
        self.routing_key == other.routing_key
            && self.destination == other.destination
            && self.source == other.source
            && self.arguments_identity == other.arguments_identity
    }
}

impl Eq for Binding {}

impl Hash for Binding {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
        self.destination.hash(state);
        self.routing_key.hash(state);
        self.arguments_identity.hash(state);
    }
}

impl ArgumentsIdentity {
    fn of(arguments: &FieldTable) -> Self {
        if arguments.is_empty() {
            return Self::default();
        }
        let mut bytes = Vec::with_capacity(arguments.encoded_len());
        write_table(arguments, &mut bytes);
        Self(bytes.into())
    }
}

/// Names in alphabetical order, each with its value; every part is preceded by its length or has
/// a fixed one, so that different tables never give the same bytes.
fn write_table(table: &FieldTable, bytes: &mut Vec<u8>) {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
    write_length(entries.len(), bytes);
    for (name, value) in entries {
        write_bytes(name.as_bytes(), bytes);
        write_value(value, bytes);
    }
}

fn write_value(value: &FieldValue, bytes: &mut Vec<u8>) {
    write_bytes(value.type_name().as_bytes(), bytes);
    match value {
        FieldValue::Boolean(flag) => bytes.push((*flag).into()),
        FieldValue::F32(n) => bytes.extend(n.to_be_bytes()),
        FieldValue::F64(n) => bytes.extend(n.to_be_bytes()),
        FieldValue::Timestamp(n) => bytes.extend(n.to_be_bytes()),
        FieldValue::Decimal { scale, value } => {
            bytes.push(*scale);
            bytes.extend(value.to_be_bytes());
        }
        FieldValue::LongString(text) | FieldValue::ByteArray(text) => write_bytes(text, bytes),
        FieldValue::Array(values) => {
            write_length(values.len(), bytes);
            for value in values {
                write_value(value, bytes);
            }
        }
        FieldValue::Table(table) => write_table(table, bytes),
        // Integers of any width, and void, which has no value.
        other => bytes.extend(other.as_i64().unwrap_or_default().to_be_bytes()),
    }
}

fn write_bytes(part: &[u8], bytes: &mut Vec<u8>) {
    write_length(part.len(), bytes);
    bytes.extend_from_slice(part);
}

fn write_length(length: usize, bytes: &mut Vec<u8>) {
    bytes.extend(length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(arguments: FieldTable) -> Binding {
        let name = |text| ShortString::new(text).unwrap();
        Binding::new(name("x"), Destination::Queue(name("q")), name("k"), arguments)
    }

    fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
        entries
            .iter()
            .map(|(name, value)| (ShortString::new(name).unwrap(), value.clone()))
            .collect()
    }

    #[test]
    fn the_order_of_arguments_does_not_matter() {
        let one = binding(table(&[("a", 1.into()), ("b", "x".into())]));
        let other = binding(table(&[("b", "x".into()), ("a", 1.into())]));
        assert_eq!(one, other);
    }

    #[test]
    fn names_types_and_values_of_arguments_matter() {
        let tables = [
            table(&[]),
            table(&[("a", 1i32.into())]),
            table(&[("a", 1i64.into())]),
            table(&[("a", 2i32.into())]),
            table(&[("b", 1i32.into())]),
            table(&[("a", FieldValue::Void)]),
            table(&[("a", f64::NAN.into())]),
            table(&[("a", vec!["x", "y"].into())]),
            table(&[("a", vec!["xy"].into())]),
            table(&[("a", table(&[("b", 1i32.into())]).into())]),
        ];
        for (i, one) in tables.iter().enumerate() {
            for (j, other) in tables.iter().enumerate() {
                assert_eq!(
                    binding(one.clone()) == binding(other.clone()),
                    i == j,
                    "{one:?} {other:?}"
                );
            }
        }
    }
}
