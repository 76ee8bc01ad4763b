//! Images with masks.
