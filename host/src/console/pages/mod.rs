//! The console's pages: for each what it shows, as plain words over a template, and how that comes from the service.

pub mod charts;
pub mod directory;
pub mod groups;
pub mod history;
pub mod limits;
pub mod overview;
pub mod plan;
pub mod plugins;
pub mod runs;
pub mod schedule;
pub mod settings;
pub mod sign_in;
pub mod start;
pub mod why;

#[cfg(test)]
mod gallery;
