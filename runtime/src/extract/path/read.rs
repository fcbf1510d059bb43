//! Values read from the words of a key, by serde.

use std::any::type_name;
use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// Why a value can't be read from a key's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PathError(String);

impl de::Error for PathError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

/// All words with their names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'w, 'd> {
    names: &'w [&'w str],
    words: &'w [&'d str],
}

impl<'w, 'd> Words<'w, 'd> {
    pub(super) fn new(names: &'w [&'w str], words: &'w [&'d str]) -> Self {
        Self { names, words }
    }

    /// The only one.
    fn one(self) -> Result<Word<'w, 'd>, PathError> {
        match (self.names, self.words) {
            (&[name], &[word]) => Ok(Word { name, word }),
            (_, words) => Err(PathError(format!(
                "what is wanted is one word, and the key has {}; take a tuple or a struct",
                words.len()
            ))),
        }
    }

    fn next(&mut self) -> Option<Word<'w, 'd>> {
        let ((&name, names), (&word, words)) =
            self.names.split_first().zip(self.words.split_first())?;
        *self = Self { names, words };
        Some(Word { name, word })
    }
}

macro_rules! one_word {
    ($($method:ident)*) => {
        $(
            fn $method<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, PathError> {
                self.one()?.$method(visitor)
            }
        )*
    };
}

impl<'d> Deserializer<'d> for Words<'_, 'd> {
    type Error = PathError;

    one_word! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit
        deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, PathError> {
        match self.one() {
            Ok(word) => word.deserialize_any(visitor),
            Err(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'d>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'d>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_seq(Each(self))
    }

    fn deserialize_tuple<V: Visitor<'d>>(
        self,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        if count != self.words.len() {
            let found = self.words.len();
            return Err(PathError(format!("{count} words are wanted, and the key has {found}")));
        }
        visitor.visit_seq(Each(self))
    }

    fn deserialize_tuple_struct<V: Visitor<'d>>(
        self,
        _name: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        self.deserialize_tuple(count, visitor)
    }

    fn deserialize_map<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_map(ByName { rest: self, value: None })
    }

    fn deserialize_struct<V: Visitor<'d>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PathError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'d>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PathError> {
        self.one()?.deserialize_enum(name, variants, visitor)
    }
}

struct Each<'w, 'd>(Words<'w, 'd>);

impl<'d> SeqAccess<'d> for Each<'_, 'd> {
    type Error = PathError;

    fn next_element_seed<S: DeserializeSeed<'d>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, PathError> {
        self.0.next().map(|word| seed.deserialize(word)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.words.len())
    }
}

struct ByName<'w, 'd> {
    rest: Words<'w, 'd>,
    /// What the last name stands for.
    value: Option<Word<'w, 'd>>,
}

impl<'d> MapAccess<'d> for ByName<'_, 'd> {
    type Error = PathError;

    fn next_key_seed<S: DeserializeSeed<'d>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, PathError> {
        let Some(word) = self.rest.next() else { return Ok(None) };
        self.value = Some(word);
        let name: StrDeserializer<'_, PathError> = word.name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'d>>(&mut self, seed: S) -> Result<S::Value, PathError> {
        let word = self.value.take().ok_or_else(|| PathError("a value without a name".into()))?;
        seed.deserialize(word)
    }
}

/// One word.
#[derive(Debug, Clone, Copy)]
struct Word<'w, 'd> {
    name: &'w str,
    word: &'d str,
}

impl Word<'_, '_> {
    fn parse<T: std::str::FromStr>(self) -> Result<T, PathError> {
        self.word.parse().map_err(|_| {
            let Self { name, word } = self;
            PathError(format!("`{{{name}}}` is {word:?}, which is no `{}`", type_name::<T>()))
        })
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
                visitor.$visit(self.parse()?)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Word<'_, 'de> {
    type Error = PathError;

    parsed! {
        deserialize_bool visit_bool
        deserialize_i8 visit_i8
        deserialize_i16 visit_i16
        deserialize_i32 visit_i32
        deserialize_i64 visit_i64
        deserialize_i128 visit_i128
        deserialize_u8 visit_u8
        deserialize_u16 visit_u16
        deserialize_u32 visit_u32
        deserialize_u64 visit_u64
        deserialize_u128 visit_u128
        deserialize_f32 visit_f32
        deserialize_f64 visit_f64
        deserialize_char visit_char
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_borrowed_str(self.word)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PathError> {
        visitor.visit_enum(Variant(self.word))
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

/// A variant without values, by its name.
struct Variant<'d>(&'d str);

impl<'d> EnumAccess<'d> for Variant<'d> {
    type Error = PathError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'d>>(self, seed: S) -> Result<(S::Value, Self), PathError> {
        let name: BorrowedStrDeserializer<'d, PathError> = BorrowedStrDeserializer::new(self.0);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'d> VariantAccess<'d> for Variant<'d> {
    type Error = PathError;

    fn unit_variant(self) -> Result<(), PathError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'d>>(self, _: S) -> Result<S::Value, PathError> {
        Err(self.has_no_value())
    }

    fn tuple_variant<V: Visitor<'d>>(self, _: usize, _: V) -> Result<V::Value, PathError> {
        Err(self.has_no_value())
    }

    fn struct_variant<V: Visitor<'d>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, PathError> {
        Err(self.has_no_value())
    }
}

impl Variant<'_> {
    fn has_no_value(&self) -> PathError {
        PathError(format!("a word is a name alone, and the variant {:?} holds values", self.0))
    }
}
