//! Fonts: the one that is built in, and those that an operator adds for rare characters.

use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::{
    FontRef, MetadataProvider,
    instance::{LocationRef, Size},
};

/// A subset of Noto Sans CJK JP Regular (SIL Open Font License 1.1); see `font/README.md`.
static BUILT_IN: &[u8] = include_bytes!("../font/NotoSansJP-Invoice.otf");
/// The printers' mark for a missing sort.
const GETA: char = '〓';

/// The octets are no font that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an OpenType or TrueType font")]
pub struct FontError;

/// Fonts in the order in which they are asked for a character.
#[derive(Clone)]
pub struct Fonts(Vec<Face>);

#[derive(Clone)]
struct Face {
    font: Font,
    data: std::sync::Arc<Vec<u8>>,
    units: f32,
}

/// Text in one font.
pub(crate) struct Run {
    pub(crate) font: Font,
    pub(crate) text: String,
    pub(crate) glyphs: Vec<KrillaGlyph>,
    /// In heights of the letters.
    pub(crate) advance: f32,
}

impl Face {
    fn new(data: Vec<u8>) -> Result<Self, FontError> {
        let data = std::sync::Arc::new(data);
        let font = Font::new(std::sync::Arc::clone(&data).into(), 0).ok_or(FontError)?;
        FontRef::from_index(&data, 0).map_err(|_| FontError)?;
        let units = font.units_per_em();
        Ok(Self { font, data, units })
    }

    /// The character's glyph and its advance in heights of the letters.
    fn glyph(&self, character: char) -> Option<(GlyphId, f32)> {
        let font = FontRef::from_index(&self.data, 0).ok()?;
        let glyph = font.charmap().map(character)?;
        let metrics = font.glyph_metrics(Size::unscaled(), LocationRef::default());
        let advance = metrics.advance_width(glyph)? / self.units;
        Some((GlyphId::new(glyph.to_u32()), advance))
    }
}

impl Fonts {
    /// The font that is built in.
    ///
    /// # Panics
    /// Never: a test opens it.
    #[must_use]
    pub fn built_in() -> Self {
        let face = Face::new(BUILT_IN.to_vec()).expect("the built-in font is one");
        Self(vec![face])
    }

    /// Adds a font for what those before do not have.
    ///
    /// # Errors
    /// [`FontError`].
    pub fn add(&mut self, data: Vec<u8>) -> Result<(), FontError> {
        self.0.push(Face::new(data)?);
        Ok(())
    }

    fn find(&self, character: char) -> Option<(usize, GlyphId, f32)> {
        (0..)
            .zip(&self.0)
            .find_map(|(place, face)| Some((place, face.glyph(character)?)))
            .map(|(place, (glyph, advance))| (place, glyph, advance))
    }

    /// The characters of a text that no font has; each is set as 〓.
    #[must_use]
    pub fn missing(&self, text: &str) -> Vec<char> {
        text.chars()
            .filter(|character| self.find(*character).is_none())
            .collect()
    }

    /// How wide a text is, in hundredths of a millimetre, at a size in tenths of a point.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "rounded to a hundredth of a millimetre on purpose"
    )]
    pub fn width(&self, text: &str, size: i32) -> i32 {
        let heights: f32 = self.runs(text).iter().map(|run| run.advance).sum();
        (heights * super::tenths(size) * 2540.0 / 72.0).round() as i32
    }

    /// A text cut into runs of one font each.
    pub(crate) fn runs(&self, text: &str) -> Vec<Run> {
        let mut runs: Vec<(usize, Run)> = Vec::new();
        for character in text.chars() {
            let Some((place, glyph, advance)) = self.find(character).or_else(|| self.find(GETA))
            else {
                continue;
            };
            if runs.last().is_none_or(|(last, _)| *last != place) {
                runs.push((
                    place,
                    Run {
                        font: self.0[place].font.clone(),
                        text: String::new(),
                        glyphs: Vec::new(),
                        advance: 0.0,
                    },
                ));
            }
            if let Some((_, run)) = runs.last_mut() {
                let from = run.text.len();
                run.text.push(character);
                let range = from..run.text.len();
                run.glyphs
                    .push(KrillaGlyph::new(glyph, advance, 0.0, 0.0, 0.0, range, None));
                run.advance += advance;
            }
        }
        runs.into_iter().map(|(_, run)| run).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_font_has_what_invoices_need() {
        let fonts = Fonts::built_in();
        let text = "適格請求書 青空証券株式会社 御中 登録番号 T7000012050002 ¥1,234 髙﨑 𠮷野家 ㈱ 〓（）・";
        assert_eq!(fonts.missing(text), Vec::<char>::new());
        assert_eq!(
            fonts.missing("叱𠮟鷗𪚲"),
            vec!['𠮟', '鷗', '𪚲'],
            "beyond the subset"
        );
    }

    #[test]
    fn a_missing_character_is_as_wide_as_the_geta() {
        let fonts = Fonts::built_in();
        assert_eq!(fonts.width("𪚲", 100), fonts.width("〓", 100));
        // 10 points are 3.53 mm; a full-width character is as wide as it is high.
        assert_eq!(fonts.width("請求", 100), 706);
    }

    #[test]
    fn what_is_no_font_is_refused() {
        assert_eq!(Fonts::built_in().add(vec![0; 100]), Err(FontError));
    }
}
