//! Municipalities: each is a partition of the revocation lists, and stands in names in roman letters.

use serde::{Deserialize, Serialize};

/// A municipality (市区町村) as certificates name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Municipality {
    /// 全国地方公共団体コード without its check digit: five digits, `13221`. It is part of the subject's identifier.
    pub code: String,
    /// `Tokyo-to`.
    pub prefecture: String,
    /// `Kiyose-shi`.
    pub name: String,
    /// `東京都`.
    pub prefecture_ja: String,
    /// `清瀬市`.
    pub name_ja: String,
}

impl Municipality {
    /// From its five parts.
    #[must_use]
    pub fn new(
        code: &str,
        prefecture: &str,
        name: &str,
        prefecture_ja: &str,
        name_ja: &str,
    ) -> Self {
        Self {
            code: code.to_owned(),
            prefecture: prefecture.to_owned(),
            name: name.to_owned(),
            prefecture_ja: prefecture_ja.to_owned(),
            name_ja: name_ja.to_owned(),
        }
    }

    /// The name of its revocation list in a URL: `tokyo-to_kiyose-shi`.
    #[must_use]
    pub fn partition(&self) -> String {
        format!("{}_{}", self.prefecture, self.name).to_ascii_lowercase()
    }

    /// Whether an address lies in it: the address begins with the prefecture and the municipality.
    #[must_use]
    pub fn contains(&self, address: &str) -> bool {
        address
            .strip_prefix(self.prefecture_ja.as_str())
            .is_some_and(|rest| rest.starts_with(self.name_ja.as_str()))
    }

    /// Five digits of code, and romanised names that can stand in a URL.
    pub(crate) fn is_well_formed(&self) -> bool {
        let roman = |text: &str| {
            !text.is_empty()
                && text.len() <= 60
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
        };
        self.code.len() == 5
            && self.code.bytes().all(|byte| byte.is_ascii_digit())
            && roman(&self.prefecture)
            && roman(&self.name)
    }

    /// The municipalities that a new simulator knows; the first is the one of the real test card.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        [
            ("13221", "Tokyo-to", "Kiyose-shi", "東京都", "清瀬市"),
            ("13104", "Tokyo-to", "Shinjuku-ku", "東京都", "新宿区"),
            ("13112", "Tokyo-to", "Setagaya-ku", "東京都", "世田谷区"),
            ("01202", "Hokkaido", "Hakodate-shi", "北海道", "函館市"),
            ("04202", "Miyagi-ken", "Ishinomaki-shi", "宮城県", "石巻市"),
            ("11203", "Saitama-ken", "Kawaguchi-shi", "埼玉県", "川口市"),
            ("12204", "Chiba-ken", "Funabashi-shi", "千葉県", "船橋市"),
            (
                "14205",
                "Kanagawa-ken",
                "Fujisawa-shi",
                "神奈川県",
                "藤沢市",
            ),
            ("17201", "Ishikawa-ken", "Kanazawa-shi", "石川県", "金沢市"),
            ("20201", "Nagano-ken", "Nagano-shi", "長野県", "長野市"),
            ("23211", "Aichi-ken", "Toyota-shi", "愛知県", "豊田市"),
            ("26204", "Kyoto-fu", "Uji-shi", "京都府", "宇治市"),
            (
                "27227",
                "Osaka-fu",
                "Higashiosaka-shi",
                "大阪府",
                "東大阪市",
            ),
            ("28201", "Hyogo-ken", "Himeji-shi", "兵庫県", "姫路市"),
            ("34202", "Hiroshima-ken", "Kure-shi", "広島県", "呉市"),
            ("39201", "Kochi-ken", "Kochi-shi", "高知県", "高知市"),
            ("42202", "Nagasaki-ken", "Sasebo-shi", "長崎県", "佐世保市"),
            ("47201", "Okinawa-ken", "Naha-shi", "沖縄県", "那覇市"),
        ]
        .into_iter()
        .map(|(code, prefecture, name, prefecture_ja, name_ja)| {
            Self::new(code, prefecture, name, prefecture_ja, name_ja)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_defaults_are_well_formed_and_have_distinct_partitions() {
        let all = Municipality::defaults();
        assert!(all.iter().all(Municipality::is_well_formed));
        assert_eq!(
            all.iter()
                .map(Municipality::partition)
                .collect::<BTreeSet<_>>()
                .len(),
            all.len()
        );
        assert_eq!(all[0].partition(), "tokyo-to_kiyose-shi");
        assert!(all[0].contains("東京都清瀬市観布子南１２－７－２０２"));
        assert!(!all[1].contains("東京都清瀬市観布子南１２－７－２０２"));
    }
}
