//! Synthetic citizens, one or many.

use std::sync::Arc;

use chrono::{DateTime, Datelike, Duration, NaiveDate, Utc};
use rand_core::RngCore;

use crate::{
    CertificateChoice, KeySource, Municipality, Person, PersonId, Sex, Simulator, SimulatorError,
    calendar, keys::SigningKey,
};

const FAMILY: [&str; 30] = [
    "佐藤",
    "鈴木",
    "高橋",
    "田中",
    "伊藤",
    "渡辺",
    "山本",
    "中村",
    "小林",
    "加藤",
    "吉田",
    "山田",
    "佐々木",
    "山口",
    "松本",
    "井上",
    "木村",
    "林",
    "斎藤",
    "清水",
    "山崎",
    "森",
    "池田",
    "橋本",
    "阿部",
    "石川",
    "前田",
    "藤田",
    "小川",
    "岡田",
];
const MALE: [&str; 15] = [
    "大翔", "蓮", "健太", "翔太", "大輔", "拓也", "直樹", "和也", "誠", "浩", "茂", "隆", "清",
    "一郎", "正男",
];
const FEMALE: [&str; 15] = [
    "陽葵",
    "結衣",
    "美咲",
    "さくら",
    "葵",
    "愛",
    "麻衣",
    "智子",
    "久美子",
    "恵子",
    "裕子",
    "和子",
    "幸子",
    "千代",
    "ハナ",
];
const TOWNS: [&str; 12] = [
    "本町", "元町", "中央", "緑町", "栄町", "東町", "西町", "南町", "北町", "旭町", "幸町", "松山",
];
/// A population's cards share this many keys.
const SHARED_KEYS: usize = 4;

impl Person {
    /// A plausible citizen between 18 and 89 years of age at `at`, the same for the same state of `rng`.
    ///
    /// # Panics
    /// Without any municipality.
    #[must_use]
    pub fn synthetic(
        rng: &mut dyn RngCore,
        municipalities: &[Municipality],
        at: DateTime<Utc>,
    ) -> Self {
        let municipality = pick(rng, municipalities).clone();
        let (sex, given) = if below(rng, 2) == 0 {
            (Sex::Male, pick(rng, &MALE))
        } else {
            (Sex::Female, pick(rng, &FEMALE))
        };
        let name = format!("{}　{given}", pick(rng, &FAMILY));
        let address = format!(
            "{}{}{}{}－{}－{}",
            municipality.prefecture_ja,
            municipality.name_ja,
            pick(rng, &TOWNS),
            full_width(below(rng, 9) + 1),
            full_width(below(rng, 40) + 1),
            full_width(below(rng, 30) + 1),
        );
        Self::new(&name, &address, birth_date(rng, at), sex, municipality)
    }
}

impl Simulator {
    /// Enrolls many synthetic persons, all over the known municipalities: [`Simulator::issue_population_in`].
    ///
    /// # Errors
    /// As [`Simulator::enroll`].
    pub fn issue_population(
        &mut self,
        size: usize,
        rng: &mut dyn RngCore,
        keys: &mut KeySource,
        at: DateTime<Utc>,
    ) -> Result<Vec<PersonId>, SimulatorError> {
        let municipalities = self.municipalities.clone();
        self.issue_population_in(&municipalities, size, rng, keys, at)
    }

    /// Enrolls many synthetic persons of these municipalities with a signature certificate each and no authentication
    /// certificate. Four keys go round among all their cards, because making a key for each would take minutes;
    /// names, serial numbers and certificates are everyone's own.
    ///
    /// # Errors
    /// As [`Simulator::enroll`].
    pub fn issue_population_in(
        &mut self,
        municipalities: &[Municipality],
        size: usize,
        rng: &mut dyn RngCore,
        keys: &mut KeySource,
        at: DateTime<Utc>,
    ) -> Result<Vec<PersonId>, SimulatorError> {
        let choice = CertificateChoice::Signature;
        self.authority(choice)
            .issuing(at)
            .ok_or(SimulatorError::NoAuthority(choice))?;
        let shared: Vec<Arc<SigningKey>> = (0..SHARED_KEYS.min(size))
            .map(|_| self.draw_key(keys))
            .collect::<Result<_, _>>()?;
        if municipalities.is_empty() {
            return Err(SimulatorError::BadMunicipality);
        }
        let mut out = Vec::with_capacity(size);
        for key in shared.iter().cycle().take(size) {
            let id = self.add_person(Person::synthetic(rng, municipalities, at))?;
            self.issue(id, choice, key, at)?;
            out.push(id);
        }
        Ok(out)
    }
}

fn birth_date(rng: &mut dyn RngCore, at: DateTime<Utc>) -> NaiveDate {
    let today = calendar::date_in_japan(at);
    let years = i32::try_from(below(rng, 71)).unwrap_or(0) + 18;
    let day = today
        .with_year(today.year() - years)
        .unwrap_or(today - Duration::days(366 * i64::from(years)));
    day - Duration::days(i64::try_from(below(rng, 365)).unwrap_or(0))
}

/// A number below `bound`. The bias of the remainder is far below what anyone could see in names.
fn below(rng: &mut dyn RngCore, bound: u64) -> u64 {
    rng.next_u64() % bound
}

fn pick<'a, T>(rng: &mut dyn RngCore, from: &'a [T]) -> &'a T {
    let count = u64::try_from(from.len()).unwrap_or(u64::MAX);
    &from[usize::try_from(below(rng, count)).unwrap_or(0)]
}

/// A number in full-width digits, as addresses in certificates have them.
fn full_width(number: u64) -> String {
    number
        .to_string()
        .chars()
        .map(|digit| {
            char::from_u32(u32::from(digit) - u32::from('0') + u32::from('０')).unwrap_or(digit)
        })
        .collect()
}
