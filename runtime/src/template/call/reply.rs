use serde::Deserialize;
use springhare_amqp::{FieldValue, Message, Property};

use super::Outcome;
use super::names::{ERROR_HEADER, EXCEPTION_HEADER};
use crate::error::RemoteError;

/// The body of a failure.
#[derive(Deserialize)]
struct Failure {
    error: String,
}

/// The number of the call that a reply answers, or a returned request was; none of what is not ours.
pub(super) fn call_number(message: &Message) -> Option<u64> {
    message.properties.text(Property::CorrelationId)?.parse().ok()
}

/// The reply, unless it says that the request failed.
pub(super) fn read(mut reply: Message) -> Outcome {
    if !reply.properties.has_header(&ERROR_HEADER) {
        if call_number(&reply).is_none() {
            return Ok(reply);
        }
        // It is the call's own number, and means nothing to anybody else.
        reply.properties.correlation_id = None;
        return Ok(reply);
    }
    let text = |name: &str| {
        let header = reply.properties.header(name).and_then(FieldValue::as_str);
        header.map(str::to_owned)
    };
    let kind = text(&ERROR_HEADER).unwrap_or_else(|| "failed".to_owned());
    // A header has only the beginning of a long text.
    let message = match serde_json::from_slice(&reply.body) {
        Ok(Failure { error }) => error,
        Err(_) => text(&EXCEPTION_HEADER)
            .unwrap_or_else(|| String::from_utf8_lossy(&reply.body).into_owned()),
    };
    Err(RemoteError::new(kind, message).into())
}

#[cfg(test)]
mod tests {
    use springhare_amqp::BasicProperties;

    use super::*;
    use crate::error::CallError;

    fn failed(headers: &[(&str, &str)], body: &'static str) -> Option<(String, String)> {
        let mut properties = BasicProperties::default();
        for (name, value) in headers {
            properties.headers.get_or_insert_default().insert(name, *value).unwrap();
        }
        match read(Message::new(body).with_properties(properties)) {
            Err(CallError::Remote(RemoteError { kind, message })) => Some((kind, message)),
            Err(other) => panic!("{other}"),
            Ok(_) => None,
        }
    }

    #[test]
    fn a_failure_says_its_kind_and_what_it_is() {
        let is = |kind: &str, message: &str| Some((kind.to_owned(), message.to_owned()));
        let body = r#"{"kind": "panic", "error": "no tea"}"#;
        assert_eq!(failed(&[], body), None);
        assert_eq!(failed(&[(&EXCEPTION_HEADER, "no tea")], body), None);
        assert_eq!(
            failed(&[(&ERROR_HEADER, "panic"), (&EXCEPTION_HEADER, "no ..")], body),
            is("panic", "no tea")
        );
        assert_eq!(
            failed(&[(&ERROR_HEADER, "panic"), (&EXCEPTION_HEADER, "no tea")], ""),
            is("panic", "no tea")
        );
        assert_eq!(failed(&[(&ERROR_HEADER, "panic")], body), is("panic", "no tea"));
        assert_eq!(failed(&[(&ERROR_HEADER, "failed")], "no JSON"), is("failed", "no JSON"));
    }

    #[test]
    fn only_a_number_names_a_call() {
        let number = |id: &str| {
            let correlation_id = springhare_amqp::ShortString::new(id).ok();
            let properties = BasicProperties { correlation_id, ..Default::default() };
            call_number(&Message::new("").with_properties(properties))
        };
        assert_eq!(number("17"), Some(17));
        assert_eq!(number("seventeen"), None);
        assert_eq!(number("18446744073709551616"), None);
        assert_eq!(call_number(&Message::new("")), None);
    }
}
