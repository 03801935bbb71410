//! Days and months in Japan (JST, UTC+9, no daylight saving time), as tariffs and invoices count them.

use chrono::{Datelike, FixedOffset, NaiveDate};
use warikan_types::{BillingMonth, Timestamp};

/// The calendar day in Japan on which `at` falls.
pub(crate) fn jst_date(at: Timestamp) -> NaiveDate {
    let jst = FixedOffset::east_opt(9 * 3600).expect("nine hours is an offset");
    at.utc().with_timezone(&jst).date_naive()
}

/// The month's first day.
pub(crate) fn first_day(month: BillingMonth) -> NaiveDate {
    jst_date(month.start())
}

/// The month's last day.
pub(crate) fn last_day(month: BillingMonth) -> NaiveDate {
    let next = first_day(month.next());
    next.pred_opt().unwrap_or(next)
}

/// The month in which `at` falls; `None` outside the years 1970 to 9997, which no operation of a platform lies in.
pub(crate) fn month_of(at: Timestamp) -> Option<BillingMonth> {
    // Judged in UTC: at the ends of chrono's range there is no local time to ask for.
    (1970..9998)
        .contains(&at.utc().year())
        .then(|| BillingMonth::of(at))
}

/// The month as a Japanese invoice writes it: `2026年3月分`.
pub(crate) fn month_ja(month: BillingMonth) -> String {
    let text = month.to_string();
    let (year, number) = text.split_once('-').unwrap_or((&text, ""));
    format!("{year}年{}月分", number.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f076_days_are_japanese_days() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let date = |text: &str| jst_date(at(text)).to_string();
        assert_eq!(date("2028-02-29T14:59:59.999Z"), "2028-02-29");
        assert_eq!(date("2028-02-29T15:00:00Z"), "2028-03-01");
        let february: BillingMonth = "2028-02".parse().unwrap();
        assert_eq!(first_day(february).to_string(), "2028-02-01");
        assert_eq!(month_ja(february), "2028年2月分");
        assert_eq!(month_ja("2028-10".parse().unwrap()), "2028年10月分");
    }

    #[test]
    fn times_no_platform_lives_in_have_no_month() {
        let far = Timestamp::new(chrono::DateTime::<chrono::Utc>::MAX_UTC);
        assert_eq!(month_of(far), None);
        let before = Timestamp::from_unix(-1_000_000_000_000).unwrap();
        assert_eq!(month_of(before), None);
    }
}
