#!/usr/bin/env bash
# sqlx-postgres prepares a query with `persistent(false)` under no name. If a column or parameter has a type that was made in
# the database, such as an enum, the driver then looks that type up with a query of the simple protocol, and the server
# removes the statement without a name at each such query. So the first execution on each connection fails with 26000; the
# second one finds the type known and succeeds. Inside of a transaction the failure aborts it. With `persistent(true)`, the
# default, nothing fails.
#
# Needs cargo and a server of PostgreSQL: POSTGRES_URL (postgres://postgres@127.0.0.1:5432/postgres). Seen with sqlx 0.9.0 and
# PostgreSQL 15 and 18: "unnamed prepared statement does not exist", then "glad". Exits with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "unnamed"
version = "0.1.0"
edition = "2024"

[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "postgres"] }
tokio = { version = "1", features = ["full"] }
TOML
cat >"$folder/src/main.rs" <<'RUST'
use sqlx::{Connection, Executor, PgConnection, Row};

async fn mood(connection: &mut PgConnection, persistent: bool) -> Result<String, String> {
    let query = sqlx::query("SELECT 'glad'::pg_temp.mood AS mood WHERE $1").bind(true).persistent(persistent);
    let row = query.fetch_one(connection).await.map_err(|error| error.to_string())?;
    Ok(row.try_get_unchecked("mood").unwrap())
}

#[tokio::main]
async fn main() {
    let url = std::env::var("POSTGRES_URL").unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
    let mut as_seen = true;
    for persistent in [false, true] {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connection.execute("CREATE TYPE pg_temp.mood AS ENUM ('glad', 'sad')").await.unwrap();
        let (first, second) = (mood(&mut connection, persistent).await, mood(&mut connection, persistent).await);
        println!("persistent({persistent}): first {first:?}, then {second:?}");
        as_seen &= first.is_err_and(|error| error.contains("unnamed prepared statement does not exist")) != persistent;
        as_seen &= second.is_ok_and(|mood| mood == "glad");
    }
    std::process::exit(i32::from(!as_seen));
}
RUST
cargo run --quiet --manifest-path "$folder/Cargo.toml"
