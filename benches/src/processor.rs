//! One processor for all: otherwise wake-ups between processors dominate, not the code.

/// Pins this thread, and threads and processes that it starts from now on, to one processor; returns its number.
pub fn pin() -> Option<usize> {
    let last = core_affinity::get_core_ids()?.into_iter().max_by_key(|core| core.id)?;
    if core_affinity::set_for_current(last) {
        return Some(last.id);
    }
    eprintln!("NOTE: this process could not be pinned to one processor; the figures will vary more");
    None
}
