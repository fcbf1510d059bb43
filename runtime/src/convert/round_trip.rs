//! What is sent comes back, for a table of types.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde::{Serialize, Serializer};

use super::{IntoBody, MessageConverters};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
const OCTETS: &str = "application/octet-stream";

#[track_caller]
fn check<T>(value: &T, content_type: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + fmt::Debug,
{
    let converters = MessageConverters::new();
    let sent = value.into_body(&converters).unwrap();
    assert_eq!(sent.properties.content_type.as_deref(), Some(content_type), "{value:?}");
    assert!(sent.properties.is_persistent());
    let read: T = converters.decode(&sent.properties, &sent.body).unwrap();
    assert_eq!(&read, value);
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Order {
    id: u64,
    item: String,
    note: Option<String>,
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum Colour {
    Red,
    #[serde(rename = "dark green")]
    DarkGreen,
    Mixed {
        red: u8,
    },
    Named(String),
    Pair(u8, u8),
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Name(String);

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Created { id: u8 },
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
    Text(String),
}

/// Writes itself by `Display`, reads itself by a visitor of texts, like `Uuid`.
#[derive(Debug, PartialEq)]
struct HexId(u32);

impl Serialize for HexId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:08x}", self.0))
    }
}

impl<'de> Deserialize<'de> for HexId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = HexId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("eight hexadecimal digits")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HexId, E> {
                u32::from_str_radix(text, 16).map(HexId).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[test]
fn texts() {
    for text in ["", "tea", "5", "null", "true", "\"quoted\"", "{\"a\":1}", " grün ", "[1]"] {
        check(&text.to_owned(), TEXT);
        check(&Name(text.to_owned()), TEXT);
        check(&Some(text.to_owned()), TEXT);
        check(&Some(Name(text.to_owned())), TEXT);
    }
    check(&'x', TEXT);
    check(&'"', TEXT);
    check(&HexId(0xcafe), TEXT);
    check(&Some(HexId(5)), TEXT);
    check(&Colour::Red, TEXT);
    check(&Colour::DarkGreen, TEXT);
    check(&Some(Colour::Red), TEXT);
    check(&Untagged::Text("tea".to_owned()), TEXT);
}

#[test]
fn values() {
    check(&5_u8, JSON);
    check(&-5_i64, JSON);
    check(&u64::MAX, JSON);
    check(&i128::MIN, JSON);
    check(&0.25_f64, JSON);
    check(&true, JSON);
    check(&(), JSON);
    check(&Unit, JSON);
    check(&None::<String>, JSON);
    check(&None::<u8>, JSON);
    check(&Some(7), JSON);
    check(&(1, "two".to_owned()), JSON);
    check(&vec!["a".to_owned(), "b".to_owned()], JSON);
    check(&vec![1_u8, 2, 3], JSON);
    check(&BTreeMap::from([("a".to_owned(), 1)]), JSON);
    check(&Order { id: 1, item: "tea".into(), note: None }, JSON);
    check(&Some(Order { id: 1, item: "tea".into(), note: Some("hot".into()) }), JSON);
    check(&Colour::Mixed { red: 3 }, JSON);
    check(&Colour::Named("x".to_owned()), JSON);
    check(&Colour::Pair(1, 2), JSON);
    check(&Tagged::Created { id: 1 }, JSON);
    check(&Untagged::Number(5), JSON);
}

#[test]
fn bytes() {
    for body in [&b""[..], b"\x00\xff", b"null", b"\"x\""] {
        check(&Bytes::from_static(body), OCTETS);
        check(&Some(Bytes::from_static(body)), OCTETS);
    }
}

#[test]
fn a_borrowed_value_points_into_the_body() {
    #[derive(serde::Deserialize)]
    struct Event<'d> {
        name: &'d str,
    }
    let converters = MessageConverters::new();
    let sent = (&BTreeMap::from([("name", "start")])).into_body(&converters).unwrap();
    let event: Event<'_> = converters.decode(&sent.properties, &sent.body).unwrap();
    assert_eq!(event.name, "start");
    assert!(sent.body.as_ptr_range().contains(&event.name.as_ptr()));
}
