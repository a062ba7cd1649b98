//! The service: everything that the API and the console can do, in one place, and who may do it.
//!
//! [`Service`] stands over the store, the runs and the schedule. Each of its methods takes the [`Principal`] that asks
//! and refuses what that one may not do; each change is in the audit log. What may not enter: HTTP, HTML, SQL.
