//! Lines of the table: printed by the bench that measured them, and kept as JSON for the table.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What was aimed at.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    AtLeast(f64),
    AtMost(f64),
    /// Only told.
    None,
}

impl Aim {
    pub(crate) fn is_reached(self, value: f64) -> bool {
        match self {
            Self::AtLeast(aim) => value >= aim,
            Self::AtMost(aim) => value <= aim,
            Self::None => true,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(aim) => format!(">= {aim}"),
            Self::AtMost(aim) => format!("<= {aim}"),
            Self::None => String::new(),
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    /// Our own figure with its unit; empty where `value` is it.
    pub(crate) ours: String,
    /// Theirs.
    pub(crate) peer: String,
    /// The ratio, or the figure that the aim is about.
    pub(crate) value: f64,
    pub(crate) aim: Aim,
    pub(crate) reached: bool,
}

/// What one bench has to say.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) bench: String,
    /// Seconds since 1970.
    pub(crate) measured_at: u64,
    pub(crate) rows: Vec<Row>,
    /// What could not be measured, and why.
    pub(crate) left_out: Vec<String>,
}

impl Report {
    pub(crate) fn new(bench: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            bench: bench.to_owned(),
            measured_at: now.unwrap_or_default().as_secs(),
            rows: Vec::new(),
            left_out: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, what: &str, value: f64, aim: Aim, ours: String, peer: String) {
        let what = what.to_owned();
        let reached = aim.is_reached(value);
        self.rows.push(Row {
            what,
            ours,
            peer,
            value,
            aim,
            reached,
        });
    }

    pub(crate) fn leave_out(&mut self, reason: impl Into<String>) {
        self.left_out.push(reason.into());
    }

    /// Prints it, and keeps it for the table.
    pub(crate) fn finish(self) {
        println!("{}", heading());
        self.rows.iter().for_each(|row| println!("{}", row.line()));
        for reason in &self.left_out {
            println!("left out: {reason}");
        }
        let directory = super::results().join("rows");
        let path = directory.join(format!("{}.json", self.bench));
        let text = serde_json::to_string_pretty(&self).expect("rows are plain data");
        std::fs::create_dir_all(&directory)
            .and_then(|()| std::fs::write(&path, text))
            .unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
    }
}

pub(crate) fn heading() -> String {
    format!(
        "{:<54} {:>18} {:>18} {:>8}  {:<8}",
        "what", "ours", "peer's", "ratio", "aim"
    )
}

impl Row {
    pub(crate) fn line(&self) -> String {
        let mark = if self.reached { "" } else { "  NOT REACHED" };
        format!(
            "{:<54} {:>18} {:>18} {:>8}  {:<8}{mark}",
            self.what,
            self.ours,
            self.peer,
            self.value_text(),
            self.aim.text(),
        )
    }

    pub(crate) fn value_text(&self) -> String {
        match self.value {
            value if value >= 100.0 => format!("{value:.0}"),
            value if value >= 10.0 => format!("{value:.1}"),
            value if value < 0.01 => format!("{value:.4}"),
            value => format!("{value:.2}"),
        }
    }
}
