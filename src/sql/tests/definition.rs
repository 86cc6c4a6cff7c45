//! Tests of the reader of definitions.

use super::super::Dialect;
use super::super::definition::{Definition, Key, ObjectName};

fn one(dialect: Dialect, text: &str) -> Definition {
    let mut definitions = Definition::read(dialect, text);
    assert_eq!(definitions.len(), 1, "{text}");
    definitions.remove(0)
}

#[test]
fn r4_if_not_exists_goes_where_the_server_has_it() {
    let guarded: &[&str] = &["TABLE", "INDEX"];
    for (dialect, text, expected) in [
        (
            Dialect::Postgres,
            "create table note (id int)",
            "create table IF NOT EXISTS note (id int)",
        ),
        (
            Dialect::Sqlite,
            "CREATE TEMP TABLE \"a b\" (id)",
            "CREATE TEMP TABLE IF NOT EXISTS \"a b\" (id)",
        ),
        (
            Dialect::MySql,
            "create table if not exists note (id int)",
            "create table if not exists note (id int)",
        ),
        (
            Dialect::MySql,
            "create unique index i on note (id)",
            "create unique index IF NOT EXISTS i on note (id)",
        ),
        (
            Dialect::Postgres,
            "create index concurrently i on note (id)",
            "create index concurrently IF NOT EXISTS i on note (id)",
        ),
        (
            Dialect::Postgres,
            "create type mood as enum ('a')",
            "create type mood as enum ('a')",
        ),
        (
            Dialect::Sqlite,
            "create view v as select 1",
            "create view v as select 1",
        ),
        (
            Dialect::Postgres,
            "comment on table note is 'create table'",
            "comment on table note is 'create table'",
        ),
    ] {
        assert_eq!(one(dialect, text).create(dialect, guarded, &[]), expected);
        assert_eq!(one(dialect, text).create(dialect, &[], &[]), text);
    }
    assert!(one(Dialect::Postgres, "create type mood as enum ('a')").fails_if_present(guarded));
    assert!(!one(Dialect::Postgres, "create or replace view v as select 1").fails_if_present(guarded));
    assert!(!one(Dialect::Sqlite, "create view v as select 1").fails_if_present(&["VIEW"]));
}

#[test]
fn r4_names_are_read_with_quotes_and_schemas() {
    let path = |dialect, text: &str| one(dialect, text).object.map(|object| object.name.path.join("|"));
    let postgres = Dialect::Postgres;
    assert_eq!(
        path(postgres, "create table Shop.\"My \"\"Note\" (id int)").as_deref(),
        Some("shop|My \"Note")
    );
    assert_eq!(
        path(Dialect::MySql, "create table `My``Note` (id int)").as_deref(),
        Some("My`Note")
    );
    assert_eq!(path(postgres, "insert into note values (1)"), None);
    let name = |text| ObjectName::read(postgres, text).unwrap();
    assert!(name("note").means(&name("public.NOTE")));
    assert!(!name("a.note").means(&name("b.note")));
    assert_eq!(ObjectName::read(postgres, "note; drop table x"), None);
}

#[test]
fn r4_what_a_definition_needs_is_read_from_it() {
    let needs = |text| -> Vec<(String, bool)> {
        let definition = one(Dialect::Postgres, text);
        let needs = definition.needs.into_iter();
        needs
            .map(|needed| (needed.name.written, needed.key.is_some()))
            .collect()
    };
    let text = "create table b (id int references a (id), c int, d int, foreign key (c) references \"C\" (id) on delete \
                cascade, constraint k foreign key (d) references s.d (id), check (id > 0))";
    let expected = [("a", false), ("\"C\"", true), ("s.d", true)].map(|(name, key)| (name.to_owned(), key));
    assert_eq!(needs(text), expected);
    assert_eq!(needs("create index i on only (id)"), [("only".to_owned(), false)]);
    assert_eq!(needs("create view v as select * from a join b using (id)").len(), 2);
}

#[test]
fn r4_keys_are_taken_out_and_added_afterwards() {
    let text = "create table b (id int, c int, foreign key (c) references c (id), constraint k foreign key (id) references d (id))";
    let definition = one(Dialect::Postgres, text);
    let keys: Vec<&Key> = definition
        .needs
        .iter()
        .filter_map(|needed| needed.key.as_ref())
        .collect();
    assert_eq!(
        definition.create(Dialect::Postgres, &[], &keys),
        "create table b (id int, c int)"
    );
    let added: Vec<_> = keys.iter().filter_map(|key| definition.add(key)).collect();
    assert_eq!(
        added,
        [
            "ALTER TABLE b ADD foreign key (c) references c (id)",
            "ALTER TABLE b ADD constraint k foreign key (id) references d (id)"
        ]
    );
}

#[test]
fn r4_a_text_of_several_statements_is_cut_and_dropped() {
    let text = "create table a (t text default ';'); create index i on a (t);\n-- no statement\n create materialized view m as select 1;";
    let definitions = Definition::read(Dialect::Postgres, text);
    let dropped: Vec<_> = definitions.iter().filter_map(Definition::removal).collect();
    assert_eq!(
        dropped,
        ["DROP TABLE IF EXISTS a", "DROP MATERIALIZED VIEW IF EXISTS m"]
    );
    assert_eq!(definitions.len(), 3);
}
