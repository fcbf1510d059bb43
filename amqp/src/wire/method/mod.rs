//! The methods of AMQP 0-9-1 with RabbitMQ's extensions: one file a class, each a table that
//! reads like the specification.
//!
//! A field has the specification's name and type: `bit` is a `bool`, `octet`, `short`, `long`
//! and `longlong` are `u8` to `u64`, `shortstr` is a [`ShortString`](crate::ShortString),
//! `longstr` and `secret` (a longstr that is never printed) are [`Bytes`](bytes::Bytes), and
//! `table` is a [`FieldTable`](crate::FieldTable). Reserved fields are skipped, and written as
//! zero or empty.

#[macro_use]
mod methods;

pub mod access;
pub mod basic;
pub mod channel;
pub mod confirm;
pub mod connection;
pub mod exchange;
pub mod queue;
pub mod tx;

use bytes::BytesMut;

use super::frame::{FrameKind, encode_frame};
use super::{DecodeError, Reader};
use crate::MethodId;

pub(super) use basic::CLASS as BASIC_CLASS;

/// A method that can be written.
pub trait EncodeMethod {
    /// The numbers of its class and itself.
    const ID: MethodId;

    /// Appends the arguments: what follows the two numbers.
    fn encode_arguments(&self, out: &mut BytesMut);
}

/// Appends a frame with this method.
#[inline]
pub fn encode_method_frame<M: EncodeMethod>(channel: u16, method: &M, out: &mut BytesMut) {
    encode_frame(FrameKind::Method, channel, out, |payload| {
        payload.short(M::ID.class);
        payload.short(M::ID.method);
        method.encode_arguments(payload.out());
    });
}

macro_rules! classes {
    ($( $(#[$doc:meta])* $class:ident = $module:ident; )+) => {
        /// Any method, by its class.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Method {
            $( $(#[$doc])* $class($module::Method), )+
        }

        impl Method {
            /// Reads the payload of a method frame, all of it.
            ///
            /// # Errors
            ///
            /// [`DecodeError::UnknownMethod`] for numbers that no method has, and all others for
            /// arguments that can't be read or are followed by more bytes.
            #[inline]
            pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
                let mut reader = Reader::new(payload);
                let class = reader.short("class_id")?;
                let method = reader.short("method_id")?;
                let decoded = match class {
                    $( $module::CLASS => {
                        Self::$class($module::Method::decode(method, &mut reader)?)
                    } )+
                    _ => return Err(DecodeError::UnknownMethod { class, method }),
                };
                reader.finish()?;
                Ok(decoded)
            }

            /// The numbers of its class and itself.
            #[inline]
            #[must_use]
            pub fn id(&self) -> MethodId {
                match self { $( Self::$class(method) => method.id(), )+ }
            }

            /// Appends a frame with this method.
            pub fn encode_frame(&self, channel: u16, out: &mut BytesMut) {
                match self { $( Self::$class(method) => method.encode_frame(channel, out), )+ }
            }
        }

        $(
            impl From<$module::Method> for Method {
                #[inline]
                fn from(method: $module::Method) -> Self {
                    Self::$class(method)
                }
            }
        )+

        impl MethodId {
            /// The method's name in the specification: `queue.declare`; none for [`Self::NONE`]
            /// and for numbers that no method has.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.class { $( $module::CLASS => $module::name(self.method), )+ _ => None }
            }
        }
    };
}

classes! {
    /// Class 10: a connection, from its start to its close.
    Connection = connection;
    /// Class 20: the channels of a connection.
    Channel = channel;
    /// Class 30: access tickets, which AMQP 0-9-1 has no more and old clients still ask for.
    Access = access;
    /// Class 40: exchanges and their bindings to one another.
    Exchange = exchange;
    /// Class 50: queues and their bindings.
    Queue = queue;
    /// Class 60: messages.
    Basic = basic;
    /// Class 85: publisher confirms, RabbitMQ's extension.
    Confirm = confirm;
    /// Class 90: transactions.
    Tx = tx;
}

#[cfg(test)]
mod tests;
