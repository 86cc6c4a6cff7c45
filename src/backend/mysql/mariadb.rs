//! The rules of MariaDB.

use sqlx::SqlStr;

use super::admin::MySqlAdministration;
use super::error_kinds;
use super::rules::{POSITIONS, SCHEMA, TRANSACTIONS, leaves_open};
use crate::backend::rules::{
    Administration, BeginOptions, PositionRules, SchemaRules, ServerAnswer, ServerRules, TransactionRules,
    standard_begin,
};
use crate::error::{Error, ErrorKind, Result};

#[derive(Debug)]
pub(in crate::backend) struct MariaDbRules;

impl ServerRules for MariaDbRules {
    fn name(&self) -> &'static str {
        "MariaDB"
    }

    fn transactions(&self) -> &'static TransactionRules {
        &TRANSACTIONS
    }

    fn begin(&self, options: BeginOptions) -> Result<Option<SqlStr>> {
        standard_begin(self.name(), options).map(Some)
    }

    fn leaves_open(&self, error: &Error, plain: bool) -> bool {
        leaves_open(error, plain)
    }

    fn positions(&self) -> Option<&'static PositionRules> {
        Some(&POSITIONS)
    }

    fn error_kind(&self, answer: ServerAnswer<'_>) -> ErrorKind {
        let number = answer.number.and_then(|number| u16::try_from(number).ok());
        error_kinds::kind(number.unwrap_or_default(), answer.code, answer.message)
    }

    fn schema(&self) -> &'static SchemaRules {
        &SCHEMA
    }

    fn administration(&self) -> &'static dyn Administration {
        &MySqlAdministration
    }
}
