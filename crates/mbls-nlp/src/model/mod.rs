//! Networks: sequences of word numbers to logits.
