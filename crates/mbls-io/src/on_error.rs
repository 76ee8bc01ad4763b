//! Handling of input that cannot be decoded.

/// Determines what happens to a part of the input that cannot be decoded: an image, a record or
/// line that is not UTF-8, bytes after the end of a gzip file.
///
/// This only concerns input that cannot be decoded. A record with an extra field, a label that is
/// not a class and an unclosed quotation mark are always errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Report an error that names the place. An image is decoded, and its error reported, when it
    /// is requested.
    #[default]
    Fail,
    /// Leave it out and count it. To find such images, all are decoded once when the data set is
    /// opened.
    Skip,
}

impl OnError {
    /// The hint in errors of a reader that the input can be left out.
    pub const WAY_OUT: &str = "`--skip-undecodable`, `OnError::Skip`, leaves it out";
}
