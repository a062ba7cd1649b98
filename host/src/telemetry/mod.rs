//! What those who watch the host are told: logs, traces, metrics, health, the dead man's switch.
//!
//! What may not enter: people's names and addresses, secrets, and anything that a run waits for.
