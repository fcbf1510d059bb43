//! Frames as they come back, and the two closes that most tests look at.

use std::fmt;

use super::bytes::METHOD;

/// A frame that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct RawFrame {
    /// 1 method, 2 header, 3 body, 8 heartbeat.
    pub kind: u8,
    /// 0 for the connection.
    pub channel: u16,
    /// All between the frame's size and its end.
    pub payload: Vec<u8>,
}

impl RawFrame {
    /// The class and method, and the bytes of the arguments.
    #[must_use]
    pub fn method(&self) -> Option<((u16, u16), &[u8])> {
        let (class, rest) = self.payload.split_first_chunk::<2>()?;
        let (id, arguments) = rest.split_first_chunk::<2>()?;
        let is_method = self.kind == METHOD;
        is_method.then_some(((u16::from_be_bytes(*class), u16::from_be_bytes(*id)), arguments))
    }

    /// What this frame closes, if it is a close.
    #[must_use]
    pub fn close(&self) -> Option<Close> {
        let (id, arguments) = self.method()?;
        if !matches!((self.channel, id), (0, (10, 50)) | (1.., (20, 40))) {
            return None;
        }
        let (code, rest) = arguments.split_first_chunk::<2>()?;
        let (length, rest) = rest.split_first()?;
        let (text, rest) = rest.split_at_checked(usize::from(*length))?;
        let [class_high, class_low, method_high, method_low] = rest else { return None };
        Some(Close {
            channel: self.channel,
            code: u16::from_be_bytes(*code),
            text: unbroken(&String::from_utf8_lossy(text)),
            method: (
                u16::from_be_bytes([*class_high, *class_low]),
                u16::from_be_bytes([*method_high, *method_low]),
            ),
        })
    }
}

impl fmt::Debug for RawFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.close(), self.method()) {
            (Some(close), _) => write!(f, "{close:?}"),
            (None, Some(((class, id), arguments))) => {
                write!(f, "channel {} method {class}.{id} ", self.channel)?;
                write!(f, "{}", arguments.escape_ascii())
            }
            (None, None) => {
                write!(f, "channel {} frame of type {} ", self.channel, self.kind)?;
                write!(f, "{}", self.payload.escape_ascii())
            }
        }
    }
}

/// Without the line breaks and indentation by which Erlang prints what is long.
fn unbroken(text: &str) -> String {
    text.split('\n').map(str::trim_start).collect()
}

/// A `channel.close`, or with channel 0 a `connection.close`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The channel that is closed; 0 when it is the connection.
    pub channel: u16,
    /// The reply code.
    pub code: u16,
    /// The reply text, on one line.
    pub text: String,
    /// Class and method that failed; zeros when it was none.
    pub method: (u16, u16),
}

impl Close {
    /// The close of a connection.
    #[must_use]
    pub fn connection(code: u16, text: &str, method: (u16, u16)) -> Self {
        Self { channel: 0, code, text: text.to_owned(), method }
    }

    /// The close of channel 1.
    #[must_use]
    pub fn channel(code: u16, text: &str, method: (u16, u16)) -> Self {
        Self { channel: 1, code, text: text.to_owned(), method }
    }
}
