//! What is measured of dense predictions.
