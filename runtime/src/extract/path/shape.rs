//! What a type wants of a key's words, asked of the type itself: it is read from nothing, and what
//! it asks for first is noted.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};

use super::PathError;
use crate::state::PathShape;

/// What `T` wants.
pub(super) fn shape_of<'d, T: Deserialize<'d>>() -> PathShape {
    let mut shape = PathShape::Any;
    // It fails for certain: there is nothing to read.
    let _ = T::deserialize(Note(&mut shape));
    shape
}

struct Note<'s>(&'s mut PathShape);

impl Note<'_> {
    fn note<T>(self, shape: PathShape) -> Result<T, PathError> {
        *self.0 = shape;
        Err(PathError::custom("noted"))
    }
}

macro_rules! one_word {
    ($($method:ident)*) => {
        $(
            fn $method<V: Visitor<'d>>(self, _: V) -> Result<V::Value, PathError> {
                self.note(PathShape::Words(1))
            }
        )*
    };
}

macro_rules! anything {
    ($($method:ident)*) => {
        $(
            fn $method<V: Visitor<'d>>(self, _: V) -> Result<V::Value, PathError> {
                self.note(PathShape::Any)
            }
        )*
    };
}

impl<'d> Deserializer<'d> for Note<'_> {
    type Error = PathError;

    one_word! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_identifier
    }

    anything! {
        deserialize_any deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_seq
        deserialize_map deserialize_ignored_any
    }

    fn deserialize_option<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'d>>(
        self,
        _name: &'static str,
        _: V,
    ) -> Result<V::Value, PathError> {
        self.note(PathShape::Any)
    }

    fn deserialize_newtype_struct<V: Visitor<'d>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'d>>(self, count: usize, _: V) -> Result<V::Value, PathError> {
        self.note(PathShape::Words(count))
    }

    fn deserialize_tuple_struct<V: Visitor<'d>>(
        self,
        _name: &'static str,
        count: usize,
        _: V,
    ) -> Result<V::Value, PathError> {
        self.note(PathShape::Words(count))
    }

    fn deserialize_struct<V: Visitor<'d>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, PathError> {
        self.note(PathShape::Fields(fields))
    }

    fn deserialize_enum<V: Visitor<'d>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, PathError> {
        self.note(PathShape::Words(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape counts")]
    struct Line {
        host: String,
        #[serde(rename = "level")]
        rank: u8,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape counts")]
    struct Code(u16);

    #[test]
    fn a_type_says_what_it_wants() {
        assert_eq!(shape_of::<String>(), PathShape::Words(1));
        assert_eq!(shape_of::<&str>(), PathShape::Words(1));
        assert_eq!(shape_of::<Code>(), PathShape::Words(1));
        assert_eq!(shape_of::<(u8, String)>(), PathShape::Words(2));
        assert_eq!(shape_of::<Line>(), PathShape::Fields(&["host", "level"]));
        assert_eq!(shape_of::<Vec<String>>(), PathShape::Any);
    }
}
