//! Times as certificates write them (RFC 5280 4.1.2.5): UTCTime and GeneralizedTime, in seconds, with `Z`.

use warikan_types::Timestamp;

use crate::der::{DerError, GENERALIZED_TIME, Reader, Tlv, UTC_TIME};

const WRONG: DerError = DerError("a time that is not of the form RFC 5280 allows");

/// The next element as a `Time`.
pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Timestamp, DerError> {
    time(&reader.any()?)
}

/// A `Time`: years 50..99 of a UTCTime are in the twentieth century.
pub(crate) fn time(tlv: &Tlv<'_>) -> Result<Timestamp, DerError> {
    match tlv.tag {
        UTC_TIME => {
            let (year, rest) = digits(tlv.value, 2)?;
            from_parts(if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => generalized(tlv.value),
        _ => Err(WRONG),
    }
}

/// Content of a GeneralizedTime `YYYYMMDDHHMMSSZ`.
pub(crate) fn generalized(content: &[u8]) -> Result<Timestamp, DerError> {
    let (year, rest) = digits(content, 4)?;
    from_parts(year, rest)
}

fn digits(text: &[u8], count: usize) -> Result<(i64, &[u8]), DerError> {
    let (head, rest) = text.split_at_checked(count).ok_or(WRONG)?;
    let mut number = 0;
    for octet in head {
        if !octet.is_ascii_digit() {
            return Err(WRONG);
        }
        number = number * 10 + i64::from(octet - b'0');
    }
    Ok((number, rest))
}

fn from_parts(year: i64, text: &[u8]) -> Result<Timestamp, DerError> {
    let (month, text) = digits(text, 2)?;
    let (day, text) = digits(text, 2)?;
    let (hour, text) = digits(text, 2)?;
    let (minute, text) = digits(text, 2)?;
    let (second, text) = digits(text, 2)?;
    if text != b"Z" || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return Err(WRONG);
    }
    // A leap second has no place in the count that verdicts compare, so `60` is refused.
    if hour > 23 || minute > 59 || second > 59 {
        return Err(WRONG);
    }
    let seconds = days_from_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Timestamp::from_unix(seconds).ok_or(WRONG)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, years counted from March so that the leap day
/// comes last.
const fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(tag: u8, text: &str) -> Option<String> {
        let tlv = Tlv {
            tag,
            value: text.as_bytes(),
            raw: &[],
        };
        time(&tlv).ok().map(|at| at.to_string())
    }

    #[test]
    fn f037_times_are_read_as_rfc_5280_says() {
        for (tag, text, expected) in [
            (UTC_TIME, "491231235959Z", "2049-12-31T23:59:59Z"),
            (UTC_TIME, "500101000000Z", "1950-01-01T00:00:00Z"),
            (UTC_TIME, "300217145959Z", "2030-02-17T14:59:59Z"),
            (GENERALIZED_TIME, "20500101000000Z", "2050-01-01T00:00:00Z"),
            (GENERALIZED_TIME, "99991231235959Z", "9999-12-31T23:59:59Z"),
            (GENERALIZED_TIME, "19470101120100Z", "1947-01-01T12:01:00Z"),
            (UTC_TIME, "240229000000Z", "2024-02-29T00:00:00Z"),
        ] {
            assert_eq!(read_as(tag, text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn f037_other_forms_are_refused() {
        for (tag, text) in [
            (UTC_TIME, "2402290000Z"),
            (UTC_TIME, "230229000000Z"),
            (UTC_TIME, "240229000060Z"),
            (UTC_TIME, "240229240000Z"),
            (UTC_TIME, "240229000000+0900"),
            (UTC_TIME, "240229000000"),
            (UTC_TIME, "241301000000Z"),
            (UTC_TIME, "240100000000Z"),
            (GENERALIZED_TIME, "20240229000000.5Z"),
            (GENERALIZED_TIME, "19000229000000Z"),
            (GENERALIZED_TIME, "2024022900000Z"),
            (0x0c, "240229000000Z"),
        ] {
            assert_eq!(read_as(tag, text), None, "{text}");
        }
    }
}
