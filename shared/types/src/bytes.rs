//! Binary values on the wire: base64, standard alphabet.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// Reads with or without padding; writes with. Non-zero trailing bits are refused, so one value has one text
/// (but for its padding).
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The same as a pattern for readers of the document.
const PATTERN: &str =
    "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw](==)?|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=?)?$";

/// Bytes whose wire form is base64 (RFC 4648 4).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Base64Bytes(pub Vec<u8>);

impl Serialize for Base64Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&ENGINE.encode(&self.0))
    }
}
impl<'de> Deserialize<'de> for Base64Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        ENGINE.decode(text.as_bytes()).map(Self).map_err(|_| {
            serde::de::Error::custom("not base64 of the standard alphabet (RFC 4648 section 4)")
        })
    }
}
impl utoipa::PartialSchema for Base64Bytes {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .content_encoding("base64")
            .pattern(Some(PATTERN))
            .into()
    }
}
impl utoipa::ToSchema for Base64Bytes {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_accepted_and_produced() {
        let read = |text: &str| serde_json::from_str::<Base64Bytes>(&format!("\"{text}\""));
        assert_eq!(read("AQ==").unwrap(), read("AQ").unwrap());
        assert_eq!(
            serde_json::to_string(&Base64Bytes(vec![1])).unwrap(),
            "\"AQ==\""
        );
        for bad in ["A", "AR==", "A_-=", "AQ==\\n", "AQ= ="] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
