use springhare_amqp::wire::decode_table;
use springhare_amqp::{AmqpError, FieldValue, MethodId, ReplyCode};

/// The SASL mechanisms that are offered, in RabbitMQ's order.
pub(crate) const MECHANISMS: &str = "PLAIN AMQPLAIN";

/// A user's name and password, as a mechanism brought them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) mechanism: Mechanism,
    pub(crate) user: String,
    pub(crate) password: Vec<u8>,
}

/// Without the password.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("mechanism", &self.mechanism)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// How a peer says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// RFC 4616: `authzid NUL authcid NUL passwd`.
    Plain,
    /// A field table with `LOGIN` and `PASSWORD`, of AMQP 0-8.
    AmqPlain,
}

impl Mechanism {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::AmqPlain => "AMQPLAIN",
        }
    }
}

impl Credentials {
    /// Reads the response of `connection.start-ok`.
    ///
    /// # Errors
    ///
    /// 504 for a mechanism that was not offered, 403 or 502 for a response that is not one of it.
    pub(crate) fn read(mechanism: &str, response: &[u8]) -> Result<Self, AmqpError> {
        match mechanism {
            "PLAIN" => plain(response),
            "AMQPLAIN" => amqplain(response),
            unknown => Err(AmqpError::new(
                ReplyCode::ChannelError,
                MethodId::NONE,
                format_args!("Unknown authentication mechanism '{unknown}'"),
            )),
        }
    }
}

/// Who to act for, before the first NUL, must be empty, as RabbitMQ has it.
fn plain(response: &[u8]) -> Result<Credentials, AmqpError> {
    let mut parts = response.splitn(3, |&byte| byte == 0);
    let (Some([]), Some(user), Some(password)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed(Mechanism::Plain));
    };
    if password.contains(&0) {
        return Err(malformed(Mechanism::Plain));
    }
    let user = String::from_utf8_lossy(user).into_owned();
    Ok(Credentials { mechanism: Mechanism::Plain, user, password: password.to_vec() })
}

/// The table without its length: the response's own length says it.
fn amqplain(response: &[u8]) -> Result<Credentials, AmqpError> {
    let length = u32::try_from(response.len()).map_err(|_| malformed(Mechanism::AmqPlain))?;
    let table = decode_table(&[&length.to_be_bytes(), response].concat())
        .map_err(|_| malformed(Mechanism::AmqPlain))?;
    let field = |name| match table.get(name) {
        Some(FieldValue::LongString(bytes) | FieldValue::ByteArray(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    let (Some(user), Some(password)) = (field("LOGIN"), field("PASSWORD")) else {
        return Err(AmqpError::new(
            ReplyCode::SyntaxError,
            MethodId::NONE,
            "AMQPLAIN auth info '' is missing a LOGIN or PASSWORD field",
        ));
    };
    let user = String::from_utf8_lossy(&user).into_owned();
    Ok(Credentials { mechanism: Mechanism::AmqPlain, user, password: password.to_vec() })
}

fn malformed(mechanism: Mechanism) -> AmqpError {
    AmqpError::new(
        ReplyCode::AccessRefused,
        MethodId::NONE,
        format_args!("the response is not one of mechanism {}", mechanism.name()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_three_texts_between_nuls() {
        let credentials = Credentials::read("PLAIN", b"\0guest\0se cret").unwrap();
        assert_eq!(
            (credentials.user.as_str(), credentials.password.as_slice()),
            ("guest", &b"se cret"[..])
        );
        assert!(!format!("{credentials:?}").contains("cret"), "{credentials:?}");
        for response in [&b""[..], b"guest", b"\0guest", b"\0guest\0a\0b", b"me\0guest\0guest"] {
            let error = Credentials::read("PLAIN", response).unwrap_err();
            assert_eq!(error.code(), ReplyCode::AccessRefused, "{response:?}");
        }
        assert!(Credentials::read("PLAIN", b"\0guest\0").unwrap().password.is_empty());
    }

    #[test]
    fn amqplain_is_a_table_without_its_length() {
        let response = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x02pw";
        let credentials = Credentials::read("AMQPLAIN", response).unwrap();
        assert_eq!(
            (credentials.user.as_str(), credentials.password.as_slice()),
            ("guest", &b"pw"[..])
        );
        assert!(Credentials::read("AMQPLAIN", b"\x05LOGINS\0\0\0\x05guest").is_err());
        assert!(Credentials::read("AMQPLAIN", b"\x05LOGINS\xff\xff\xff\xff").is_err());
        assert!(Credentials::read("AMQPLAIN", b"").is_err());
    }

    #[test]
    fn another_mechanism_is_refused_by_name() {
        let error = Credentials::read("EXTERNAL", b"").unwrap_err();
        assert_eq!(error.code(), ReplyCode::ChannelError);
        assert!(error.text().contains("EXTERNAL"));
    }
}
