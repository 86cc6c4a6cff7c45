use std::sync::Arc;

use super::*;

#[test]
fn q2_the_order_of_names_does_not_matter() {
    for dialect in ALL {
        let (_, values) = sent(dialect, "SELECT :a, :b, :c", named(&[("c", 3), ("a", 1), ("b", 2)]));
        assert_eq!(values, [1, 2, 3]);
    }
}

#[test]
fn q2_a_missing_parameter_is_named() {
    let message = refused(
        Dialect::Postgres,
        "SELECT :id, :name",
        named(&[("name", 1), ("ident", 2)]),
    );
    assert_eq!(
        message,
        "the statement needs :id, which was not given\n  help: given: name and ident"
    );
    let message = refused(
        Dialect::Sqlite,
        "SELECT :name, :email",
        named(&[("name", 1), ("emial", 2)]),
    );
    assert!(
        message.ends_with("given: name and emial; did you mean `emial`?"),
        "{message}"
    );
}

#[test]
fn q2_an_unused_parameter_is_named() {
    let message = refused(Dialect::MySql, "SELECT :id", named(&[("id", 1), ("idd", 2)]));
    assert_eq!(
        message,
        "the parameter `idd` is not used by the statement\n  help: leave it out; the statement uses :id; did you mean `id`?"
    );
    let message = refused(Dialect::MySql, "SELECT 1", named(&[("id", 1)]));
    assert!(
        message.starts_with("the statement has no parameters, but got id"),
        "{message}"
    );
}

#[test]
fn q2_a_parameter_given_twice_is_named() {
    let message = refused(Dialect::MySql, "SELECT :id", named(&[("id", 1), ("id", 2)]));
    assert!(message.starts_with("the parameter `id` was given twice"), "{message}");
    let message = refused(Dialect::MySql, "SELECT :id, :b", named(&[("id", 1), ("id", 2)]));
    assert!(message.starts_with("the statement needs :b"), "{message}");
}

#[test]
fn q2_no_parameters_at_all_names_those_needed() {
    for dialect in ALL {
        for params in [none(), named(&[]), positional(&[])] {
            let message = refused(dialect, "SELECT :id, :name", params);
            assert!(
                message.starts_with("the statement needs :id and :name, and no parameters were given"),
                "{message}"
            );
        }
    }
    let message = refused(Dialect::Sqlite, "SELECT ?, ?", none());
    assert!(
        message.starts_with("the statement has 2 placeholders, and no values were given"),
        "{message}"
    );
}

#[test]
fn q2_names_and_positions_do_not_mix() {
    for dialect in ALL {
        let message = refused(dialect, "SELECT :id", positional(&[1]));
        assert!(
            message.starts_with("the statement names its parameters (:id), but got 1 value without a name"),
            "{message}"
        );
        let message = refused(dialect, "SELECT ?", named(&[("id", 1)]));
        assert!(
            message.starts_with("the statement has placeholders without names"),
            "{message}"
        );
        let message = refused(dialect, "SELECT 1", positional(&[1]));
        assert!(
            message.starts_with("the statement has no placeholders, but got 1 value"),
            "{message}"
        );
    }
}

#[test]
fn q2_the_count_of_values_is_checked() {
    for dialect in ALL {
        let message = refused(dialect, "SELECT ?, ?", positional(&[1, 2, 3]));
        assert!(
            message.starts_with("the statement has 2 placeholders, but got 3 values"),
            "{message}"
        );
        let message = refused(dialect, "SELECT $1, $3", positional(&[1, 2, 3]));
        assert!(message.starts_with("value 2 is not used"), "{message}");
    }
}

#[test]
fn q2_too_many_parameters_are_refused() {
    let sql = format!("SELECT {}1", "?,".repeat(32_767));
    let message = refused(Dialect::Sqlite, &sql, none());
    assert!(
        message.starts_with("the statement would bind 32767 values, and SQLite allows 32766 at most"),
        "{message}"
    );
    assert!(Template::parse(Dialect::MySql, &sql).is_ok());
}

#[test]
fn many_names_are_cut_short() {
    let sql = format!(
        "SELECT {}",
        (0..20).map(|n| format!(":p{n}")).collect::<Vec<_>>().join(",")
    );
    let message = refused(Dialect::Sqlite, &sql, none());
    assert!(message.contains(":p7 and 12 more, and no parameters"), "{message}");
}

#[test]
fn calls_share_one_statement() {
    for dialect in ALL {
        let template = parse(dialect, "SELECT :a, :b, :a");
        let one = template.bind(named(&[("a", 1), ("b", 2)])).unwrap();
        let two = template.bind(named(&[("b", 1), ("a", 2)])).unwrap();
        assert!(Arc::ptr_eq(&one.statement, &two.statement));
        one.statement.notes().set(Box::new(5_u8)).unwrap();
        assert_eq!(
            two.statement.notes().get().and_then(|notes| notes.downcast_ref()),
            Some(&5_u8)
        );
    }
}

#[test]
fn a_value_used_once_is_moved() {
    let text = "x".repeat(100);
    let place = text.as_ptr();
    let params = with(vec![("b", Value::Text(text)), ("a", Value::Null)]);
    let bound = bind(Dialect::MySql, "SELECT :a, :b, :a", params);
    assert!(matches!(&bound.values[1], Value::Text(text) if text.as_ptr() == place));
}
