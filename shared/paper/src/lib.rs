//! Documents on paper: A4 pages with Japanese text, as PDF with an embedded subset of a font.
//!
//! Lengths are whole **hundredths of a millimetre** from the page's upper left corner, sizes of letters are **tenths of a point**:
//! who uses this crate (billing) computes with integers alone. PDF's own coordinates are fractions of a point; they occur
//! here and nowhere else.
//!
//! A character that no font has is set as 〓 (geta), the printers' mark for a missing sort: a document is never refused for a
//! rare character in a name. [`Fonts::missing`] says which they are, so that the page can say so too.

#![allow(
    clippy::float_arithmetic,
    reason = "the coordinates of PDF are fractions of a point; nobody's money is among them"
)]

mod fonts;

use krilla::{
    Document,
    color::rgb,
    geom::{Path, PathBuilder, Point, Rect},
    metadata::{DateTime, Metadata},
    num::NormalizedF32,
    page::PageSettings,
    paint::{Fill, FillRule, Stroke},
    surface::Surface,
};

pub use fonts::{FontError, Fonts};

/// Width of A4 in hundredths of a millimetre.
pub const WIDTH: i32 = 21_000;
/// Height of A4 in hundredths of a millimetre.
pub const HEIGHT: i32 = 29_700;

/// The document cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the document cannot be set: {0}")]
pub struct PaperError(String);

/// Something on a page.
#[derive(Debug, Clone)]
enum Mark {
    Text {
        at: (i32, i32),
        size: i32,
        text: String,
        grey: u8,
    },
    Rule {
        from: (i32, i32),
        to: (i32, i32),
        width: i32,
        grey: u8,
    },
    Block {
        at: (i32, i32),
        extent: (i32, i32),
        grey: u8,
    },
}

/// A page in the making.
#[derive(Debug, Clone, Default)]
pub struct Page(Vec<Mark>);

impl Page {
    /// Text whose baseline begins at a point. `grey` is 0 for black to 255 for white.
    pub fn text(&mut self, at: (i32, i32), size: i32, text: impl Into<String>, grey: u8) {
        let text = text.into();
        self.0.push(Mark::Text {
            at,
            size,
            text,
            grey,
        });
    }

    /// A line between two points.
    pub fn rule(&mut self, from: (i32, i32), to: (i32, i32), width: i32, grey: u8) {
        self.0.push(Mark::Rule {
            from,
            to,
            width,
            grey,
        });
    }

    /// A filled rectangle.
    pub fn block(&mut self, at: (i32, i32), extent: (i32, i32), grey: u8) {
        self.0.push(Mark::Block { at, extent, grey });
    }
}

/// What a document says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// Its title.
    pub title: String,
    /// Who issued it.
    pub author: String,
    /// Its day: year, month, day.
    pub day: (u16, u8, u8),
}

/// Hundredths of a millimetre as points.
#[allow(
    clippy::cast_precision_loss,
    reason = "a page has fewer hundredths of a millimetre than f32 has integers"
)]
fn points(hundredths: i32) -> f32 {
    hundredths as f32 * 72.0 / 2540.0
}

/// Sets pages as PDF. The same pages give the same octets.
///
/// # Errors
/// [`PaperError`]: more pages or marks than the format holds.
pub fn pdf(about: &About, pages: &[Page], fonts: &Fonts) -> Result<Vec<u8>, PaperError> {
    let mut document = Document::new();
    let (year, month, day) = about.day;
    document.set_metadata(
        Metadata::new()
            .title(about.title.clone())
            .authors(vec![about.author.clone()])
            .language("ja".to_owned())
            .creator("Warikan".to_owned())
            .creation_date(DateTime::new(year).month(month).day(day)),
    );
    for page in pages {
        let size = PageSettings::from_wh(points(WIDTH), points(HEIGHT))
            .ok_or_else(|| PaperError("A4 has a size".to_owned()))?;
        let mut sheet = document.start_page_with(size);
        let mut surface = sheet.surface();
        for mark in &page.0 {
            draw(&mut surface, mark, fonts);
        }
        surface.finish();
        sheet.finish();
    }
    document
        .finish()
        .map_err(|error| PaperError(format!("{error:?}")))
}

fn fill(grey: u8) -> Fill {
    Fill {
        paint: rgb::Color::new(grey, grey, grey).into(),
        opacity: NormalizedF32::ONE,
        rule: FillRule::default(),
    }
}

fn draw(surface: &mut Surface<'_>, mark: &Mark, fonts: &Fonts) {
    match mark {
        Mark::Text {
            at,
            size,
            text,
            grey,
        } => {
            surface.set_stroke(None);
            surface.set_fill(Some(fill(*grey)));
            let mut x = points(at.0);
            for run in fonts.runs(text) {
                let start = Point::from_xy(x, points(at.1));
                let size = tenths(*size);
                surface.draw_glyphs(start, &run.glyphs, run.font, &run.text, size, false);
                x += run.advance * size;
            }
        }
        Mark::Rule {
            from,
            to,
            width,
            grey,
        } => {
            surface.set_fill(None);
            surface.set_stroke(Some(Stroke {
                paint: rgb::Color::new(*grey, *grey, *grey).into(),
                width: points(*width),
                ..Stroke::default()
            }));
            let mut path = PathBuilder::new();
            path.move_to(points(from.0), points(from.1));
            path.line_to(points(to.0), points(to.1));
            paint(surface, path.finish());
        }
        Mark::Block { at, extent, grey } => {
            surface.set_stroke(None);
            surface.set_fill(Some(fill(*grey)));
            let mut path = PathBuilder::new();
            let (width, height) = (points(extent.0), points(extent.1));
            if let Some(rectangle) = Rect::from_xywh(points(at.0), points(at.1), width, height) {
                path.push_rect(rectangle);
            }
            paint(surface, path.finish());
        }
    }
}

fn paint(surface: &mut Surface<'_>, path: Option<Path>) {
    if let Some(path) = path {
        surface.draw_path(&path);
    }
}

/// Tenths of a point as points.
#[allow(
    clippy::cast_precision_loss,
    reason = "letters are not millions of points high"
)]
fn tenths(size: i32) -> f32 {
    size as f32 / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About {
            title: "請求書".to_owned(),
            author: "割り勘".to_owned(),
            day: (2026, 12, 1),
        }
    }

    #[test]
    fn the_same_pages_give_the_same_octets() {
        let fonts = Fonts::built_in();
        let mut page = Page::default();
        page.text((2_000, 3_000), 120, "適格請求書 ¥1,234", 0);
        page.rule((2_000, 3_200), (19_000, 3_200), 20, 128);
        page.block((2_000, 4_000), (1_000, 500), 230);
        let one = pdf(&about(), std::slice::from_ref(&page), &fonts).unwrap();
        assert!(one.starts_with(b"%PDF-"));
        assert_eq!(one, pdf(&about(), &[page], &fonts).unwrap());
        assert!(
            one.len() < 100_000,
            "a subset is embedded, not the whole font: {}",
            one.len()
        );
    }
}
