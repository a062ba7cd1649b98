//! The command line over a fixed world: what is printed, and how the process ends.

mod commands;
mod help;
mod rendering;
mod world;
