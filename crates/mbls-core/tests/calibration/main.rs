//! Post-hoc calibrators: against other libraries, their definitions, and what must hold for all of them.

mod binary;
mod linear;
mod optimum;
mod properties;
mod real;
mod saved;
mod support;
mod temperature;
