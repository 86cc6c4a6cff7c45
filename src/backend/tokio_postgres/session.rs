//! What the connection notes of the statements that it sends: changes of definitions, and of the search path.

use super::connection::PostgresConnection;
use crate::backend::Request;
use crate::sql::{Defines, Statement};

impl PostgresConnection {
    /// Forgets statements that were prepared for older table definitions, or with another search path.
    pub(super) fn follow_definitions(&mut self) {
        if let Some(path) = self.path.unfollowed() {
            self.forget_prepared();
            self.path.follow(path);
        }
        if let Some(count) = self.definitions.unfollowed() {
            self.forget_prepared();
            self.definitions.follow(count);
        }
    }

    /// Forgets all prepared statements, and what is known of types.
    pub(super) fn forget_prepared(&mut self) {
        self.answers.clear();
        self.types.clear();
        self.statements.clear();
    }

    /// Counts what a statement changes: before it is sent, because it may be cancelled, and after it, for connections
    /// that prepared something meanwhile.
    pub(super) fn note_definitions(&mut self, what: Defines) {
        let inside = self.is_inside();
        self.definitions.change(what, inside);
    }

    /// Notes the same of a statement that is sent, and of the search path.
    pub(super) fn note_sent(&mut self, request: Request<'_>) {
        self.note_definitions(request.statement.defines());
        let inside = self.is_inside();
        self.path.sent(request, inside);
    }

    /// Notes how it has ended.
    pub(super) fn note_end(&mut self, statement: &Statement, failed: bool) {
        self.note_definitions(statement.defines());
        if failed {
            let inside = self.is_inside();
            self.path.lost(statement.effect().path, inside);
        }
        if statement.controls() {
            // It may have ended a transaction that was begun by a text.
            self.level_ended(self.levels);
        }
    }

    /// Notes that a level has ended and `depth` are left.
    pub(super) fn level_ended(&mut self, depth: usize) {
        self.definitions.level_ended(depth);
        self.path.level_ended(depth);
    }
}
