//! What a run found: figures, and budgets that were kept or not. Written to a file, so that a table and a picture can be made of many runs.

use std::{fs::OpenOptions, io::Write, path::PathBuf};

use serde::{Deserialize, Serialize};

/// One number of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What was measured over: `sqlite`, `postgres`, `split`.
    pub(crate) shape: String,
    pub(crate) scenario: String,
    pub(crate) name: String,
    pub(crate) value: u64,
    /// What it should be, where there is such a thing.
    pub(crate) budget: Option<Bound>,
}

/// A goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost(u64),
    AtLeast(u64),
}

impl Bound {
    pub(crate) const fn holds(self, value: u64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

/// A number with its goal.
pub(crate) struct Budget {
    scenario: &'static str,
    name: &'static str,
    value: u64,
    bound: Bound,
}

fn whole(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

impl Budget {
    pub(crate) fn at_most(
        scenario: &'static str,
        name: &'static str,
        value: u128,
        bound: u64,
    ) -> Self {
        let (value, bound) = (whole(value), Bound::AtMost(bound));
        Self {
            scenario,
            name,
            value,
            bound,
        }
    }

    pub(crate) fn at_least(
        scenario: &'static str,
        name: &'static str,
        value: u128,
        bound: u64,
    ) -> Self {
        let (value, bound) = (whole(value), Bound::AtLeast(bound));
        Self {
            scenario,
            name,
            value,
            bound,
        }
    }
}

/// The figures of a run.
pub(crate) struct Report {
    shape: String,
    /// Where they are appended to, a JSON object a line.
    file: Option<PathBuf>,
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn new(shape: String, file: Option<PathBuf>) -> Self {
        Self {
            shape,
            file,
            figures: Vec::new(),
        }
    }

    pub(crate) fn figure(&mut self, scenario: &str, name: &str, value: u128) {
        self.put(scenario, name, whole(value), None);
    }

    pub(crate) fn budget(&mut self, budget: Budget) {
        self.put(
            budget.scenario,
            budget.name,
            budget.value,
            Some(budget.bound),
        );
    }

    fn put(&mut self, scenario: &str, name: &str, value: u64, budget: Option<Bound>) {
        self.figures.push(Figure {
            shape: self.shape.clone(),
            scenario: scenario.to_owned(),
            name: name.to_owned(),
            value,
            budget,
        });
    }

    /// Tells the budgets, and writes everything down.
    pub(crate) fn end(&self, out: &mut impl Write) -> anyhow::Result<()> {
        for figure in &self.figures {
            let Some(bound) = figure.budget else { continue };
            let (sign, limit) = match bound {
                Bound::AtMost(limit) => ("at most", limit),
                Bound::AtLeast(limit) => ("at least", limit),
            };
            let kept = if bound.holds(figure.value) {
                "kept"
            } else {
                "NOT KEPT"
            };
            writeln!(
                out,
                "budget {kept}: {}, {}: {} ({sign} {limit})",
                figure.scenario, figure.name, figure.value
            )?;
        }
        let Some(file) = &self.file else {
            return Ok(());
        };
        let mut file = OpenOptions::new().create(true).append(true).open(file)?;
        for figure in &self.figures {
            writeln!(file, "{}", serde_json::to_string(figure)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_holds_up_to_its_bound() {
        assert!(Bound::AtMost(300).holds(300) && !Bound::AtMost(300).holds(301));
        assert!(Bound::AtLeast(40).holds(40) && !Bound::AtLeast(40).holds(39));
    }

    #[test]
    fn what_was_broken_is_told_and_everything_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut report = Report::new("sqlite".to_owned(), Some(file.path().to_owned()));
        report.figure("soak", "flows a second", 7);
        report.budget(Budget::at_most("soak", "most memory (MiB)", 301, 300));
        let mut out = Vec::new();
        report.end(&mut out).unwrap();
        let told = String::from_utf8(out).unwrap();
        assert_eq!(
            told,
            "budget NOT KEPT: soak, most memory (MiB): 301 (at most 300)\n"
        );
        let written = std::fs::read_to_string(file.path()).unwrap();
        let read: Vec<Figure> = written
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(read, report.figures);
    }
}
