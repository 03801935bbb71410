//! The four attributes (基本4情報) that a signature certificate carries in its subjectAltName.
//!
//! They are handed over exactly as the certificate has them: U+3000 between family and given name, full-width
//! digits, substitutes for unsupported characters. Nothing is normalised and nothing guessed. What is missing,
//! doubled or unreadable is listed in [`Attributes::problems`] and has no influence on the verdict: whether a
//! signature is good and whether its holder's data are complete are two questions. Only text that is no UTF-8 at
//! all breaks the certificate, because then there is nothing that could be kept untouched.

use chrono::NaiveDate;
use warikan_types::Personal;

use crate::{
    der::{DerError, Reader, UTF8_STRING},
    extension::GeneralName,
    oid::{JPKI_ATTRIBUTES, Oid},
};

/// Which of the six otherNames (1.2.392.200149.8.5.5.x).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttributeField {
    /// .1: name.
    Name,
    /// .2: substitution flags of the name.
    NameSubstitutions,
    /// .3: sex.
    Sex,
    /// .4: birth date.
    BirthDate,
    /// .5: address.
    Address,
    /// .6: substitution flags of the address.
    AddressSubstitutions,
}

impl AttributeField {
    /// All six in the order of their arcs.
    pub const ALL: [Self; 6] = [
        Self::Name,
        Self::NameSubstitutions,
        Self::Sex,
        Self::BirthDate,
        Self::Address,
        Self::AddressSubstitutions,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::NameSubstitutions => "name_substitutions",
            Self::Sex => "sex",
            Self::BirthDate => "birth_date",
            Self::Address => "address",
            Self::AddressSubstitutions => "address_substitutions",
        }
    }

    fn from_oid(content: &[u8]) -> Option<Self> {
        let [arc] = content.strip_prefix(JPKI_ATTRIBUTES)? else {
            return None;
        };
        Self::ALL.get(usize::from(arc.checked_sub(1)?)).copied()
    }
}

/// What is wrong with one attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttributeProblem {
    /// It is not there.
    Missing(AttributeField),
    /// It is there more than once: no value is given, for none is better than the other.
    Duplicate(AttributeField),
    /// It is there in another type than UTF8String.
    NotUtf8String(AttributeField),
    /// Its raw text is given, but it has not the form that the attribute should have.
    UnknownForm(AttributeField),
}

/// Sex as the certificate codes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// `1`.
    Male,
    /// `2`.
    Female,
    /// `9`: other or not applicable.
    Other,
}

impl Sex {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
            Self::Other => "other",
        }
    }

    /// From the digit.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "1" => Some(Self::Male),
            "2" => Some(Self::Female),
            "9" => Some(Self::Other),
            _ => None,
        }
    }
}

/// A birth date: `EYYYYMMDD`, era digit and Gregorian date.
#[derive(Clone, PartialEq, Eq)]
pub struct BirthDate {
    /// As the certificate has it.
    pub raw: String,
    /// The day, where year, month and day are known and are a day of the calendar.
    pub date: Option<NaiveDate>,
}

impl BirthDate {
    /// Reads `EYYYYMMDD`. Month or day `00` and era `0` are how unknown dates are written: no day then.
    #[must_use]
    pub fn read(raw: &str) -> Self {
        let number = |range: std::ops::Range<usize>| raw.get(range)?.parse::<u32>().ok();
        let date = Self::has_form(raw)
            .then(|| {
                let year = i32::try_from(number(1..5)?).ok()?;
                NaiveDate::from_ymd_opt(year, number(5..7)?, number(7..9)?)
            })
            .flatten();
        Self {
            raw: raw.to_owned(),
            date,
        }
    }

    fn has_form(raw: &str) -> bool {
        raw.len() == 9
            && raw.bytes().all(|octet| octet.is_ascii_digit())
            && raw.as_bytes()[0] <= b'5'
    }
}

/// An otherName that is none of the six (furigana is to come). Kept, never a reason to refuse.
#[derive(Clone)]
pub struct UnknownAttribute {
    /// Its type.
    pub oid: Oid,
    /// The DER of its value.
    pub value: Personal<Vec<u8>>,
}

/// What the subjectAltName says about the holder.
#[derive(Clone, Default)]
pub struct Attributes {
    /// Family and given name.
    pub name: Option<Personal<String>>,
    /// One digit per character of the name, `1` for a substitute.
    pub name_substitutions: Option<Personal<String>>,
    /// The code as it stands; [`Sex::from_code`] reads it.
    pub sex: Option<Personal<String>>,
    /// Birth date.
    pub birth_date: Option<Personal<BirthDate>>,
    /// Address.
    pub address: Option<Personal<String>>,
    /// One digit per character of the address, `1` for a substitute.
    pub address_substitutions: Option<Personal<String>>,
    /// Other otherNames, in the order of the certificate.
    pub unknown: Vec<UnknownAttribute>,
    /// What is not as it should be, sorted; empty for a complete certificate.
    pub problems: Vec<AttributeProblem>,
}

impl Attributes {
    /// Whether all four attributes are there and readable. An unknown birth day is known to be unknown, so
    /// it counts as read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.problems.is_empty()
    }

    /// From the names of a subjectAltName; `None` if it has no otherName.
    pub(crate) fn read(names: &[GeneralName<'_>]) -> Result<Option<Self>, DerError> {
        let mut found = Self::default();
        let mut texts: [Option<&str>; 6] = [None; 6];
        let mut any = false;
        for name in names {
            let GeneralName::Other { oid, value } = name else {
                continue;
            };
            any = true;
            let Some(field) = AttributeField::from_oid(oid) else {
                found.unknown.push(UnknownAttribute {
                    oid: Oid::from_content(oid),
                    value: Personal::new(value.to_vec()),
                });
                continue;
            };
            let Some(text) = utf8(value)? else {
                found.problems.push(AttributeProblem::NotUtf8String(field));
                continue;
            };
            if texts[field as usize].replace(text).is_some() {
                found.problems.push(AttributeProblem::Duplicate(field));
            }
        }
        if !any {
            return Ok(None);
        }
        found.take(texts);
        Ok(Some(found))
    }

    fn take(&mut self, texts: [Option<&str>; 6]) {
        for field in AttributeField::ALL {
            let flagged = self.problems.iter().any(|problem| {
                matches!(problem, AttributeProblem::Duplicate(of) | AttributeProblem::NotUtf8String(of) if *of == field)
            });
            match texts[field as usize] {
                _ if flagged => {}
                Some(text) => self.set(field, text),
                None => self.problems.push(AttributeProblem::Missing(field)),
            }
        }
        self.problems.sort_unstable();
        self.problems.dedup();
    }

    fn set(&mut self, field: AttributeField, text: &str) {
        let digits = |flags: &str| flags.bytes().all(|octet| octet.is_ascii_digit());
        let has_form = match field {
            AttributeField::Name | AttributeField::Address => !text.is_empty(),
            AttributeField::NameSubstitutions | AttributeField::AddressSubstitutions => {
                digits(text)
            }
            AttributeField::Sex => Sex::from_code(text).is_some(),
            AttributeField::BirthDate => BirthDate::has_form(text),
        };
        if !has_form {
            self.problems.push(AttributeProblem::UnknownForm(field));
        }
        let value = Some(Personal::new(text.to_owned()));
        match field {
            AttributeField::Name => self.name = value,
            AttributeField::NameSubstitutions => self.name_substitutions = value,
            AttributeField::Sex => self.sex = value,
            AttributeField::BirthDate => {
                self.birth_date = Some(Personal::new(BirthDate::read(text)));
            }
            AttributeField::Address => self.address = value,
            AttributeField::AddressSubstitutions => self.address_substitutions = value,
        }
    }
}

/// The text of an otherName's value; `None` if it is of another type.
fn utf8(value: &[u8]) -> Result<Option<&str>, DerError> {
    let mut reader = Reader::new(value);
    let text = reader.any()?;
    reader.finish("octets after the value of an otherName")?;
    if text.tag != UTF8_STRING {
        return Ok(None);
    }
    std::str::from_utf8(text.value)
        .map(Some)
        .map_err(|_| DerError("an otherName that is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f039_partial_dates_keep_their_text_and_give_no_day() {
        let day = |raw: &str| BirthDate::read(raw).date.map(|date| date.to_string());
        assert_eq!(day("319800217").as_deref(), Some("1980-02-17"));
        for raw in [
            "319800200",
            "319800017",
            "000000000",
            "319800230",
            "19800217",
            "3 1980217",
            "昭和55年2月17日",
        ] {
            assert_eq!(day(raw), None, "{raw}");
            assert_eq!(BirthDate::read(raw).raw, raw);
        }
    }
}
