//! Sessions with names.

/// The texts for a server that shows a name of each session, and who waits for whom.
#[derive(Debug)]
pub(crate) struct NamedSessions {
    /// Returns the text that names the session until the open transaction ends.
    pub(crate) name: fn(&str) -> String,
    /// The text that lifts the server's limits for the duration of a transaction and for its idle times, until the open
    /// transaction ends: that of a sandbox takes as long as a test or an application.
    pub(crate) lift_limits: &'static str,
    /// The query for the sessions that keep the session with a name (its parameter) waiting. Its columns: the number,
    /// the name, the state, the age of the transaction in seconds as text, and the last text that it sent.
    pub(crate) blockers: &'static str,
}
