//! The image of a database, page by page, which is loaded into a private copy.

use crate::error::{Error, ErrorKind};

/// The position of the bytes that say whether a file is read and written through a WAL.
const FORMAT_VERSIONS: std::ops::Range<usize> = 18..20;
/// The format of a file without a WAL.
const WITHOUT_WAL: u8 = 1;

/// Marks an image as one without a WAL, which a database in memory cannot have.
pub(in crate::backend) fn without_wal(image: &mut [u8]) {
    if let Some(versions) = image.get_mut(FORMAT_VERSIONS) {
        versions.fill(WITHOUT_WAL);
    }
}

/// Returns a fatal error: the connection may have no copy at all now.
pub(in crate::backend) fn not_copied(why: impl std::error::Error + Send + Sync + 'static) -> Error {
    let message = format!("cannot create the private copy of the database: {why}");
    Error::new(ErrorKind::Database, message)
        .help("the copy needs a connection without an open transaction or stream, and enough memory for the whole database")
        .with_source(why)
        .fatal()
}
