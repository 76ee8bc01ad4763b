//! Post-hoc calibrators.

mod temperature;
