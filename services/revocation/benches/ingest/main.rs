//! What taking a revocation list over costs, at the size of a nation.
//!
//! `cargo bench --workspace --bench ingest -- <part>..`, without a part all of them; `BENCH.md` says what they measure.
//! Lists are written once into the folder that `WARIKAN_BENCH_DIR` names (`target/revocation-bench`), about 6 GB for all parts.
//! `WARIKAN_BENCH_SCALE=100` makes everything a hundredth.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a bench prints, and stops where something fails"
)]

mod common;
mod index;
mod machine;
mod memory;
mod national;
mod odd;
mod restart;
mod rivals;
mod single;
mod write;

use common::{folder, hundredths, row, scale, scaled};

/// The one binary's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|one| !one.starts_with("--"))
        .collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == "child"
    {
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let (micros, octets) = match rest[0] {
            "ours" => single::child(&rest[1..]),
            "odd" => odd::child(&rest[1..]),
            "restart" => restart::child(),
            _ => rivals::child(&rest),
        };
        println!("{micros} {octets}");
        return;
    }
    let wanted =
        |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    machine::tell();
    println!("lists in {}, scale 1/{}\n", folder().display(), scale());
    if wanted("write") {
        single::write();
        national::write();
        odd::write();
    }
    let parts: [(&str, fn()); 7] = [
        ("single", single::measure),
        ("rivals", rivals::measure),
        ("index", index::measure),
        ("national", national::measure),
        ("odd", odd::measure),
        ("take", restart::take),
        ("restart", restart::measure),
    ];
    for (part, measure) in parts {
        if wanted(part) {
            println!("\n## {part}\n");
            measure();
        }
    }
}
