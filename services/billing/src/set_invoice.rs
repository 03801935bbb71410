//! Setting an invoice on paper: a qualified invoice (適格請求書) or return invoice (適格返還請求書) as A4 pages.
//!
//! Everything on it is what [`InvoiceView`] says; nothing is computed here but places. Lengths are hundredths of a millimetre,
//! sizes of letters tenths of a point: integers, like the money.

mod table;
mod words;

use warikan_paper::{About, Fonts, Page, PaperError, WIDTH, pdf};

use crate::{
    calendar::{first_day, last_day},
    invoice::{Document, InvoiceView},
    words::grouped,
};
use table::Table;
use words::{day_ja, line_breaks, rounding_ja};

const LEFT: i32 = 1_800;
const RIGHT: i32 = WIDTH - 1_800;
/// Where the block of issuer, number and dates begins.
const ASIDE: i32 = 12_300;
const BLACK: u8 = 0;
const GREY: u8 = 110;
const PALE: u8 = 236;

/// A page being filled from top to bottom.
struct Sheet<'a> {
    fonts: &'a Fonts,
    pages: Vec<Page>,
    y: i32,
}

impl Sheet<'_> {
    fn page(&mut self) -> &mut Page {
        if self.pages.is_empty() {
            self.pages.push(Page::default());
        }
        let last = self.pages.len() - 1;
        &mut self.pages[last]
    }

    fn text(&mut self, x: i32, y: i32, size: i32, text: &str, grey: u8) {
        self.page().text((x, y), size, text, grey);
    }

    /// Text that ends at `x`.
    fn text_to(&mut self, x: i32, y: i32, size: i32, text: &str, grey: u8) {
        let width = self.fonts.width(text, size);
        self.text(x - width, y, size, text, grey);
    }

    fn rule(&mut self, y: i32, width: i32, grey: u8) {
        self.page().rule((LEFT, y), (RIGHT, y), width, grey);
    }
}

/// The invoice as PDF.
///
/// # Errors
/// [`PaperError`].
pub(crate) fn set(invoice: &InvoiceView, fonts: &Fonts) -> Result<Vec<u8>, PaperError> {
    let mut sheet = Sheet {
        fonts,
        pages: Vec::new(),
        y: 0,
    };
    head(&mut sheet, invoice);
    Table::set(&mut sheet, invoice);
    totals(&mut sheet, invoice);
    notes(&mut sheet, invoice);
    number_pages(&mut sheet, invoice);
    let issued = invoice.summary.issued_on;
    let (year, month, day) = {
        use chrono::Datelike;
        (issued.year(), issued.month(), issued.day())
    };
    let small = |number: u32| u8::try_from(number).unwrap_or(1);
    let about = About {
        title: format!("{} {}", title(invoice), invoice.summary.number),
        author: invoice.issuer.name.clone(),
        day: (
            u16::try_from(year).unwrap_or(1970),
            small(month),
            small(day),
        ),
    };
    pdf(&about, &sheet.pages, fonts)
}

fn title(invoice: &InvoiceView) -> &'static str {
    match invoice.summary.document {
        Document::Invoice => "適格請求書",
        Document::CreditNote => "適格返還請求書",
    }
}

/// Title, recipient, issuer, number and dates, and what is to be paid.
fn head(sheet: &mut Sheet<'_>, invoice: &InvoiceView) {
    let title = title(invoice);
    let width = sheet.fonts.width(title, 200);
    sheet.text((WIDTH - width) / 2, 2_700, 200, title, BLACK);

    let mut y = 4_300;
    let recipient = format!("{}　御中", invoice.recipient.name);
    for line in line_breaks(sheet.fonts, &recipient, 130, ASIDE - LEFT - 600) {
        sheet.text(LEFT, y, 130, &line, BLACK);
        y += 700;
    }
    sheet
        .page()
        .rule((LEFT, y - 480), (ASIDE - 600, y - 480), 15, BLACK);

    let summary = &invoice.summary;
    let (first, last) = (first_day(summary.period), last_day(summary.period));
    let mut facts = vec![
        ("書類番号", summary.number.clone()),
        ("発行日", day_ja(summary.issued_on)),
        ("取引期間", format!("{}から", day_ja(first))),
        ("", format!("{}まで", day_ja(last))),
    ];
    if let Some(reference) = &summary.refers_to {
        let (number, issued) = (&reference.number, day_ja(reference.issued_on));
        facts.push(("対象の請求書", number.clone()));
        facts.push(("", format!("（{issued}発行）")));
    }
    facts.push(("発行者", String::new()));
    let mut aside = 4_100;
    for (what, told) in facts {
        sheet.text(ASIDE, aside, 80, what, GREY);
        sheet.text(ASIDE + 2_300, aside, 85, &told, BLACK);
        aside += 500;
    }
    aside -= 500;
    for line in line_breaks(sheet.fonts, &invoice.issuer.name, 85, RIGHT - ASIDE - 2_300) {
        sheet.text(ASIDE + 2_300, aside, 85, &line, BLACK);
        aside += 500;
    }
    sheet.text(ASIDE, aside, 80, "登録番号", GREY);
    let number = &invoice.issuer.registration_number;
    sheet.text(ASIDE + 2_300, aside, 85, number, BLACK);

    let y = (y + 600).max(5_900);
    let what = match summary.document {
        Document::Invoice => "ご請求金額（消費税込）",
        Document::CreditNote => "返還金額（消費税込）",
    };
    let extent = (ASIDE - 600 - LEFT, 1_300);
    sheet.page().block((LEFT, y), extent, PALE);
    sheet.text(LEFT + 300, y + 830, 90, what, BLACK);
    let total = format!("¥{}", grouped(summary.total.0));
    sheet.text_to(ASIDE - 900, y + 870, 160, &total, BLACK);
    sheet.y = (y + 1_900).max(aside + 700);
    if let Some(reference) = &summary.refers_to {
        let reason = format!("理由　{}", reference.reason);
        for line in line_breaks(sheet.fonts, &reason, 85, RIGHT - LEFT) {
            let y = sheet.y;
            sheet.text(LEFT, y, 85, &line, BLACK);
            sheet.y += 450;
        }
        sheet.y += 250;
    }
}

/// Totals per tax rate, and all together.
fn totals(sheet: &mut Sheet<'_>, invoice: &InvoiceView) {
    let rows = i32::try_from(invoice.tax_totals.len()).unwrap_or(0);
    Table::make_room(sheet, 600 * (rows + 3));
    let from = 9_000;
    sheet.y += 400;
    let row = |sheet: &mut Sheet<'_>, what: &str, amount: String, size: i32| {
        let y = sheet.y;
        sheet.text(from, y, size, what, BLACK);
        sheet.text_to(RIGHT, y, size, &amount, BLACK);
        sheet.page().rule((from, y + 180), (RIGHT, y + 180), 8, 190);
        sheet.y += 600;
    };
    let yen = |amount: i64| format!("¥{}", grouped(amount));
    row(sheet, "小計（税抜）", yen(invoice.summary.subtotal.0), 90);
    for total in &invoice.tax_totals {
        let rate = total.tax_rate_percent;
        let what = if rate == 0 {
            "対象外（不課税）".to_owned()
        } else {
            format!("{rate}%対象　{}　消費税", yen(total.taxable.0))
        };
        let amount = if rate == 0 {
            total.taxable.0
        } else {
            total.tax.0
        };
        row(sheet, &what, yen(amount), 90);
    }
    row(sheet, "合計（税込）", yen(invoice.summary.total.0), 110);
}

/// How it was reckoned.
fn notes(sheet: &mut Sheet<'_>, invoice: &InvoiceView) {
    let mut notes = vec![format!(
        "消費税の端数処理は、税率ごとに一回、{}です（消費税法施行令70条の10）。",
        rounding_ja(invoice.tax_rounding)
    )];
    if let Some(share) = invoice.lines.iter().find_map(|line| line.share) {
        notes.push(format!(
            "割り勘の鍵（{}から）: 均等割 {}、利用割 {}。各社の負担額は最大剰余法で一円まで配分し、その合計は総額に一致します。",
            day_ja(share.key.valid_from),
            share.key.equal,
            share.key.usage
        ));
    }
    if invoice.lines.iter().any(|line| line.list_price.is_some()) {
        notes.push(
            "失効情報提供手数料（J-LIS）は、機構に支払う額をそのまま転記しています（手数料の上乗せはありません）。"
                .to_owned(),
        );
    }
    let printed: String = [&invoice.recipient.name, &invoice.issuer.name]
        .into_iter()
        .chain(invoice.lines.iter().map(|line| &line.description_ja))
        .map(String::as_str)
        .collect();
    let missing = sheet.fonts.missing(&printed).len();
    if missing > 0 {
        notes.push(format!(
            "〓は、この書体にない文字です（{missing}字）。正しい文字は電子データ（JSON）にあります。"
        ));
    }
    let mut lines = Vec::new();
    for note in &notes {
        let mut broken = line_breaks(sheet.fonts, note, 75, RIGHT - LEFT - 400).into_iter();
        lines.extend(broken.next().map(|line| (LEFT, format!("・{line}"))));
        lines.extend(broken.map(|line| (LEFT + 265, line)));
    }
    let height = i32::try_from(lines.len()).unwrap_or(0) * 420 + 500;
    Table::make_room(sheet, height);
    sheet.y += 500;
    for (x, line) in lines {
        let y = sheet.y;
        sheet.text(x, y, 75, &line, GREY);
        sheet.y += 420;
    }
}

fn number_pages(sheet: &mut Sheet<'_>, invoice: &InvoiceView) {
    let count = sheet.pages.len();
    let number = &invoice.summary.number;
    for (place, page) in (1..).zip(&mut sheet.pages) {
        let text = format!("{number}　{place} / {count}");
        let width = sheet.fonts.width(&text, 75);
        page.text(((WIDTH - width) / 2, 28_700), 75, text, GREY);
    }
}
