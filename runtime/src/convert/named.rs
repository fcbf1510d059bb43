use std::collections::BTreeMap;
use std::sync::Arc;

use super::codecs;
use super::converter::MessageConverter;
use super::converters::MessageConverters;

/// What text, bytes and JSON are called.
const PLAIN: &str = "json";

/// Converters by the names that listeners choose them by.
#[derive(Debug, Clone)]
pub(crate) struct NamedConverters(BTreeMap<String, Arc<dyn MessageConverter>>);

impl Default for NamedConverters {
    fn default() -> Self {
        let codecs = codecs::named().into_iter();
        Self(codecs.map(|(name, codec)| (name.to_owned(), codec)).collect())
    }
}

impl NamedConverters {
    /// Gives `converter` a name; who had it before has it no more.
    pub(crate) fn name(&mut self, name: String, converter: Arc<dyn MessageConverter>) {
        self.0.insert(name, converter);
    }

    /// The application's converters as a listener with `converter = "name"` has them.
    ///
    /// # Errors
    ///
    /// What is wrong with the name, and which there are.
    pub(crate) fn choose(
        &self,
        name: &str,
        all: &MessageConverters,
    ) -> Result<MessageConverters, String> {
        match self.0.get(name) {
            Some(converter) => Ok(all.for_listener(Some(Arc::clone(converter)))),
            None if name == PLAIN => Ok(all.for_listener(None)),
            None => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let feature = match name {
            "cbor" | "msgpack" => {
                return format!(
                    "`converter = \"{name}\"` needs springhare's feature `{name}`: add it in \
                     Cargo.toml, `features = [\"{name}\"]`"
                );
            }
            _ => "`.converter(\"..\", ..)` of the builder adds one",
        };
        let plain = (!self.0.contains_key(PLAIN)).then_some(PLAIN);
        let names: Vec<_> = plain.into_iter().chain(self.0.keys().map(String::as_str)).collect();
        format!("no converter is called \"{name}\", there is {}; {feature}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_there_is_answered_with_those_that_are() {
        let named = NamedConverters::default();
        let all = MessageConverters::new();
        let text = named.choose("xml", &all).unwrap_err();
        assert!(text.starts_with("no converter is called \"xml\", there is json"), "{text}");
        assert!(text.contains("`.converter(\"..\", ..)`"), "{text}");
        assert!(named.choose("json", &all).is_ok());
    }

    #[cfg(not(feature = "msgpack"))]
    #[test]
    fn a_codec_whose_feature_is_off_is_answered_with_the_feature() {
        let text = NamedConverters::default().choose("msgpack", &MessageConverters::new());
        assert!(text.unwrap_err().contains("needs springhare's feature `msgpack`"));
    }

    #[cfg(feature = "msgpack")]
    #[test]
    fn a_codec_is_chosen_by_its_name() {
        let all = MessageConverters::new();
        let chosen = NamedConverters::default().choose("msgpack", &all).unwrap();
        let written = chosen.encode(&[1, 2]).unwrap();
        assert_eq!(written.properties.content_type.as_deref(), Some("application/msgpack"));
        assert_eq!(all.read::<Vec<u8>>(&written).unwrap(), [1, 2], "all read it");
    }
}
