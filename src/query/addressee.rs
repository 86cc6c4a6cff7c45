//! The object that the statements of a handle are addressed to, which may become known only later.

use std::fmt;
use std::sync::Arc;

use sqlx::SqlStr;

use crate::error::Result;
use crate::session::Target;
use crate::sql::{Dialect, IntoSql};
use crate::value::Params;

/// The object that the statements of a handle are addressed to.
#[derive(Clone, Debug)]
pub(crate) enum Addressee {
    Known(Target),
    /// Asked for at each use, because there was none when the handle was created.
    Late(Arc<LateTarget>),
}

impl Addressee {
    pub(crate) fn late(dialect: Dialect, ask: impl Fn() -> Result<Target> + Send + Sync + 'static) -> Self {
        let ask = Box::new(ask);
        Self::Late(Arc::new(LateTarget { dialect, ask }))
    }

    pub(crate) fn target(&self) -> Result<Target> {
        match self {
            Self::Known(target) => Ok(target.clone()),
            Self::Late(late) => late.target(),
        }
    }

    pub(crate) fn into_target(self) -> Result<Target> {
        match self {
            Self::Known(target) => Ok(target),
            Self::Late(late) => late.target(),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Known(target) => target.engine().dialect(),
            Self::Late(late) => late.dialect,
        }
    }
}

/// A target that is not known yet.
pub(crate) struct LateTarget {
    dialect: Dialect,
    ask: Box<dyn Fn() -> Result<Target> + Send + Sync>,
}

impl LateTarget {
    pub(crate) fn target(&self) -> Result<Target> {
        (self.ask)()
    }

    /// Converts a statement now, because it may borrow, for a use when the target is known.
    pub(crate) fn keep(&self, sql: impl IntoSql) -> KeptSql {
        KeptSql(sql.into_sql(self.dialect))
    }
}

impl fmt::Debug for LateTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateTarget")
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// A statement that has been converted.
pub(crate) struct KeptSql(Result<(SqlStr, Params)>);

impl IntoSql for KeptSql {
    fn into_sql(self, _dialect: Dialect) -> Result<(SqlStr, Params)> {
        self.0
    }
}
