//! The four attributes, as they are told: once, unchanged, never guessed.

use serde::Serialize;
use utoipa::ToSchema;
use warikan_pki::{Attributes, Sex};

/// A birth date.
#[derive(Serialize, ToSchema)]
pub(crate) struct BirthDateView {
    /// As certified: era digit and Gregorian date, `EYYYYMMDD`.
    raw: String,
    /// The date, where it is fully known.
    date: Option<chrono::NaiveDate>,
}

/// The four attributes (基本4情報) as J-LIS certified them. The verdict says whether to rely on them.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttributesView {
    /// Name; U+3000 stands between family and given name.
    name: Option<String>,
    /// Address.
    address: Option<String>,
    birth_date: Option<BirthDateView>,
    /// `male`, `female` or `other`.
    sex: Option<String>,
    /// One digit per character of the name; `1` marks a substitute character.
    name_substitutions: Option<String>,
    /// One digit per character of the address; `1` marks a substitute character.
    address_substitutions: Option<String>,
    /// Whether all of them are there and well-formed.
    complete: bool,
}

impl AttributesView {
    pub(crate) fn of(attributes: &Attributes) -> Self {
        let text = |value: &Option<warikan_types::Personal<String>>| {
            value.as_ref().map(|value| value.expose().clone())
        };
        Self {
            name: text(&attributes.name),
            address: text(&attributes.address),
            birth_date: attributes.birth_date.as_ref().map(|date| BirthDateView {
                raw: date.expose().raw.clone(),
                date: date.expose().date,
            }),
            sex: attributes.sex.as_ref().map(|sex| {
                Sex::from_code(sex.expose())
                    .map_or_else(|| sex.expose().clone(), |sex| sex.as_str().to_owned())
            }),
            name_substitutions: text(&attributes.name_substitutions),
            address_substitutions: text(&attributes.address_substitutions),
            complete: attributes.is_complete(),
        }
    }
}
