//! Plans, findings, chains and runs as text. Pure: values in, text out, with colours that the stream leaves out where
//! nobody would see them. What may not enter: clocks, files, the host.

pub mod check;
pub mod failure;
pub mod group;
pub mod outcome;
pub mod plan;
pub mod plugin;
pub mod replay;
pub mod runs;
pub mod text;
pub mod why;
