#!/usr/bin/env bash
# With `statement_cache_capacity(0)` sqlx-postgres still prepares each query under a name, but neither keeps it nor closes it. So the
# server's session holds one more prepared statement for each execution, for as long as the connection lives. Only
# `persistent(false)`, which has to be said for each query, leaves nothing behind.
#
# Needs cargo and a server of PostgreSQL: POSTGRES_URL (postgres://postgres@127.0.0.1:5432/postgres). Seen with sqlx 0.9.0 and
# PostgreSQL 15 and 18: 100 statements after 100 executions of one query. Exits with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "keeps"
version = "0.1.0"
edition = "2024"

[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "postgres"] }
tokio = { version = "1", features = ["full"] }
TOML
cat >"$folder/src/main.rs" <<'RUST'
use sqlx::{ConnectOptions, Row, postgres::PgConnectOptions};

async fn kept(url: &str, persistent: bool) -> i64 {
    let options: PgConnectOptions = url.parse().unwrap();
    let mut connection = options.statement_cache_capacity(0).connect().await.unwrap();
    for number in 0..100_i64 {
        let query = sqlx::query("SELECT $1").bind(number).persistent(persistent);
        query.fetch_one(&mut connection).await.unwrap();
    }
    let row = sqlx::raw_sql("SELECT count(*)::int8 FROM pg_prepared_statements").fetch_one(&mut connection).await.unwrap();
    row.try_get_unchecked::<String, _>(0).unwrap().parse().unwrap()
}

#[tokio::main]
async fn main() {
    let url = std::env::var("POSTGRES_URL").unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
    let (kept, left) = (kept(&url, true).await, kept(&url, false).await);
    println!("kept after 100 executions: {kept}; with persistent(false): {left}");
    std::process::exit(i32::from((kept, left) != (100, 0)));
}
RUST
cargo run --quiet --manifest-path "$folder/Cargo.toml"
