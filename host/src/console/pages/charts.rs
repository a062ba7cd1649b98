//! *Charts*: membership over time, changes per day, time to converge, quota use.

use askama::Template;

use crate::console::chart::Chart;
use crate::console::page::Shell;

/// The charts of a directory.
#[derive(Debug, Template)]
#[template(path = "charts.html")]
pub struct Charts {
    /// Around it.
    pub shell: Shell,
    /// One below the other.
    pub charts: Vec<Chart>,
}
