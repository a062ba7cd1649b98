//! The console: server-rendered pages (askama, htmx) over [`crate::service`]; assets are embedded.
//!
//! A page is a plain struct of words ([`page::Shell`] and what the page itself shows) and a template over it; handlers
//! fill the structs from the service. Every form works without a script; htmx only saves the reader a new page. No
//! script and no style stands in a page, so that the content policy can refuse all of them.
//!
//! What may not enter: anything that the API could not do as well, SQL, and scripts or styles from elsewhere.

pub mod assets;
pub mod chart;
mod diff;
pub mod faults;
mod handlers;
pub mod page;
pub mod pages;
mod reader;
mod refusal;
pub mod words;

pub use handlers::{Provider, provider, router};
