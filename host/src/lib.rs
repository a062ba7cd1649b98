//! To be filled.


pub mod egress;
