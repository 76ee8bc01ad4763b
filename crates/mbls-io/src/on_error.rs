//! What is done about input that cannot be decoded.

/// What happens to a part of the input that cannot be decoded: an image, a record or a line that is
/// not UTF-8, bytes behind the end of a gzip file.
///
/// Only what cannot be decoded is concerned. A record with a field too many, a label that is not a
/// class, a quotation mark that is never closed remain errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// It is an error that names the place. An image is decoded, and reported, when it is asked
    /// for.
    #[default]
    Fail,
    /// It is left out and counted. Images are decoded once for that when the data set is opened.
    Skip,
}

impl OnError {
    /// How the error of a reader says that what it refuses can be left out.
    pub const WAY_OUT: &str = "`--skip-undecodable`, `OnError::Skip`, leaves it out";
}
