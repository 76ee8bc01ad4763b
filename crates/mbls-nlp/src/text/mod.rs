//! From texts to sequences of word numbers.
