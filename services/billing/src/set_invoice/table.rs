//! The lines of an invoice as a table, over as many pages as it takes.

use warikan_paper::Page;

use super::{BLACK, GREY, LEFT, PALE, RIGHT, Sheet, words::line_breaks};
use crate::{
    invoice::{InvoiceView, LineView},
    line::Category,
    words::grouped,
};

/// Where a page ends.
const BOTTOM: i32 = 27_900;
/// Where a further page begins.
const TOP: i32 = 2_200;
const SIZE: i32 = 80;
const LEADING: i32 = 430;
const TEXT: i32 = LEFT + 800;
const QUANTITY: i32 = 14_600;
const PRICE: i32 = 16_300;
const AMOUNT: i32 = 18_300;

pub(super) struct Table;

impl Table {
    /// Begins a page if the present one has not so much room left.
    pub(super) fn make_room(sheet: &mut Sheet<'_>, height: i32) {
        if sheet.y + height > BOTTOM {
            sheet.pages.push(Page::default());
            sheet.y = TOP;
        }
    }

    pub(super) fn set(sheet: &mut Sheet<'_>, invoice: &InvoiceView) {
        columns(sheet);
        let mut section = None;
        for line in &invoice.lines {
            let heading = heading(line.category);
            let mut text = line_breaks(
                sheet.fonts,
                &line.description_ja,
                SIZE,
                QUANTITY - 1_150 - TEXT,
            );
            if let Some(list) = line.list_price.filter(|list| *list != line.unit_price) {
                text.push(format!(
                    "（定価 {}円のところ {}円）",
                    list.0, line.unit_price.0
                ));
            }
            let height = i32::try_from(text.len()).unwrap_or(1) * LEADING + 210;
            let page = sheet.pages.len();
            Self::make_room(sheet, height + 650);
            if sheet.pages.len() != page {
                columns(sheet);
                section = None;
            }
            if section != Some(heading) {
                section = Some(heading);
                let y = sheet.y;
                sheet.text(LEFT + 100, y + 420, SIZE, heading, GREY);
                sheet.y += 600;
            }
            row(sheet, line, &text);
        }
        let y = sheet.y;
        sheet.rule(y, 20, BLACK);
        sheet.y += 500;
    }
}

fn heading(category: Category) -> &'static str {
    match category {
        Category::PlatformBase | Category::PlatformUsage | Category::MinimumCharge => {
            "プラットフォーム利用料"
        }
        Category::JlisFee => "失効情報提供手数料（J-LIS・実費）",
        Category::SharedCost => "共同費用の割り勘",
        Category::Adjustment => "調整（締め後に判明した過去の利用）",
    }
}

fn columns(sheet: &mut Sheet<'_>) {
    let y = sheet.y;
    sheet.page().block((LEFT, y), (RIGHT - LEFT, 650), PALE);
    let y = y + 440;
    sheet.text(LEFT + 100, y, SIZE, "No.", BLACK);
    sheet.text(TEXT, y, SIZE, "内容", BLACK);
    sheet.text_to(QUANTITY, y, SIZE, "数量", BLACK);
    sheet.text_to(PRICE, y, SIZE, "単価（円）", BLACK);
    sheet.text_to(AMOUNT, y, SIZE, "金額（円）", BLACK);
    sheet.text_to(RIGHT - 100, y, SIZE, "税率", BLACK);
    sheet.y += 650;
}

fn row(sheet: &mut Sheet<'_>, line: &LineView, text: &[String]) {
    let top = sheet.y;
    let y = top + 440;
    sheet.text(LEFT + 100, y, SIZE, &line.n.to_string(), BLACK);
    for (place, part) in (0..).zip(text) {
        sheet.text(TEXT, y + place * LEADING, SIZE, part, BLACK);
    }
    sheet.text_to(QUANTITY, y, SIZE, &grouped(line.quantity), BLACK);
    sheet.text_to(PRICE, y, SIZE, &grouped(line.unit_price.0), BLACK);
    sheet.text_to(AMOUNT, y, SIZE, &grouped(line.amount.0), BLACK);
    let rate = match line.tax_rate_percent {
        0 => "対象外".to_owned(),
        percent => format!("{percent}%"),
    };
    sheet.text_to(RIGHT - 100, y, SIZE, &rate, BLACK);
    let height = i32::try_from(text.len()).unwrap_or(1) * LEADING + 210;
    sheet.y = top + height;
    let end = sheet.y;
    sheet.rule(end, 6, 205);
}
