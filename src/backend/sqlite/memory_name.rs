//! The name of a database in memory.

use std::sync::atomic::{AtomicU64, Ordering};

/// The VFS that keeps a named database for all connections of the process.
pub(in crate::backend) const MEMORY_VFS: &str = "memdb";

/// Returns a name for a database in memory that no other `Database` sees.
pub(in crate::backend) fn new_memory_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("/ebbtide-memory-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
