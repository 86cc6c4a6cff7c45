#!/usr/bin/env bash
# Postgres.js reads a timestamp of the years 1 to 99 as one of another year, 50 as 1950 and 49 as 2049, and of the years 13 to
# 31 as an Invalid Date: it passes the server's text to JavaScript's Date, which takes 0050 for a year of two digits, or for a
# month or day. node-postgres reads the same text right.
#
# Needs a server of PostgreSQL: PGHOST (127.0.0.1), PGPORT (5432), PGUSER (postgres), PGPASSWORD (empty), PGDATABASE
# (postgres), as in `docker run --rm -e POSTGRES_HOST_AUTH_METHOD=trust -p 5432:5432 postgres:18`.
# Seen with PostgreSQL 18.4, postgres 3.4.9 and pg 8.23.1, in UTC: 1950 and 2049 for the years 50 and 49. Exits with 1 if the
# driver does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" postgres@3.4.9 pg@8.23.1 >/dev/null
cat >script.cjs <<'JAVASCRIPT'
const postgres = require("postgres");
const { Client } = require("pg");

const settings = {
  host: process.env.PGHOST ?? "127.0.0.1",
  port: Number(process.env.PGPORT ?? 5432),
  user: process.env.PGUSER ?? "postgres",
  password: process.env.PGPASSWORD,
  database: process.env.PGDATABASE ?? "postgres",
};

async function main() {
  const sql = postgres(settings);
  const client = new Client(settings);
  await client.connect();
  const seen = [];
  for (const year of ["0050", "0049"]) {
    const text = `SELECT timestamp '${year}-06-01 12:00' AS t`;
    const [one] = await sql.unsafe(text);
    const other = (await client.query(text)).rows[0];
    console.log(year, "postgres", one.t, "pg", other.t);
    seen.push(one.t.getFullYear(), other.t.getFullYear());
  }
  await sql.end();
  await client.end();
  process.exitCode = JSON.stringify(seen) === "[1950,50,2049,49]" ? 0 : 1;
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 2;
});
JAVASCRIPT
TZ=UTC node script.cjs
