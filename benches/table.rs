//! One table of what the other benches have measured, as text, as JSON and as a plot.
//!
//! `cargo bench` runs the benches in the order of their names; this one's, `whole-table`, is last.

mod measure;

use std::fmt::Write;
use std::path::Path;

use measure::report::{Aim, Report, Row, heading};

fn main() {
    if !measure::is_asked_for() {
        return;
    }
    let mut reports = reports();
    reports.sort_by_key(|report| ORDER.iter().position(|name| *name == report.bench));
    print(&reports);
    let directory = measure::results();
    let json = serde_json::to_string_pretty(&reports).expect("rows are plain data");
    keep(&directory.join("table.json"), &json);
    keep(&directory.join("table.svg"), &plot(&reports));
}

const ORDER: [&str; 9] = [
    "load",
    "framing",
    "unframing",
    "instructions",
    "cold",
    "kafka",
    "dump",
    "sequential",
    "verify",
];

/// What was measured so long before the newest is of another run.
const OLD_SECONDS: u64 = 2 * 3600;

fn reports() -> Vec<Report> {
    let directory = measure::results().join("rows");
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    // What another version of the benches has left is not read.
    texts
        .filter_map(|text| serde_json::from_str(&text).ok())
        .collect()
}

#[expect(clippy::print_stdout, reason = "the table is what this is for")]
fn print(reports: &[Report]) {
    println!("\n{}", heading());
    let newest = reports.iter().map(|report| report.measured_at).max();
    for report in reports {
        let is_old = newest.is_some_and(|newest| newest - report.measured_at > OLD_SECONDS);
        for row in &report.rows {
            println!(
                "{}{}",
                row.line(),
                if is_old { "  (an earlier run)" } else { "" }
            );
        }
    }
    for reason in reports.iter().flat_map(|report| &report.left_out) {
        println!("left out: {reason}");
    }
    for bench in ORDER {
        if !reports.iter().any(|report| report.bench == bench) {
            println!("left out: cargo bench --bench {bench} has not run");
        }
    }
}

fn keep(path: &Path, text: &str) {
    std::fs::write(path, text)
        .unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
}

/// Pixels.
const LINE: usize = 26;
const NAMES: usize = 470;
const WIDTH: usize = 1000;
/// How many times better or worse than aimed at still fits.
const SPAN: f64 = 16.0;

/// A bar for each line with an aim: how many times better (to the right of the middle) or worse
/// than that the value is, on a logarithmic scale.
fn plot(reports: &[Report]) -> String {
    let rows: Vec<(&Row, f64)> = reports
        .iter()
        .flat_map(|report| &report.rows)
        .filter_map(|row| Some((row, margin(row)?)))
        .collect();
    let height = (rows.len() + 2) * LINE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (tick, label) in [
        (0.25, "1/4"),
        (1.0, "as aimed at"),
        (4.0, "4 x"),
        (16.0, "16 x"),
    ] {
        let x = place(tick);
        let bottom = height - LINE;
        add(
            &mut svg,
            format_args!(
                "<line x1=\"{x}\" x2=\"{x}\" y1=\"{LINE}\" y2=\"{bottom}\" stroke=\"#bbb\"/>\n\
                 <text x=\"{x}\" y=\"18\" text-anchor=\"middle\">{label}</text>\n"
            ),
        );
    }
    let middle = place(1.0);
    for (index, (row, margin)) in rows.iter().enumerate() {
        let (y, end) = ((index + 1) * LINE, place(*margin));
        let (x, width) = (middle.min(end), (end - middle).abs().max(1.0));
        let colour = if row.reached { "#2a7" } else { "#c43" };
        let (text_y, bar_y, name, value) = (y + 17, y + 5, escape(&row.what), row.value_text());
        add(
            &mut svg,
            format_args!(
                "<text x=\"8\" y=\"{text_y}\">{name}: {value}</text>\n\
                 <rect x=\"{x:.1}\" y=\"{bar_y}\" width=\"{width:.1}\" height=\"16\" \
                 fill=\"{colour}\"/>\n"
            ),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn add(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).expect("a String takes everything");
}

/// How many times better than its aim a value is.
fn margin(row: &Row) -> Option<f64> {
    match row.aim {
        Aim::AtLeast(aim) => Some(row.value / aim),
        Aim::AtMost(aim) => Some(aim / row.value),
        Aim::None => None,
    }
}

fn place(margin: f64) -> f64 {
    let room = (WIDTH - NAMES - 40) as f64;
    // From a fourth to SPAN times.
    let share = (margin.clamp(0.25, SPAN) * 4.0).log2() / (SPAN * 4.0).log2();
    NAMES as f64 + share * room
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
