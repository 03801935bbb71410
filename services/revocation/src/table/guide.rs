//! Where in the rows a serial would stand, in one step.
//!
//! J-LIS gives serials out one after the other, so those that a list names are spread evenly over their range: cut into
//! buckets of equal width, each holds a handful, and the bucket of a serial is a shift away. A look-up in memory that is not in the
//! cache costs what its cache misses cost; a binary search over the heads has a dozen, this has two. Where serials lie otherwise
//! (few over a wide range), the buckets would outgrow the rows: then there is no guide, and the binary search stays.

/// Rows of a bucket at least, on average: a bucket costs four octets.
const ROWS: u64 = 6;
/// Widths of a bucket as powers of two. Within a bucket the last sixteen bits of the serials rise, so it is no wider than that.
const WIDTHS: std::ops::RangeInclusive<u32> = 2..=16;
/// Where there are as few rows as this, buckets of one row each do no harm.
const FEW: u64 = 64;

/// The first row of each bucket, and the number of rows at the end; empty where there is no guide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Guide {
    /// The first bucket's number.
    base: u64,
    /// A bucket's number is its serials' shifted by so many bits.
    width: u32,
    places: Vec<u32>,
}

impl Guide {
    /// For these serials, ascending; `last` is the last of them.
    pub(super) fn of(serials: impl Iterator<Item = u64>, rows: usize, last: u64) -> Self {
        let mut serials = serials.peekable();
        let Some(first) = serials.peek().copied() else {
            return Self::default();
        };
        let rows = rows as u64;
        let buckets = |width: u32| (last >> width) - (first >> width) + 1;
        let fits = |width: &u32| buckets(*width) <= rows / ROWS + 1;
        let widest = *WIDTHS.end();
        let width = WIDTHS.clone().find(fits).unwrap_or(widest);
        if buckets(width) > rows + FEW {
            return Self::default();
        }
        let base = first >> width;
        let mut places = Vec::with_capacity(usize::try_from(buckets(width)).unwrap_or(0) + 1);
        let mut place = 0_u32;
        for serial in serials {
            while base + places.len() as u64 <= serial >> width {
                places.push(place);
            }
            place += 1;
        }
        places.push(place);
        Self {
            base,
            width,
            places,
        }
    }

    /// The rows among which a serial would stand; `None`: there is no guide.
    pub(super) fn rows(&self, serial: u64) -> Option<(usize, usize)> {
        if self.places.is_empty() {
            return None;
        }
        let bucket = (serial >> self.width).wrapping_sub(self.base);
        let pair = usize::try_from(bucket)
            .ok()
            .and_then(|bucket| self.places.get(bucket..bucket.checked_add(2)?));
        // Below the first bucket or beyond the last there is no row.
        Some(pair.map_or((0, 0), |pair| (pair[0] as usize, pair[1] as usize)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn guide(serials: &[u64]) -> Guide {
        let last = serials.last().copied().unwrap_or(0);
        Guide::of(serials.iter().copied(), serials.len(), last)
    }

    #[test]
    fn evenly_spread_serials_have_small_buckets_and_a_few_over_everything_have_none() {
        let even: Vec<u64> = (0..20_000).map(|one| 100_000_000 + one * 16).collect();
        let of_even = guide(&even);
        for serial in &even {
            let (from, to) = of_even.rows(*serial).unwrap();
            assert!(to - from <= 16, "{from}..{to}");
        }
        let sparse: Vec<u64> = (1..100).map(|one| one << 50).collect();
        assert_eq!(guide(&sparse).rows(5), None);
        assert_eq!(guide(&[]).rows(5), None);
    }

    proptest! {
        #[test]
        fn a_serial_stands_among_the_rows_of_its_bucket(
            runs in prop::collection::vec((any::<u64>(), 1_u64..5_000, 1_u64..200), 1..4),
            near in any::<bool>(),
        ) {
            let mut all = BTreeSet::new();
            for (start, step, count) in runs {
                let start = if near { start % 1_000_000 } else { start };
                all.extend((0..count).map(|one| start.saturating_add(one * step)));
            }
            let serials: Vec<u64> = all.iter().copied().collect();
            let guide = guide(&serials);
            let asked = serials.iter().flat_map(|one| [one.saturating_sub(1), *one, one.saturating_add(1)]);
            for serial in asked.chain([0, u64::MAX]) {
                let Some((from, to)) = guide.rows(serial) else { break };
                prop_assert_eq!(serials[from..to].contains(&serial), all.contains(&serial));
                prop_assert!(serials[from..to].windows(2).all(|two| two[0] >> 16 == two[1] >> 16));
            }
        }
    }
}
