//! The holder: the four attributes (基本4情報) that a signature certificate carries, and where they are registered.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::Municipality;

/// Sex as the certificate tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// `1`.
    Male,
    /// `2`.
    Female,
    /// `9`: other or not applicable.
    Other,
}

impl Sex {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Male => "1",
            Self::Female => "2",
            Self::Other => "9",
        }
    }
}

/// How much of a birth date is known. Registers from before the war have gaps, and certificates say so with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// The day is known.
    Day,
    /// Only year and month: the day is written `00`.
    Month,
    /// Only the year: month and day are written `0000`.
    Year,
}

/// A birth date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BirthDate {
    /// The date; unknown parts are 1, and validity is counted as if they were.
    pub date: NaiveDate,
    /// Which parts are known.
    pub precision: Precision,
    /// Whether the era is known; `0` is written if not.
    pub era_known: bool,
}

impl From<NaiveDate> for BirthDate {
    fn from(date: NaiveDate) -> Self {
        Self {
            date,
            precision: Precision::Day,
            era_known: true,
        }
    }
}

impl BirthDate {
    /// The form of the certificate, `EYYYYMMDD`: era digit, then the Gregorian date.
    #[must_use]
    pub fn encoded(&self) -> String {
        let era = if self.era_known { era(self.date) } else { 0 };
        let (year, month, day) = (self.date.year(), self.date.month(), self.date.day());
        match self.precision {
            Precision::Day => format!("{era}{year:04}{month:02}{day:02}"),
            Precision::Month => format!("{era}{year:04}{month:02}00"),
            Precision::Year => format!("{era}{year:04}0000"),
        }
    }
}

/// 1 Meiji, 2 Taisho, 3 Showa, 4 Heisei, 5 Reiwa; 0 before any of them. The day of a change belongs to the new era.
fn era(date: NaiveDate) -> u8 {
    match (date.year(), date.month(), date.day()) {
        change if change >= (2019, 5, 1) => 5,
        change if change >= (1989, 1, 8) => 4,
        change if change >= (1926, 12, 25) => 3,
        change if change >= (1912, 7, 30) => 2,
        change if change >= (1868, 1, 25) => 1,
        _ => 0,
    }
}

/// A simulated citizen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Family and given name with U+3000 between them; former names and aliases stand inside it.
    pub name: String,
    /// The address with full-width digits, `東京都清瀬市観布子南１２－７－２０２`.
    pub address: String,
    /// The birth date.
    pub birth_date: BirthDate,
    /// The sex.
    pub sex: Sex,
    /// Where the person is registered: decides the partition of the revocation lists.
    pub municipality: Municipality,
    /// One digit per character of the name, `1` where a substitute stands for a character that is not supported.
    pub name_substitutions: String,
    /// The same for the address.
    pub address_substitutions: String,
}

impl Person {
    /// A person without substitute characters.
    #[must_use]
    pub fn new(
        name: &str,
        address: &str,
        birth_date: impl Into<BirthDate>,
        sex: Sex,
        municipality: Municipality,
    ) -> Self {
        Self {
            name: name.to_owned(),
            address: address.to_owned(),
            birth_date: birth_date.into(),
            sex,
            municipality,
            name_substitutions: no_substitutions(name),
            address_substitutions: no_substitutions(address),
        }
    }

    /// The holder of the real test card.
    #[must_use]
    pub fn of_the_test_card() -> Self {
        let birth = NaiveDate::from_ymd_opt(1980, 2, 17).expect("a date");
        let kiyose = Municipality::new("13221", "Tokyo-to", "Kiyose-shi", "東京都", "清瀬市");
        Self::new(
            "黒桐　幹也",
            "東京都清瀬市観布子南１２－７－２０２",
            birth,
            Sex::Male,
            kiyose,
        )
    }
}

/// One `0` per character.
pub(crate) fn no_substitutions(text: &str) -> String {
    text.chars().map(|_| '0').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f039_birth_dates_are_written_with_their_era_and_their_gaps() {
        let of = |text: &str| BirthDate::from(text.parse::<NaiveDate>().unwrap());
        for (date, encoded) in [
            ("1980-02-17", "319800217"),
            ("1912-07-29", "119120729"),
            ("1912-07-30", "219120730"),
            ("1926-12-24", "219261224"),
            ("1926-12-25", "319261225"),
            ("1989-01-07", "319890107"),
            ("1989-01-08", "419890108"),
            ("2019-04-30", "420190430"),
            ("2019-05-01", "520190501"),
        ] {
            assert_eq!(of(date).encoded(), encoded);
        }
        let vague = BirthDate {
            precision: Precision::Year,
            era_known: false,
            ..of("1935-01-01")
        };
        assert_eq!(vague.encoded(), "019350000");
        assert_eq!(
            BirthDate {
                precision: Precision::Month,
                ..of("1935-06-01")
            }
            .encoded(),
            "319350600"
        );
    }
}
