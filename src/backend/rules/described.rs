//! The rules of a database that its driver describes.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::generic::{GenericRules, STANDARD_SQL};
use super::levels::LevelTexts;
use super::schema_rules::{DefinitionsInTransaction, SchemaRules};
use super::server_answer::ServerAnswer;
use super::transaction_rules::TransactionRules;
use super::{Administration, BeginOptions, ServerRules, refuse_levels};
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};

/// The maximum number of descriptions that are kept. A program has few; a further one gets the rules of standard SQL.
const MOST: usize = 64;

/// The effect of definitions in a transaction, as a driver tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(dead_code, reason = "only drivers outside of the process describe their database")]
pub(crate) enum DefinitionsWhere {
    /// They are undone with it.
    Transactional,
    /// They commit it.
    Commits,
    /// They are ignored in it, or refused.
    Refused,
}

/// What the driver of a database says of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Capabilities {
    /// The name of the product.
    pub(crate) product: String,
    pub(crate) savepoints: bool,
    /// `false` if it has no transactions at all.
    pub(crate) transactions: bool,
    pub(crate) definitions: DefinitionsWhere,
    /// The levels that it has; empty if that is not known.
    pub(crate) levels: Vec<IsolationLevel>,
    pub(crate) default_level: Option<IsolationLevel>,
}

/// Rules made of capabilities. They live as long as the program.
#[derive(Debug)]
struct DescribedRules {
    name: &'static str,
    capabilities: Capabilities,
    facts: &'static TransactionRules,
    schema: &'static SchemaRules,
}

static KNOWN: Mutex<Option<HashMap<Capabilities, &'static DescribedRules>>> = Mutex::new(None);

/// Returns the rules of a database that its driver describes. Equal descriptions share them.
#[allow(dead_code, reason = "only drivers outside of the process describe their database")]
pub(crate) fn described(capabilities: Capabilities) -> &'static dyn ServerRules {
    let mut known = KNOWN.lock();
    let known = known.get_or_insert_with(HashMap::new);
    if let Some(rules) = known.get(&capabilities) {
        return *rules;
    }
    if known.len() >= MOST {
        return &STANDARD_SQL;
    }
    let rules: &'static DescribedRules = Box::leak(Box::new(DescribedRules::new(capabilities.clone())));
    known.insert(capabilities, rules);
    rules
}

impl DescribedRules {
    fn new(capabilities: Capabilities) -> Self {
        let name: &'static str = if capabilities.product.is_empty() {
            STANDARD_SQL.name
        } else {
            Box::leak(capabilities.product.clone().into_boxed_str())
        };
        let standard = TransactionRules::STANDARD;
        let facts = Box::leak(Box::new(TransactionRules {
            default_isolation: capabilities.default_level.unwrap_or(standard.default_isolation),
            savepoints: capabilities.savepoints && capabilities.transactions,
            ..standard
        }));
        let schema = Box::leak(Box::new(SchemaRules {
            in_transaction: match capabilities.definitions {
                DefinitionsWhere::Transactional => DefinitionsInTransaction::Undone,
                // What is refused in a transaction runs outside of it, like what would commit it.
                DefinitionsWhere::Commits | DefinitionsWhere::Refused => DefinitionsInTransaction::Commit,
            },
            ..SchemaRules::STANDARD
        }));
        Self {
            name,
            capabilities,
            facts,
            schema,
        }
    }

    fn usual() -> &'static GenericRules {
        &STANDARD_SQL
    }
}

impl ServerRules for DescribedRules {
    fn name(&self) -> &'static str {
        self.name
    }

    fn transactions(&self) -> &'static TransactionRules {
        self.facts
    }

    fn levels(&self) -> &'static LevelTexts {
        Self::usual().levels
    }

    fn begin(&self, options: BeginOptions) -> Result<Option<sqlx::SqlStr>> {
        if !self.capabilities.transactions {
            return Err(super::unsupported(
                self.name,
                "transactions",
                "run each statement by itself, through `Database`",
            ));
        }
        if !self.capabilities.levels.is_empty() {
            let help = "use a level that its driver offers, or leave it out";
            refuse_levels(self.name, options, &self.capabilities.levels, help)?;
        }
        super::standard_begin(self.name, options).map(Some)
    }

    fn leaves_open(&self, error: &Error, plain: bool) -> bool {
        Self::usual().leaves_open(error, plain)
    }

    fn ends_transaction(&self, answer: ServerAnswer<'_>) -> bool {
        Self::usual().ends_transaction(answer)
    }

    fn error_kind(&self, answer: ServerAnswer<'_>) -> ErrorKind {
        Self::usual().error_kind(answer)
    }

    fn schema(&self) -> &'static SchemaRules {
        self.schema
    }

    fn administration(&self) -> &'static dyn Administration {
        Self::usual().administration()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(product: &str) -> Capabilities {
        Capabilities {
            product: product.to_owned(),
            savepoints: true,
            transactions: true,
            definitions: DefinitionsWhere::Commits,
            levels: vec![IsolationLevel::ReadCommitted],
            default_level: None,
        }
    }

    #[test]
    fn b8_a_database_is_what_its_driver_says() {
        let rules = described(Capabilities {
            savepoints: false,
            definitions: DefinitionsWhere::Transactional,
            default_level: Some(IsolationLevel::Serializable),
            ..of("Firebird")
        });
        assert_eq!(rules.name(), "Firebird");
        assert!(!rules.transactions().savepoints);
        assert_eq!(rules.transactions().default_isolation, IsolationLevel::Serializable);
        assert_eq!(rules.schema().in_transaction, DefinitionsInTransaction::Undone);
        let begin = |isolation| {
            rules.begin(BeginOptions {
                isolation,
                ..BeginOptions::default()
            })
        };
        assert!(begin(Some(IsolationLevel::ReadCommitted)).is_ok() && begin(None).is_ok());
        let error = begin(Some(IsolationLevel::RepeatableRead)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let none = described(Capabilities {
            transactions: false,
            ..of("chdb")
        });
        assert!(!none.transactions().savepoints);
        assert_eq!(
            none.begin(BeginOptions::default()).unwrap_err().kind(),
            ErrorKind::Unsupported
        );
    }

    #[test]
    fn b8_the_codes_of_the_standard_tell_what_became_of_a_transaction() {
        let rules = described(of("Oracle"));
        for (code, ends, kind) in [
            ("40001", true, ErrorKind::Serialization),
            ("40003", true, ErrorKind::Database),
            ("25P02", false, ErrorKind::TransactionAborted),
            ("08006", false, ErrorKind::ConnectionLost),
            ("HY000", false, ErrorKind::Database),
            ("40", false, ErrorKind::Database),
        ] {
            let answer = ServerAnswer {
                code,
                number: None,
                message: "",
            };
            assert_eq!(
                (rules.ends_transaction(answer), rules.error_kind(answer)),
                (ends, kind),
                "{code}"
            );
        }
    }

    #[test]
    fn b8_descriptions_are_shared_and_bounded() {
        let address = |rules: &'static dyn ServerRules| std::ptr::from_ref(rules).cast::<()>();
        assert_eq!(address(described(of("Oracle"))), address(described(of("Oracle"))));
        for number in 0..2 * MOST {
            described(of(&format!("database {number}")));
        }
        assert!(KNOWN.lock().as_ref().is_some_and(|known| known.len() <= MOST));
        assert_eq!(described(of("one more")).name(), STANDARD_SQL.name);
    }
}
