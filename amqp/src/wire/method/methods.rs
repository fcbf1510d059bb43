//! What turns a class's table into its structs, its enum and their codec.

/// `CONSTANT "spec.name" Struct = number reserved(..) { field: type, } reserved(..);` for each
/// method of a class. `reserved` names the types of fields without a meaning before or after.
macro_rules! methods {
    (
        class $class:ident = $class_number:literal;
        $(
            $(#[$doc:meta])*
            $constant:ident $spec_name:literal $name:ident = $number:literal
            $( reserved($($before:ident),+) )?
            { $( $(#[$field_doc:meta])* $field:ident: $kind:ident, )* }
            $( reserved($($after:ident),+) )?;
        )+
    ) => {
        /// The number of this class.
        pub const CLASS: u16 = $class_number;

        $(
            method_struct! { $(#[$doc])* $name { $( $(#[$field_doc])* $field: $kind, )* } }

            impl $name {
                #[inline]
                fn decode(
                    reader: &mut $crate::wire::Reader<'_>,
                ) -> Result<Self, $crate::wire::DecodeError> {
                    $( $( reader.$before("reserved")?; )+ )?
                    $( let $field = reader.$kind(stringify!($field))?; )*
                    $( $( reader.$after("reserved")?; )+ )?
                    let _ = reader;
                    Ok(Self { $( $field, )* })
                }
            }

            impl $crate::wire::EncodeMethod for $name {
                const ID: $crate::MethodId = $crate::MethodId::$constant;

                #[inline]
                fn encode_arguments(&self, out: &mut bytes::BytesMut) {
                    let mut writer = $crate::wire::Writer::new(out);
                    $( $( write_reserved!(writer, $before); )+ )?
                    $( write_argument!(writer, $kind, self.$field); )*
                    $( $( write_reserved!(writer, $after); )+ )?
                    writer.out();
                }
            }

            impl From<$name> for Method {
                #[inline]
                fn from(method: $name) -> Self {
                    Self::$name(method)
                }
            }

            impl From<$name> for super::Method {
                #[inline]
                fn from(method: $name) -> Self {
                    Self::$class(Method::$name(method))
                }
            }
        )+

        impl $crate::MethodId {
            $(
                #[doc = concat!("`", $spec_name, "`")]
                pub const $constant: Self = Self { class: $class_number, method: $number };
            )+
        }

        /// Any method of this class.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Method {
            $( #[doc = concat!("`", $spec_name, "`")] $name($name), )+
        }

        impl Method {
            #[inline]
            pub(super) fn decode(
                number: u16,
                reader: &mut $crate::wire::Reader<'_>,
            ) -> Result<Self, $crate::wire::DecodeError> {
                match number {
                    $( $number => $name::decode(reader).map(Self::$name), )+
                    method => {
                        Err($crate::wire::DecodeError::UnknownMethod { class: CLASS, method })
                    }
                }
            }

            /// The numbers of the class and the method.
            #[inline]
            #[must_use]
            pub fn id(&self) -> $crate::MethodId {
                match self { $( Self::$name(_) => $crate::MethodId::$constant, )+ }
            }

            pub(super) fn encode_frame(&self, channel: u16, out: &mut bytes::BytesMut) {
                match self {
                    $( Self::$name(method) => super::encode_method_frame(channel, method, out), )+
                }
            }
        }

        pub(super) fn name(method: u16) -> Option<&'static str> {
            match method { $( $number => Some($spec_name), )+ _ => None }
        }
    };
}

/// A unit struct for a method without arguments.
macro_rules! method_struct {
    ($(#[$doc:meta])* $name:ident {}) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name;
    };
    ($(#[$doc:meta])* $name:ident { $( $(#[$field_doc:meta])* $field:ident: $kind:ident, )+ }) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq)]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: argument_type!($kind), )+
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $( .field(stringify!($field), shown_argument!($kind, self.$field)) )+
                    .finish()
            }
        }
    };
}

macro_rules! argument_type {
    (bit) => {
        bool
    };
    (octet) => {
        u8
    };
    (short) => {
        u16
    };
    (long) => {
        u32
    };
    (longlong) => {
        u64
    };
    (shortstr) => {
        $crate::ShortString
    };
    (longstr) => {
        bytes::Bytes
    };
    (secret) => {
        bytes::Bytes
    };
    (table) => {
        $crate::FieldTable
    };
}

/// Passwords and tokens stay out of logs, whatever is printed there.
macro_rules! shown_argument {
    (secret, $value:expr) => {
        &format_args!("({} bytes)", $value.len())
    };
    ($kind:ident, $value:expr) => {
        &$value
    };
}

macro_rules! write_argument {
    ($writer:ident, shortstr, $value:expr) => {
        $writer.shortstr(&$value)
    };
    ($writer:ident, longstr, $value:expr) => {
        $writer.longstr(&$value)
    };
    ($writer:ident, secret, $value:expr) => {
        $writer.longstr(&$value)
    };
    ($writer:ident, table, $value:expr) => {
        $writer.table(&$value)
    };
    ($writer:ident, $kind:ident, $value:expr) => {
        $writer.$kind($value)
    };
}

macro_rules! write_reserved {
    ($writer:ident, bit) => {
        $writer.bit(false)
    };
    ($writer:ident, shortstr) => {
        $writer.shortstr(&$crate::ShortString::EMPTY)
    };
    ($writer:ident, longstr) => {
        $writer.longstr(&[])
    };
    ($writer:ident, $kind:ident) => {
        $writer.$kind(0)
    };
}
