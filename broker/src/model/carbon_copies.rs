//! Sender-selected distribution (RabbitMQ's extension): the headers `CC` and `BCC` list routing keys
//! by which a message is routed too. `BCC` is nobody's to see but the broker's.

use std::sync::Arc;

use springhare_amqp::{FieldTable, FieldValue, MessageProperties, Property};

const CC: &str = "CC";
const BCC: &str = "BCC";

/// The routing keys that a message's sender selected beside its own.
///
/// A header holds at most as many as fit a frame, and so do these. They are texts without the limit
/// that routing keys have, as on RabbitMQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CarbonCopies {
    /// Those of `CC`, then those of `BCC`.
    keys: Box<[Box<str>]>,
    /// How many are of `CC`.
    open: usize,
}

/// A header that is no list: 406.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid message: {{unacceptable_type_in_header,\"{header}\",{found}}}")]
pub(crate) struct UnacceptableHeader {
    header: &'static str,
    found: &'static str,
}

impl CarbonCopies {
    /// Whether there is anything to [take](Self::take_from): cheap, since nothing is decoded.
    pub(crate) fn are_in(properties: &MessageProperties) -> bool {
        properties.has(Property::Headers) && properties.has_any_header(&[CC, BCC])
    }

    /// Reads both headers and takes `BCC` out.
    ///
    /// # Errors
    ///
    /// One of them is no list. What is no text in a list is overlooked.
    pub(crate) fn take_from(
        properties: &mut MessageProperties,
    ) -> Result<Option<Arc<Self>>, UnacceptableHeader> {
        let Some(headers) = properties.headers_once() else { return Ok(None) };
        let mut keys = Vec::new();
        read(&headers, CC, &mut keys)?;
        let open = keys.len();
        read(&headers, BCC, &mut keys)?;
        drop(headers);
        properties.remove_header(BCC);
        let copies = Self { keys: keys.into(), open };
        Ok((!copies.keys.is_empty()).then(|| Arc::new(copies)))
    }

    /// These keys, of which the first `open` are those of `CC`.
    pub(crate) fn new(keys: Vec<Box<str>>, open: usize) -> Self {
        Self { keys: keys.into(), open }
    }

    /// All of them.
    pub(crate) fn keys(&self) -> &[Box<str>] {
        &self.keys
    }

    /// Those that everybody may see.
    pub(crate) fn open_keys(&self) -> &[Box<str>] {
        self.keys.get(..self.open).unwrap_or_default()
    }

    /// The bytes that they take.
    pub(crate) fn size(&self) -> usize {
        let keys = self.keys.iter().map(|key| size_of::<Box<str>>() + key.len());
        size_of::<Self>() + keys.sum::<usize>()
    }
}

fn read(
    headers: &FieldTable,
    header: &'static str,
    keys: &mut Vec<Box<str>>,
) -> Result<(), UnacceptableHeader> {
    let values = match headers.get(header) {
        None => return Ok(()),
        Some(FieldValue::Array(values)) => values,
        Some(other) => return Err(UnacceptableHeader { header, found: other.type_name() }),
    };
    let texts = values.iter().filter_map(|value| match value {
        FieldValue::LongString(text) => Some(String::from_utf8_lossy(text).into()),
        _ => None,
    });
    keys.extend(texts);
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use springhare_amqp::{BasicProperties, ShortString};

    use super::*;

    fn properties(headers: &[(&'static str, FieldValue)]) -> MessageProperties {
        let headers = headers.iter().cloned();
        let table = headers.map(|(name, value)| (ShortString::from_static(name), value)).collect();
        BasicProperties { headers: Some(table), ..Default::default() }.into()
    }

    /// The same as a peer sends it.
    fn sent(properties: &MessageProperties) -> MessageProperties {
        let mut bytes = BytesMut::new();
        properties.encode(&mut bytes);
        MessageProperties::parse(&bytes).unwrap()
    }

    #[test]
    fn both_lists_are_read_and_the_blind_one_is_taken_out() {
        let mixed: FieldValue = vec![FieldValue::from("a"), 5.into(), "".into()].into();
        let own = properties(&[("BCC", vec!["c"].into()), ("n", 1.into()), ("CC", mixed.clone())]);
        for mut properties in [sent(&own), own] {
            assert!(CarbonCopies::are_in(&properties));
            let copies = CarbonCopies::take_from(&mut properties).unwrap().unwrap();
            assert_eq!(copies.keys(), ["a".into(), "".into(), "c".into()]);
            assert_eq!(copies.open_keys(), ["a".into(), "".into()]);
            assert!(copies.size() >= 2);
            assert_eq!(properties.header("CC"), Some(&mixed));
            assert_eq!(properties.header("n"), Some(&1.into()));
            assert_eq!(properties.header("BCC"), None);
        }
    }

    #[test]
    fn no_list_or_an_empty_one_is_none() {
        assert!(!CarbonCopies::are_in(&MessageProperties::default()));
        for headers in [&[("cc", vec!["a"].into())][..], &[("CCC", vec!["a"].into())]] {
            assert!(!CarbonCopies::are_in(&properties(headers)));
            assert!(!CarbonCopies::are_in(&sent(&properties(headers))));
        }
        let mut empty = properties(&[("BCC", FieldValue::Array(Vec::new()))]);
        assert_eq!(CarbonCopies::take_from(&mut empty), Ok(None));
        assert_eq!(empty.header("BCC"), None);
    }

    #[test]
    fn what_is_no_list_is_refused_with_rabbitmqs_text() {
        let refused = |header, value: FieldValue| {
            let mut properties = properties(&[(header, value)]);
            CarbonCopies::take_from(&mut properties).unwrap_err().to_string()
        };
        let text = |header, found| {
            format!("invalid message: {{unacceptable_type_in_header,\"{header}\",{found}}}")
        };
        assert_eq!(refused("CC", "x".into()), text("CC", "longstr"));
        assert_eq!(refused("BCC", FieldValue::Void), text("BCC", "void"));
        assert_eq!(refused("BCC", FieldTable::new().into()), text("BCC", "table"));
    }
}
