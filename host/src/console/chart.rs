//! Charts as SVG, drawn here and without a script, each with the numbers behind it as a table. What may not enter: where
//! the numbers come from.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;
use chrono::{DateTime, NaiveDate, Utc};

use super::words::{grouped, span};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;

/// A drawing, ready to stand in a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawing(String);

impl HtmlSafe for Drawing {}

impl fmt::Display for Drawing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A chart and its numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chart {
    /// Unique on its page: letters and `-`.
    pub id: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// What there is to see in it, in a sentence: for whoever does not see it.
    pub summary: String,
    /// The drawing; none where there are no numbers yet.
    pub drawing: Option<Drawing>,
    /// Series by name, in the order of their colours.
    pub legend: Vec<&'static str>,
    /// The table's columns after the first, which is the time.
    pub columns: Vec<&'static str>,
    /// The table's rows: the time, and a cell per column.
    pub rows: Vec<(String, Vec<String>)>,
}

/// How a chart's numbers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Pieces.
    Count,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    fn told(self, number: u64) -> String {
        match self {
            Self::Count => grouped(number),
            Self::Milliseconds => span(number),
        }
    }
}

/// A line over time, for each series. Times ascend.
pub fn lines(
    id: &'static str,
    title: &'static str,
    unit: Unit,
    series: &[&'static str],
    points: &[(DateTime<Utc>, Vec<u64>)],
) -> Chart {
    let mut chart = Chart {
        id,
        title,
        summary: format!("{title}: there are no numbers yet."),
        legend: if series.len() > 1 {
            series.to_vec()
        } else {
            Vec::new()
        },
        columns: series.to_vec(),
        rows: points
            .iter()
            .map(|(at, values)| {
                let cells = values.iter().map(|value| unit.told(*value)).collect();
                (at.format("%Y-%m-%d %H:%M").to_string(), cells)
            })
            .collect(),
        ..Chart::default()
    };
    let (Some((first, _)), Some((last, latest))) = (points.first(), points.last()) else {
        return chart;
    };
    let most = points
        .iter()
        .flat_map(|(_, values)| values)
        .copied()
        .max()
        .unwrap_or(0);
    let top = ceiling(most);
    let length = (*last - *first).num_seconds().max(1);
    let x = |at: DateTime<Utc>| {
        if points.len() == 1 {
            return (LEFT + WIDTH - RIGHT) / 2.0;
        }
        LEFT + (WIDTH - LEFT - RIGHT) * (at - *first).num_seconds() as f64 / length as f64
    };
    let mut svg = frame(id, title, unit, top);
    for (place, _) in series.iter().enumerate() {
        let number = place + 1;
        let mut path = String::new();
        for (at, values) in points {
            let value = values.get(place).copied().unwrap_or(0);
            let _ = write!(
                path,
                "{}{:.1} {:.1}",
                if path.is_empty() { "M" } else { "L" },
                x(*at),
                y(value, top)
            );
        }
        if series.len() == 1 && points.len() > 1 {
            let floor = HEIGHT - BOTTOM;
            let _ = write!(
                svg,
                "<path class=\"area\" d=\"{path}L{:.1} {floor}L{:.1} {floor}Z\"/>",
                x(*last),
                x(*first)
            );
        }
        let _ = write!(svg, "<path class=\"line s{number}\" d=\"{path}\"/>");
        let value = latest.get(place).copied().unwrap_or(0);
        let _ = write!(
            svg,
            "<circle class=\"f{number}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/>",
            x(*last),
            y(value, top)
        );
    }
    let format = if length > 2 * 86_400 {
        "%-d %b"
    } else {
        "%-d %b %H:%M"
    };
    marks(
        &mut svg,
        &first.format(format).to_string(),
        &last.format(format).to_string(),
        points.len(),
    );
    svg.push_str("</svg>");
    let told: Vec<String> = series
        .iter()
        .zip(latest)
        .map(|(name, value)| format!("{name} {}", unit.told(*value)))
        .collect();
    chart.summary = format!(
        "{title}, from {} to {}. Latest: {}. Highest: {}.",
        first.format("%-d %B %Y"),
        last.format("%-d %B %Y"),
        told.join(", "),
        unit.told(most)
    );
    chart.drawing = Some(Drawing(svg));
    chart
}

/// A bar per day, of a piece for each series. Days ascend; days without a number are drawn empty.
pub fn stacked(
    id: &'static str,
    title: &'static str,
    series: &[&'static str],
    days: &[(NaiveDate, Vec<u64>)],
) -> Chart {
    let mut chart = Chart {
        id,
        title,
        summary: format!("{title}: there are no numbers yet."),
        legend: series.to_vec(),
        columns: series.to_vec(),
        rows: days
            .iter()
            .map(|(day, values)| {
                let cells = values.iter().map(|value| grouped(*value)).collect();
                (day.format("%Y-%m-%d").to_string(), cells)
            })
            .collect(),
        ..Chart::default()
    };
    let (Some((first, _)), Some((last, _))) = (days.first(), days.last()) else {
        return chart;
    };
    let sum = |values: &[u64]| values.iter().fold(0_u64, |all, one| all.saturating_add(*one));
    let most = days.iter().map(|(_, values)| sum(values)).max().unwrap_or(0);
    let top = ceiling(most);
    let slots = ((*last - *first).num_days() + 1).max(7) as f64;
    let wide = (WIDTH - LEFT - RIGHT) / slots;
    let bar = (wide * 0.72).min(34.0);
    let mut svg = frame(id, title, Unit::Count, top);
    for (day, values) in days {
        let left = LEFT + wide * (*day - *first).num_days() as f64 + (wide - bar) / 2.0;
        let mut below = 0_u64;
        for (place, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
            let above = below.saturating_add(*value);
            let _ = write!(
                svg,
                "<rect class=\"f{}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"{:.1}\"/>",
                place + 1,
                y(above, top),
                (y(below, top) - y(above, top)).max(0.5)
            );
            below = above;
        }
    }
    marks(
        &mut svg,
        &first.format("%-d %b").to_string(),
        &last.format("%-d %b").to_string(),
        if slots > days.len() as f64 && *first == *last {
            1
        } else {
            days.len()
        },
    );
    svg.push_str("</svg>");
    let all = days
        .iter()
        .map(|(_, values)| sum(values))
        .fold(0_u64, u64::saturating_add);
    chart.summary = format!(
        "{title}, from {} to {}: {} in all, {} on the fullest day.",
        first.format("%-d %B %Y"),
        last.format("%-d %B %Y"),
        grouped(all),
        grouped(most)
    );
    chart.drawing = Some(Drawing(svg));
    chart
}

fn y(value: u64, top: u64) -> f64 {
    HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value as f64 / top as f64
}

/// The beginning of a drawing, with four lines across and what they stand for. `id` and `title` are our own words.
fn frame(id: &str, title: &str, unit: Unit, top: u64) -> String {
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-title {id}-summary\">\
         <title id=\"{id}-title\">{title}</title>"
    );
    for step in 0..=4_u64 {
        let value = top * step / 4;
        let at = y(value, top);
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            unit.told(value)
        );
    }
    svg
}

fn marks(svg: &mut String, first: &str, last: &str, points: usize) {
    let low = HEIGHT - 6.0;
    if points < 2 {
        let _ = write!(svg, "<text x=\"{LEFT}\" y=\"{low}\">{first}</text>");
        return;
    }
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{low}\">{first}</text>\
         <text x=\"{:.0}\" y=\"{low}\" text-anchor=\"end\">{last}</text>",
        WIDTH - RIGHT
    );
}

/// The least number that divides into four round steps and is not below the greatest value.
fn ceiling(most: u64) -> u64 {
    let mut unit = 4_u64;
    loop {
        for factor in [1, 2, 3, 5] {
            let top = unit.saturating_mul(factor);
            if top >= most {
                return top.max(4);
            }
        }
        unit = unit.saturating_mul(10);
        if unit == u64::MAX {
            return unit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_000_000 + day * 86_400, 0).unwrap()
    }

    #[test]
    fn a_chart_without_numbers_says_so() {
        let chart = lines("m", "Memberships", Unit::Count, &["Memberships"], &[]);
        assert!(chart.drawing.is_none() && chart.summary.contains("no numbers yet"));
        assert!(stacked("c", "Changes", &["Added"], &[]).drawing.is_none());
    }

    #[test]
    fn all_that_is_drawn_is_in_the_table_too_and_no_style_attribute_is_in_the_drawing() {
        let points: Vec<_> = (0..30)
            .map(|day| (at(day), vec![u64::try_from(day).unwrap() * 40, 7]))
            .collect();
        let chart = lines("m", "Memberships", Unit::Count, &["All", "Held"], &points);
        let svg = chart.drawing.unwrap().to_string();
        assert_eq!(chart.rows.len(), 30);
        assert_eq!(chart.rows[29].1, ["1,160", "7"]);
        assert!(chart.summary.contains("All 1,160") && svg.contains("role=\"img\""));
        assert!(!svg.contains("style=") && !svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn bars_stay_within_the_drawing() {
        let days: Vec<_> = (0..3)
            .map(|day| (at(day).date_naive(), vec![1_000_000, 2_345_678, 0]))
            .collect();
        let svg = stacked("c", "Changes", &["a", "b", "c"], &days)
            .drawing
            .unwrap()
            .to_string();
        for height in svg
            .split(" y=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            let height: f64 = height.parse().unwrap();
            assert!((0.0..=HEIGHT).contains(&height), "{height}");
        }
    }

    #[test]
    fn the_top_is_round_and_never_too_low() {
        for (most, top) in [
            (0, 4),
            (4, 4),
            (5, 8),
            (13, 20),
            (100, 120),
            (161, 200),
            (3_000, 4_000),
        ] {
            assert_eq!(ceiling(most), top, "{most}");
        }
        assert!(ceiling(u64::MAX - 3) >= u64::MAX - 3);
    }
}
