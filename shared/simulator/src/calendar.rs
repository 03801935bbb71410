//! Japanese civil time: days end at 14:59:59Z, and validity is counted in birthdays.

use chrono::{DateTime, Datelike, Duration, FixedOffset, NaiveDate, NaiveTime, TimeZone, Utc};

/// The civil date in Japan (UTC+9, no summer time since 1951).
pub(crate) fn date_in_japan(at: DateTime<Utc>) -> NaiveDate {
    japan(at).date_naive()
}

/// `yyyymmddHHMMSS` in Japan.
pub(crate) fn stamp_in_japan(at: DateTime<Utc>) -> String {
    japan(at).format("%Y%m%d%H%M%S").to_string()
}

fn japan(at: DateTime<Utc>) -> DateTime<FixedOffset> {
    let offset = FixedOffset::east_opt(9 * 3600).expect("nine hours are less than a day");
    at.with_timezone(&offset)
}

/// 23:59:59 of a Japanese day: 14:59:59Z.
pub(crate) fn end_of_day(day: NaiveDate) -> DateTime<Utc> {
    let time = NaiveTime::from_hms_opt(14, 59, 59).expect("a time of day");
    Utc.from_utc_datetime(&day.and_time(time))
}

/// The instant without its fraction: X.509 tells whole seconds.
pub(crate) fn whole_seconds(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)
}

/// The birthday in a year. Who was born on 29 February has it on the 28th in a common year, as cards print it.
fn birthday_in(birth: NaiveDate, year: i32) -> NaiveDate {
    birth
        .with_year(year)
        .or_else(|| NaiveDate::from_ymd_opt(year, 2, 28))
        .unwrap_or(birth)
}

/// The last second of the fifth birthday after the day of issue (施行規則: 発行の日から五回目の誕生日).
pub(crate) fn fifth_birthday_after(issued: DateTime<Utc>, birth: NaiveDate) -> DateTime<Utc> {
    let day = date_in_japan(issued);
    let first = if birthday_in(birth, day.year()) > day {
        day.year()
    } else {
        day.year() + 1
    };
    end_of_day(birthday_in(birth, first + 4))
}

/// The last second of a CA's ten years: the day before the tenth anniversary in Japan.
pub(crate) fn ten_years_from(start: DateTime<Utc>) -> DateTime<Utc> {
    let day = date_in_japan(start);
    end_of_day(birthday_in(day, day.year() + 10) - Duration::days(1))
}

/// Age in completed years on a day in Japan.
pub(crate) fn age(birth: NaiveDate, at: DateTime<Utc>) -> i32 {
    let day = date_in_japan(at);
    let reached = birthday_in(birth, day.year()) <= day;
    day.year() - birth.year() - i32::from(!reached)
}

/// Moves a date back by whole years.
pub(crate) fn years_before(at: DateTime<Utc>, years: i32) -> DateTime<Utc> {
    let day = at.date_naive();
    Utc.from_utc_datetime(&birthday_in(day, day.year() - years).and_time(at.time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }
    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn f037_validity_ends_with_the_fifth_birthday_in_japan() {
        let until = |issued: &str, birth: &str| {
            fifth_birthday_after(at(issued), date(birth))
                .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        };
        // The real test card.
        assert_eq!(
            until("2025-10-27T01:35:57Z", "1980-02-17"),
            "2030-02-17T14:59:59Z"
        );
        // Issued on the birthday in Japan, still the day before in UTC: that birthday does not count.
        assert_eq!(
            until("2026-02-16T15:00:00Z", "1980-02-17"),
            "2031-02-17T14:59:59Z"
        );
        assert_eq!(
            until("2026-02-16T14:59:59Z", "1980-02-17"),
            "2030-02-17T14:59:59Z"
        );
        assert_eq!(
            until("2026-05-01T00:00:00Z", "2000-02-29"),
            "2031-02-28T14:59:59Z"
        );
    }

    #[test]
    fn f037_a_ca_ends_on_the_day_before_its_tenth_anniversary_in_japan() {
        // The real roots.
        for (start, end) in [
            ("2015-10-20T02:40:28Z", "2025-10-19T14:59:59Z"),
            ("2019-09-14T23:41:56Z", "2029-09-14T14:59:59Z"),
            ("2024-08-28T22:23:39Z", "2034-08-28T14:59:59Z"),
        ] {
            assert_eq!(ten_years_from(at(start)), at(end));
        }
    }

    #[test]
    fn age_changes_on_the_birthday_in_japan() {
        assert_eq!(age(date("2010-04-01"), at("2025-03-31T14:59:59Z")), 14);
        assert_eq!(age(date("2010-04-01"), at("2025-03-31T15:00:00Z")), 15);
    }
}
