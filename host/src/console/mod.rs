//! The console: server-rendered pages (askama, htmx) over [`crate::service`]; assets are embedded.
//!
//! What may not enter: anything that the API could not do as well, SQL, and scripts or styles from elsewhere.
