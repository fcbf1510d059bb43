use bytes::Bytes;
use springhare_amqp::wire::FRAME_MIN_SIZE;
use springhare_amqp::wire::method::connection::{Start, StartOk, Tune, TuneOk};
use springhare_amqp::{AmqpError, FieldTable, FieldValue, MethodId, ReplyCode, ShortString};

use super::connection::Negotiable;
use super::sasl::MECHANISMS;

/// AMQP 0-9-1 calls itself 0-9 in `connection.start`.
const VERSION_MAJOR: u8 = 0;
const VERSION_MINOR: u8 = 9;

/// What the server says it can do, as RabbitMQ lists it.
const CAPABILITIES: [&str; 9] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
];

/// How the server introduces itself (`server-properties` of `connection.start`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerProperties {
    pub(crate) product: String,
    /// In RabbitMQ's form, since clients draw conclusions from it.
    pub(crate) version: String,
    pub(crate) cluster_name: String,
}

impl ServerProperties {
    fn table(&self) -> FieldTable {
        let capabilities: FieldTable = CAPABILITIES
            .into_iter()
            .map(|name| (ShortString::from_static(name), FieldValue::Boolean(true)))
            .collect();
        let texts = [
            ("cluster_name", self.cluster_name.as_str()),
            ("copyright", "Copyright (c) the springhare authors"),
            ("information", "Licensed under MIT OR Apache-2.0"),
            ("platform", "Rust"),
            ("product", self.product.as_str()),
            ("version", self.version.as_str()),
        ];
        let texts = texts.into_iter().map(|(name, text)| (name, FieldValue::text(text)));
        std::iter::once(("capabilities", FieldValue::Table(capabilities)))
            .chain(texts)
            .map(|(name, value)| (ShortString::from_static(name), value))
            .collect()
    }

    pub(super) fn start(&self) -> Start {
        Start {
            version_major: VERSION_MAJOR,
            version_minor: VERSION_MINOR,
            server_properties: self.table(),
            mechanisms: Bytes::from_static(MECHANISMS.as_bytes()),
            locales: Bytes::from_static(b"en_US"),
        }
    }
}

/// What a client said of itself that the server acts upon.
#[derive(Debug, Clone, Default)]
pub(crate) struct Client {
    /// It wants to hear that a consumer was cancelled (`consumer_cancel_notify`).
    pub(crate) is_told_of_cancels: bool,
    /// It wants to hear that publishing is blocked (`connection.blocked`).
    pub(crate) is_told_of_blocking: bool,
    /// It understands a close for a refused login (`authentication_failure_close`).
    pub(crate) is_told_of_refusal: bool,
    /// Its product and version or its own name, for people who read the log.
    pub(crate) description: String,
}

impl Client {
    pub(super) fn read(start_ok: &StartOk) -> Self {
        let properties = &start_ok.client_properties;
        let capabilities = match properties.get("capabilities") {
            Some(FieldValue::Table(capabilities)) => Some(capabilities),
            _ => None,
        };
        let can = |name| {
            let value = capabilities.and_then(|capabilities| capabilities.get(name));
            value.and_then(FieldValue::as_bool).unwrap_or(false)
        };
        let text = |name| properties.get(name).and_then(FieldValue::as_str);
        let names = [text("connection_name"), text("product"), text("version")];
        Self {
            is_told_of_cancels: can("consumer_cancel_notify"),
            is_told_of_blocking: can("connection.blocked"),
            is_told_of_refusal: can("authentication_failure_close"),
            description: names.into_iter().flatten().collect::<Vec<_>>().join(" "),
        }
    }
}

impl Negotiable {
    pub(super) fn tune(&self) -> Tune {
        Tune {
            channel_max: self.channel_max,
            frame_max: u32::try_from(self.frame_max).unwrap_or(u32::MAX),
            heartbeat: self.heartbeat,
        }
    }

    /// What both sides keep to: the client's wishes, if they are within what was offered.
    ///
    /// # Errors
    ///
    /// 530 for a wish out of bounds, in RabbitMQ's words.
    pub(super) fn negotiate(&self, wish: &TuneOk) -> Result<Self, AmqpError> {
        let frame_max = usize::try_from(wish.frame_max).unwrap_or(usize::MAX);
        check("frame_max", frame_max, FRAME_MIN_SIZE, self.frame_max)?;
        check("channel_max", wish.channel_max.into(), 1, self.channel_max.into())?;
        Ok(Self { channel_max: wish.channel_max, frame_max, heartbeat: wish.heartbeat })
    }
}

fn check(name: &str, wish: usize, min: usize, max: usize) -> Result<(), AmqpError> {
    let (compared, bound_name, bound) = match wish {
        0 => ("higher", "maximum", max),
        _ if wish < min => ("lower", "minimum", min),
        _ if wish > max => ("higher", "maximum", max),
        _ => return Ok(()),
    };
    let no_limit = if wish == 0 { " (no limit)" } else { "" };
    Err(AmqpError::new(
        ReplyCode::NotAllowed,
        MethodId::NONE,
        format_args!(
            "negotiated {name} = {wish}{no_limit} is {compared} than the {bound_name} allowed \
             value ({bound})"
        ),
    ))
}
