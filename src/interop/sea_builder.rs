//! Builders of sea-query that note what a dialect lacks. Those of sea-query leave it out without a word, so that the
//! statement means something else, or panic.

use std::cell::Cell;
use std::fmt::Write;

use sea_query::{
    BinOper, ColumnName, ColumnRef, ConditionHolder, DynIden, EscapeBuilder, ExplainStatement, Expr, JoinType,
    LockType, MysqlQueryBuilder, OnConflictAction, OnConflictTarget, Oper, OperLeftAssocDecider, OrderExpr,
    PostgresQueryBuilder, PrecedenceDecider, QueryBuilder, Quote, QuotedBuilder, SelectDistinct, SelectInto,
    SelectStatement, SqlWriter, SqliteQueryBuilder, SubQueryOper, SubQueryStatement, TableName, TableRef,
    TableRefBuilder, UnionType, Value, WithClause,
};

/// The first part of a statement that was left out.
type LeftOut = Cell<Option<&'static str>>;

/// A builder for MySQL and MariaDB. It writes `RETURNING`, which MariaDB has; MySQL refuses the statement then.
#[derive(Default)]
pub(super) struct MySqlBuilder(LeftOut);

/// A builder for SQLite.
#[derive(Default)]
pub(super) struct SqliteBuilder(LeftOut);

/// Implements what both builders pass on.
macro_rules! builder {
    ($builder:ident: $inner:ident) => {
        impl $builder {
            /// Returns what was left out.
            pub(super) fn left_out(&self) -> Option<&'static str> {
                self.0.get()
            }

            fn lacks(&self, what: &'static str) {
                self.0.set(self.0.get().or(Some(what)));
            }

            /// Notes `what` if a builder that has it writes something.
            fn lacks_if_written(&self, what: &'static str, write: impl FnOnce(&mut String)) {
                let mut written = String::new();
                write(&mut written);
                if !written.trim().is_empty() {
                    self.lacks(what);
                }
            }
        }

        impl QuotedBuilder for $builder {
            fn quote(&self) -> Quote {
                $inner.quote()
            }
        }

        impl EscapeBuilder for $builder {
            fn write_escaped(&self, buffer: &mut impl Write, string: &str) {
                $inner.write_escaped(buffer, string);
            }

            fn unescape_string(&self, string: &str) -> String {
                $inner.unescape_string(string)
            }
        }

        impl TableRefBuilder for $builder {}

        impl PrecedenceDecider for $builder {
            fn inner_expr_well_known_greater_precedence(&self, inner: &Expr, outer_oper: &Oper) -> bool {
                $inner.inner_expr_well_known_greater_precedence(inner, outer_oper)
            }
        }

        impl OperLeftAssocDecider for $builder {
            fn well_known_left_associative(&self, op: &BinOper) -> bool {
                $inner.well_known_left_associative(op)
            }
        }
    };
}

builder!(MySqlBuilder: MysqlQueryBuilder);
builder!(SqliteBuilder: SqliteQueryBuilder);

/// Defines the methods of [`QueryBuilder`] that both builders have.
macro_rules! common {
    () => {
        fn prepare_select_into(&self, _: &SelectInto, _: &mut impl SqlWriter) {
            self.lacks("INTO of SELECT");
        }

        fn prepare_table_sample(&self, select: &SelectStatement, _: &mut impl SqlWriter) {
            self.lacks_if_written("TABLESAMPLE", |sql| {
                PostgresQueryBuilder.prepare_table_sample(select, sql);
            });
        }

        fn prepare_query_statement(&self, query: &SubQueryStatement, sql: &mut impl SqlWriter) {
            match query {
                SubQueryStatement::SelectStatement(select) => self.prepare_select_statement(select, sql),
                SubQueryStatement::InsertStatement(insert) => self.prepare_insert_statement(insert, sql),
                SubQueryStatement::UpdateStatement(update) => self.prepare_update_statement(update, sql),
                SubQueryStatement::DeleteStatement(delete) => self.prepare_delete_statement(delete, sql),
                SubQueryStatement::WithStatement(with) => self.prepare_with_query(with, sql),
            }
        }

        fn prepare_with_clause_recursive_options(&self, with: &WithClause, _: &mut impl SqlWriter) {
            self.lacks_if_written("SEARCH or CYCLE of a recursive query", |sql| {
                PostgresQueryBuilder.prepare_with_clause_recursive_options(with, sql);
            });
        }

        fn prepare_value(&self, value: Value, sql: &mut impl SqlWriter) {
            sql.push_param(value, self as _);
        }
    };
}

/// Defines methods that the builder of sea-query implements.
macro_rules! delegate {
    ($inner:ident: $($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method(&self, $($argument: $type,)* sql: &mut impl SqlWriter) {
            $inner.$method($($argument,)* sql);
        }
    )*};
}

impl QueryBuilder for MySqlBuilder {
    common!();

    delegate! { MysqlQueryBuilder:
        prepare_index_hints(table: &TableRef, select: &SelectStatement);
        prepare_explain_statement(explain: &ExplainStatement);
        prepare_order_expr(order: &OrderExpr);
        prepare_on_conflict_target(target: &OnConflictTarget);
        prepare_on_conflict_action(action: &Option<OnConflictAction>);
        prepare_on_conflict_keywords();
        prepare_on_conflict_do_update_keywords();
        prepare_on_conflict_excluded_table(column: &DynIden);
    }

    fn values_list_tuple_prefix(&self) -> &str {
        MysqlQueryBuilder.values_list_tuple_prefix()
    }

    fn prepare_select_distinct(&self, distinct: &SelectDistinct, sql: &mut impl SqlWriter) {
        match distinct {
            SelectDistinct::DistinctOn(_) => self.lacks("DISTINCT ON"),
            other => MysqlQueryBuilder.prepare_select_distinct(other, sql),
        }
    }

    /// A hint, which changes no result.
    fn prepare_with_query_clause_materialization(&self, _: &sea_query::CommonTableExpression, _: &mut impl SqlWriter) {}

    fn prepare_update_join(&self, from: &[TableRef], condition: &ConditionHolder, sql: &mut impl SqlWriter) {
        let [table, more @ ..] = from else { return };
        if !more.is_empty() {
            self.lacks("several tables in FROM of UPDATE");
        }
        let _ = sql.write_str(" JOIN ");
        self.prepare_table_ref(table, sql);
        self.prepare_condition(condition, "ON", sql);
    }

    fn prepare_update_from(&self, _: &[TableRef], _: &mut impl SqlWriter) {}

    fn prepare_update_column(
        &self,
        table: &Option<Box<TableRef>>,
        from: &[TableRef],
        column: &DynIden,
        sql: &mut impl SqlWriter,
    ) {
        match table.as_deref() {
            Some(TableRef::Table(TableName(None, table), None)) if !from.is_empty() => {
                let column = ColumnName::from((table.clone(), column.clone()));
                self.prepare_column_ref(&ColumnRef::Column(column), sql);
            }
            _ => self.prepare_iden(column, sql),
        }
    }

    fn prepare_update_condition(&self, from: &[TableRef], condition: &ConditionHolder, sql: &mut impl SqlWriter) {
        if from.is_empty() {
            self.prepare_condition(condition, "WHERE", sql);
        }
    }

    fn prepare_join_type(&self, join_type: &JoinType, sql: &mut impl SqlWriter) {
        match join_type {
            JoinType::FullOuterJoin => self.lacks("FULL OUTER JOIN"),
            other => MysqlQueryBuilder.prepare_join_type(other, sql),
        }
    }

    fn prepare_on_conflict_condition(&self, condition: &ConditionHolder, _: &mut impl SqlWriter) {
        self.lacks_if_written("the condition of ON CONFLICT", |sql| {
            PostgresQueryBuilder.prepare_on_conflict_condition(condition, sql);
        });
    }

    fn random_function(&self) -> &str {
        MysqlQueryBuilder.random_function()
    }

    fn lock_phrase(&self, lock_type: LockType) -> &'static str {
        MysqlQueryBuilder.lock_phrase(lock_type)
    }

    fn insert_default_keyword(&self) -> &str {
        MysqlQueryBuilder.insert_default_keyword()
    }
}

impl QueryBuilder for SqliteBuilder {
    common!();

    delegate! { SqliteQueryBuilder:
        // SQLite locks the whole database, so the clause is left out.
        prepare_select_lock(lock: &sea_query::LockClause);
        prepare_bin_oper(oper: &BinOper);
        prepare_explain_statement(explain: &ExplainStatement);
        prepare_order_expr(order: &OrderExpr);
    }

    fn prepare_select_distinct(&self, distinct: &SelectDistinct, sql: &mut impl SqlWriter) {
        match distinct {
            SelectDistinct::DistinctOn(_) => self.lacks("DISTINCT ON"),
            SelectDistinct::DistinctRow => self.lacks("DISTINCTROW"),
            other => SqliteQueryBuilder.prepare_select_distinct(other, sql),
        }
    }

    fn prepare_sub_query_oper(&self, oper: &SubQueryOper, sql: &mut impl SqlWriter) {
        match oper {
            SubQueryOper::Exists => SqliteQueryBuilder.prepare_sub_query_oper(oper, sql),
            _ => self.lacks("ANY, SOME or ALL of a query"),
        }
    }

    fn prepare_union_statement(&self, union_type: UnionType, select: &SelectStatement, sql: &mut impl SqlWriter) {
        let _ = sql.write_str(match union_type {
            UnionType::Intersect => " INTERSECT ",
            UnionType::Distinct => " UNION ",
            UnionType::Except => " EXCEPT ",
            UnionType::All => " UNION ALL ",
            _ => {
                self.lacks("this kind of UNION");
                " UNION "
            }
        });
        self.prepare_select_statement(select, sql);
    }

    fn greatest_function(&self) -> &str {
        SqliteQueryBuilder.greatest_function()
    }

    fn least_function(&self) -> &str {
        SqliteQueryBuilder.least_function()
    }

    fn char_length_function(&self) -> &str {
        SqliteQueryBuilder.char_length_function()
    }

    fn insert_default_values(&self, rows: u32, sql: &mut impl SqlWriter) {
        if rows > 1 {
            self.lacks("several rows of default values");
        }
        SqliteQueryBuilder.insert_default_values(rows, sql);
    }
}
