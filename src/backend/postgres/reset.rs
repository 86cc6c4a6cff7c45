//! The texts that reset a session.

/// Ends everything raw SQL may have left open.
pub(super) const RESET: &str = "ROLLBACK; UNLISTEN *";

/// Resets the session, outside of transactions: as `DISCARD ALL`, except for the statements that the driver has prepared.
pub(in crate::backend) const RESET_SESSION: &str = "SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; CLOSE ALL; \
    UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES; \
    DO $ebbtide$ DECLARE ending text; BEGIN \
    SELECT pg_catalog.string_agg(pg_catalog.format('DEALLOCATE %I', name), '; ') INTO ending \
    FROM pg_catalog.pg_prepared_statements WHERE from_sql; \
    IF ending IS NOT NULL THEN EXECUTE ending; END IF; END $ebbtide$";
