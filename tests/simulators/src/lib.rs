//! The three vendors, simulated.
