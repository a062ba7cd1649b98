//! Caps on what one run may use of the network.

use std::time::Duration;

/// Caps on requests, bytes and time. The defaults fit a directory of 100,000 memberships.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// One attempt of a request, from the moment a connection is sought to the last byte of the answer. A successor of
    /// a run waits for the lease's life plus this long.
    pub request_timeout: Duration,
    /// Bytes of one answer, after decompression.
    pub response_bytes: usize,
    /// Bytes of one request's body.
    pub request_bytes: usize,
    /// Requests of one run, resends included.
    pub requests_per_run: u64,
    /// Requests of one run at the same time; more wait.
    pub in_flight: usize,
    /// Idle connections kept for each place.
    pub idle_connections: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            response_bytes: 32 << 20,
            request_bytes: 8 << 20,
            requests_per_run: 1_000_000,
            in_flight: 32,
            idle_connections: 16,
            idle_timeout: Duration::from_secs(55),
        }
    }
}
