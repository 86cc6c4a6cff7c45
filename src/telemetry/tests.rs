use super::{Peer, said, values};
use crate::config::Config;
use crate::error::{Error, ErrorKind};
use crate::value::Value;

fn peer(url: &str) -> Peer {
    Peer::of(&Config::from_url(url).unwrap())
}

#[test]
fn w2_a_database_has_the_names_of_the_conventions() {
    let named = peer("postgres://ada:secret@db.example:5433/shop?search_path=app,public&pool_name=mine");
    assert_eq!((named.system, named.pool.as_str()), ("postgresql", "mine"));
    assert_eq!(named.namespace.as_deref(), Some("shop|app"));
    assert_eq!((named.address.as_deref(), named.port), (Some("db.example"), Some(5433)));
    let usual = peer("mariadb://ada:secret@[::1]:3306/shop");
    assert_eq!(
        (usual.system, usual.address.as_deref(), usual.port),
        ("mariadb", Some("::1"), None)
    );
    assert_eq!(usual.pool, "::1/shop");
    let socket = peer("mysql://ada@localhost/shop?socket=/run/mysqld.sock");
    assert_eq!(
        (socket.system, socket.address.as_deref()),
        ("mysql", Some("/run/mysqld.sock"))
    );
    let file = peer("sqlite://data/app.db");
    assert_eq!(
        (file.system, file.address, file.pool.as_str()),
        ("sqlite", None, "sqlite/data/app.db")
    );
    assert_eq!(peer("sqlite::memory:").namespace.as_deref(), Some(":memory:"));
}

#[test]
fn w2_values_are_short_where_they_are_shown_at_all() {
    let shown = values(&[
        Value::Null,
        Value::I64(1),
        Value::Text("ada".into()),
        Value::Bytes(vec![0; 9]),
    ]);
    assert_eq!(shown, "[NULL, 1, 'ada', <9 bytes>]");
    assert!(values(&vec![Value::Text("ä".repeat(9_999)); 999]).len() < 40_000);
}

#[test]
fn w2_what_servers_say_of_data_is_not_repeated() {
    let twice = Error::new(ErrorKind::Constraint, "Duplicate entry 'ada' for key").with_code("23000");
    assert_eq!(said(&twice, false), "Constraint (23000)");
    assert_eq!(said(&twice, true), twice.message());
    let lost = Error::new(ErrorKind::ConnectionLost, "the connection broke");
    assert_eq!(said(&lost, false), "the connection broke");
}
