//! Where the lists lie, how large everything is, and how a table is printed.

use std::path::PathBuf;

/// Where the lists lie.
pub fn folder() -> PathBuf {
    let place = std::env::var_os("WARIKAN_BENCH_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("revocation-bench"),
        PathBuf::from,
    );
    let place = place.join(format!("scale-{}", scale()));
    std::fs::create_dir_all(&place).unwrap();
    place
}

/// Of everything one in so many.
pub fn scale() -> u64 {
    let text = std::env::var("WARIKAN_BENCH_SCALE").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// So many at full scale.
pub fn scaled(count: u64) -> u64 {
    count / scale()
}

/// `123` as `1.23`.
pub fn hundredths(number: u64) -> String {
    format!("{}.{:02}", number / 100, number % 100)
}

/// A line of a table.
pub fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}
