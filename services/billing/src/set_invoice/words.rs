//! Figures, days and lines of text as an invoice shows them.

use chrono::{Datelike, NaiveDate};
use warikan_paper::Fonts;

use crate::tax::Rounding;

/// What must not begin a line (JIS X 4051, 行頭禁則): closing brackets, punctuation.
const NOT_FIRST: &str = "）」』、。・ー％%)";

/// `2026年12月1日`.
pub(super) fn day_ja(day: NaiveDate) -> String {
    format!("{}年{}月{}日", day.year(), day.month(), day.day())
}

pub(super) const fn rounding_ja(rounding: Rounding) -> &'static str {
    match rounding {
        Rounding::Floor => "切捨て",
        Rounding::HalfUp => "四捨五入",
        Rounding::Ceiling => "切上げ",
    }
}

/// Text in lines of at most `width`, never empty. Japanese breaks anywhere but before closing marks; words of Latin letters and
/// figures stay whole where they fit on a line.
pub(super) fn line_breaks(fonts: &Fonts, text: &str, size: i32, width: i32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words(text) {
        if !line.is_empty() && fonts.width(&format!("{line}{word}"), size) > width {
            lines.push(std::mem::take(&mut line));
        }
        for character in word.chars() {
            if !line.is_empty() && fonts.width(&format!("{line}{character}"), size) > width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(character);
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// What stays together.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut joined = false;
    for character in text.chars() {
        let latin = character.is_ascii_graphic();
        match words.last_mut() {
            Some(word) if (latin && joined) || NOT_FIRST.contains(character) => {
                word.push(character)
            }
            _ => words.push(character.to_string()),
        }
        joined = latin;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_no_line_begins_with_a_closing_mark() {
        let fonts = Fonts::built_in();
        let text =
            "署名検証 利用料（署名用電子証明書・失効情報ファイル）2026年11月分の調整（ABCDEFGHIJ）";
        for width in [1_000, 2_000, 3_333, 5_000] {
            let lines = line_breaks(&fonts, text, 80, width);
            assert_eq!(lines.concat(), text, "nothing is lost");
            for line in &lines {
                assert!(fonts.width(line, 80) <= width, "{line}");
            }
            if width > 3_000 {
                let marked = |line: &&String| line.starts_with(['）', '・']);
                assert_eq!(lines.iter().filter(marked).count(), 0, "{lines:?}");
                assert!(
                    lines.iter().any(|line| line.contains("ABCDEFGHIJ")),
                    "{lines:?}"
                );
            }
        }
        assert_eq!(line_breaks(&fonts, "", 80, 1_000), [""]);
    }
}
