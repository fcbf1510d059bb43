//! The exchange type `x-delayed-message` (RabbitMQ's plugin `rabbitmq_delayed_message_exchange`): it
//! routes as the type that its argument `x-delayed-type` names, after the milliseconds that a
//! message's header `x-delay` says.
//!
//! Once the delay is over the header is negative, so that the message passes all other delayed
//! exchanges at once. Keeping messages until then is the engine's
//! [`DelayedMessages`](crate::model::delayed_messages::DelayedMessages).

use std::time::Duration;

use springhare_amqp::{FieldTable, FieldValue, MessageProperties, ShortString};

use super::kind::{ExchangeKind, UnknownExchangeKind};
use crate::model::arguments::ArgumentError;

const X_DELAY: &str = "x-delay";
pub(crate) const X_DELAYED_TYPE: &str = "x-delayed-type";

/// The longest delay, in milliseconds: the plugin takes what is longer for none.
const DELAY_MAX_MS: i64 = 4_294_967_295;

/// Why there can't be such an exchange.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DelayedTypeError {
    /// 406.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// As for any exchange of that type.
    #[error(transparent)]
    Unknown(#[from] UnknownExchangeKind),
}

/// The type that an exchange with these arguments routes as.
///
/// # Errors
///
/// `x-delayed-type` is missing, or is none or a delayed one.
pub(crate) fn delayed_type(arguments: &FieldTable) -> Result<ExchangeKind, DelayedTypeError> {
    let refused = |text: &str| Err(ArgumentError::of(X_DELAYED_TYPE, text.to_owned()).into());
    match arguments.get(X_DELAYED_TYPE).and_then(FieldValue::as_str) {
        None => refused("Invalid argument, 'x-delayed-type' must be an existing exchange type"),
        Some(name) => match name.parse()? {
            ExchangeKind::DelayedMessage => {
                refused("Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'")
            }
            kind => Ok(kind),
        },
    }
}

/// How long a message is to wait: none for no delay, for one that is over, for one that is too long
/// and for what is no number.
pub(crate) fn delay_of(properties: &MessageProperties) -> Option<Duration> {
    let delay = milliseconds(properties)?;
    let delay = (1..=DELAY_MAX_MS).contains(&delay).then_some(delay)?;
    u64::try_from(delay).ok().map(Duration::from_millis)
}

/// Turns the header of a message whose delay is over.
pub(crate) fn end_delay(properties: &mut MessageProperties) {
    let Some(delay) = milliseconds(properties) else { return };
    let over = delay.saturating_neg();
    let over = i32::try_from(over).map_or(FieldValue::I64(over), FieldValue::I32);
    properties.set_header(ShortString::from_static(X_DELAY), over);
    properties.compact();
}

/// The header as a number, as the plugin reads it: floats without their fraction, texts too.
fn milliseconds(properties: &MessageProperties) -> Option<i64> {
    if !properties.has_header(X_DELAY) {
        return None;
    }
    let headers = properties.headers_once()?;
    let value = headers.get(X_DELAY)?;
    let float = value.as_f64().map(f64::trunc).filter(|float| float.abs() <= DELAY_MAX_MS as f64);
    #[expect(clippy::cast_possible_truncation, reason = "it is within the longest delay")]
    let of_float = float.map(|float| float as i64);
    value.as_i64().or(of_float).or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use springhare_amqp::BasicProperties;

    use super::*;

    fn properties(delay: FieldValue) -> MessageProperties {
        let headers = [(ShortString::from_static(X_DELAY), delay)].into_iter().collect();
        BasicProperties { headers: Some(headers), ..Default::default() }.into()
    }

    #[test]
    fn a_delay_is_a_positive_number_of_milliseconds() {
        for (value, delay) in [
            (FieldValue::I32(5), Some(5)),
            (5_u8.into(), Some(5)),
            (4_294_967_295_i64.into(), Some(4_294_967_295)),
            (5.9.into(), Some(5)),
            ("5".into(), Some(5)),
            (0.into(), None),
            ((-5).into(), None),
            (4_294_967_296_i64.into(), None),
            (1.0e300.into(), None),
            (f64::NAN.into(), None),
            ("5 s".into(), None),
            (FieldValue::Void, None),
            (FieldValue::Timestamp(5), None),
        ] {
            let expected = delay.map(Duration::from_millis);
            assert_eq!(delay_of(&properties(value.clone())), expected, "{value:?}");
        }
        assert_eq!(delay_of(&MessageProperties::default()), None);
    }

    #[test]
    fn a_delay_that_is_over_is_negative() {
        let over = |value| {
            let mut properties = properties(value);
            end_delay(&mut properties);
            assert_eq!(delay_of(&properties), None);
            properties.header(X_DELAY).cloned()
        };
        assert_eq!(over(500_i64.into()), Some(FieldValue::I32(-500)));
        assert_eq!(over("500".into()), Some(FieldValue::I32(-500)));
        assert_eq!(over(4_294_967_295_i64.into()), Some(FieldValue::I64(-4_294_967_295)));
        let mut none = MessageProperties::default();
        end_delay(&mut none);
        assert_eq!(none, MessageProperties::default());
    }

    #[test]
    fn the_type_must_be_there_and_another() {
        let of = |value: FieldValue| {
            let name = ShortString::from_static(X_DELAYED_TYPE);
            delayed_type(&[(name, value)].into_iter().collect()).map_err(|error| error.to_string())
        };
        let missing = "Invalid argument, 'x-delayed-type' must be an existing exchange type";
        assert_eq!(delayed_type(&FieldTable::new()).unwrap_err().to_string(), missing);
        assert_eq!(of(5.into()), Err(missing.to_owned()));
        assert_eq!(of("topic".into()), Ok(ExchangeKind::Topic));
        assert_eq!(of("x-random".into()), Ok(ExchangeKind::Random));
        assert_eq!(of("nope".into()), Err("unknown exchange type 'nope'".to_owned()));
        let itself = "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'";
        assert_eq!(of("x-delayed-message".into()), Err(itself.to_owned()));
    }
}
