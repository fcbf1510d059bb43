//! Which messages a broker may refuse for their own sake.

use springhare_amqp::{Message, Property};

/// A larger body may be more than the broker takes (`max_message_size`).
const USUAL_BODY_BYTES: usize = 64 << 10;
/// So many digits of milliseconds are less than the ten years that a broker takes for a lifetime.
const USUAL_EXPIRATION_DIGITS: usize = 11;

/// Whether the broker may refuse a message for its own sake, which closes the channel under all
/// others on it: such a message had better be alone there.
pub(crate) fn is_refusable(message: &Message) -> bool {
    /// What a broker checks of a message, and closes a channel for.
    const CHECKED: &[Property] = &[Property::UserId, Property::Expiration];
    let Message { properties, body } = message;
    body.len() > USUAL_BODY_BYTES
        || properties.has_any(CHECKED)
            && (properties.has(Property::UserId)
                || properties.text(Property::Expiration).is_some_and(|text| !is_usual(&text)))
        || properties.has(Property::Headers)
            && (properties.has_header("CC")
                || properties.has_header("BCC")
                || properties.are_too_deep())
}

fn is_usual(expiration: &str) -> bool {
    (1..=USUAL_EXPIRATION_DIGITS).contains(&expiration.len())
        && expiration.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use springhare_amqp::{BasicProperties, FieldTable, FieldValue, ShortString};

    use super::*;

    fn with(properties: BasicProperties) -> Message {
        Message::new("tea").with_properties(properties)
    }

    fn expiring(text: &'static str) -> Message {
        let expiration = Some(ShortString::from_static(text));
        with(BasicProperties { expiration, ..Default::default() })
    }

    fn with_header(name: &'static str, value: impl Into<FieldValue>) -> Message {
        let headers = FieldTable::from_iter([(ShortString::from_static(name), value.into())]);
        with(BasicProperties { headers: Some(headers), ..Default::default() })
    }

    #[test]
    fn what_the_broker_may_refuse_is_known() {
        let guest = Some(ShortString::from_static("guest"));
        let mut deep = FieldTable::new();
        for _ in 0..100 {
            deep =
                FieldTable::from_iter([(ShortString::from_static("x"), FieldValue::Table(deep))]);
        }
        let refusable = [
            Message::new(vec![0; USUAL_BODY_BYTES + 1]),
            expiring("soon"),
            expiring(""),
            expiring("-1"),
            expiring("315360000001"),
            with(BasicProperties { user_id: guest, ..Default::default() }),
            with_header("CC", "q"),
            with_header("BCC", "q"),
            with_header("x-deep", FieldValue::Table(deep)),
        ];
        for message in &refusable {
            assert!(is_refusable(message), "{message:?}");
        }
        let usual =
            [Message::new(vec![0; USUAL_BODY_BYTES]), expiring("60000"), with_header("x-id", 7)];
        for message in &usual {
            assert!(!is_refusable(message), "{message:?}");
        }
    }
}
