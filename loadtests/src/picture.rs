//! `picture`: the newest figures of a results file as a table (Markdown) and as bars (SVG): each budget's share of its bound.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::Context;

use crate::report::{Bound, Figure};

const WIDTH: u64 = 920;
const ROW: u64 = 26;
const LABEL: u64 = 430;
/// Where the bound lies, in hundredths of a bar's unit.
const SCALE: u64 = 240;
const TOP: u64 = 44;

/// Reads results, newest last, and writes both.
pub(crate) fn draw(results: &Path, table: &Path, picture: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(results)
        .with_context(|| format!("cannot read {}", results.display()))?;
    let mut newest = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let figure: Figure = serde_json::from_str(line)?;
        let key = (
            figure.scenario.clone(),
            figure.name.clone(),
            figure.shape.clone(),
        );
        newest.insert(key, figure);
    }
    let figures: Vec<Figure> = newest.into_values().collect();
    fs::write(table, as_table(&figures)?)?;
    fs::write(picture, as_picture(&figures)?)?;
    Ok(())
}

fn as_table(figures: &[Figure]) -> anyhow::Result<String> {
    let mut out = String::from(
        "| scenario | figure | shape | value | goal | |\n|---|---|---|---:|---|---|\n",
    );
    for one in figures {
        let (goal, kept) = match one.budget {
            None => (String::new(), ""),
            Some(bound) => {
                let goal = match bound {
                    Bound::AtMost(limit) => format!("at most {limit}"),
                    Bound::AtLeast(limit) => format!("at least {limit}"),
                };
                (
                    goal,
                    if bound.holds(one.value) {
                        "kept"
                    } else {
                        "**not kept**"
                    },
                )
            }
        };
        writeln!(
            out,
            "| {} | {} | {} | {} | {goal} | {kept} |",
            one.scenario, one.name, one.shape, one.value
        )?;
    }
    Ok(out)
}

/// A bar for each budget. The line is the bound; what is on its good side is dark, what is not is light.
fn as_picture(figures: &[Figure]) -> anyhow::Result<String> {
    let bars: Vec<(&Figure, Bound)> = figures
        .iter()
        .filter_map(|figure| Some((figure, figure.budget?)))
        .collect();
    let height = TOP + ROW * bars.len() as u64 + 16;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"14\">Goals: each figure as a share of its bound (the line)</text>\n"
    );
    for (place, (figure, bound)) in bars.iter().enumerate() {
        let (limit, sign) = match bound {
            Bound::AtMost(limit) => (*limit, "≤"),
            Bound::AtLeast(limit) => (*limit, "≥"),
        };
        let y = TOP + ROW * place as u64;
        // Beyond twice the bound a bar is cut: the number says the rest.
        let length = (figure.value.saturating_mul(SCALE) / limit.max(1)).min(2 * SCALE - 60);
        let fill = if bound.holds(figure.value) {
            "#2b6a4d"
        } else {
            "#d9a441"
        };
        writeln!(
            out,
            "<text x=\"12\" y=\"{}\">{} · {} · {}</text>\n\
             <rect x=\"{LABEL}\" y=\"{}\" width=\"{length}\" height=\"14\" fill=\"{fill}\"/>\n\
             <text x=\"{}\" y=\"{}\">{} ({sign} {limit})</text>",
            y + 12,
            escaped(&figure.scenario),
            escaped(&figure.shape),
            escaped(&figure.name),
            y + 1,
            LABEL + length + 6,
            y + 12,
            figure.value,
        )?;
    }
    let line = LABEL + SCALE;
    writeln!(
        out,
        "<line x1=\"{line}\" y1=\"{}\" x2=\"{line}\" y2=\"{}\" stroke=\"#444\" stroke-dasharray=\"3 3\"/>\n</svg>",
        TOP - 8,
        height - 12
    )?;
    Ok(out)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_each_figure_is_told_and_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let line = |value: u64| {
            serde_json::json!({
                "shape": "sqlite", "scenario": "soak", "name": "most memory <MiB>", "value": value, "budget": { "at_most": 300 }
            })
        };
        fs::write(place("results"), format!("{}\n{}\n", line(400), line(290))).unwrap();
        draw(&place("results"), &place("table"), &place("picture")).unwrap();
        let table = fs::read_to_string(place("table")).unwrap();
        assert!(table.contains("| soak | most memory <MiB> | sqlite | 290 | at most 300 | kept |"));
        assert!(!table.contains("400"));
        let picture = fs::read_to_string(place("picture")).unwrap();
        assert!(picture.contains("most memory &lt;MiB&gt;") && picture.contains("290 (≤ 300)"));
    }
}
