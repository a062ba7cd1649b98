//! The HTTP API (axum): routes, sign-in, problem documents, OpenAPI, live events.
//!
//! A thin shell over [`crate::service`], which decides who may do what. What may not enter: decisions about groups, SQL.
