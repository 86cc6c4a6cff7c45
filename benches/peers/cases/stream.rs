//! A million rows, one by one.
//!
//! Each contender streams in a process of its own: in this one, memory that other cases have freed would hide what a
//! stream needs.

use std::process::{Command, Stdio};
use std::time::Instant;

use ebbtide::{Database, params};
use futures::TryStreamExt;
use sqlx::ConnectOptions;

use crate::Outcome;
use crate::effort::Effort;
use crate::memory::Growth;
use crate::peer::{Peer, ROWS, Record, STREAM};
use crate::report::Report;

const ALONE: &str = "EBBTIDE_BENCH_STREAM";

/// What a process is told that only streams: database, contender, factor, URL.
#[derive(Debug)]
pub(crate) struct Alone(String);

pub(crate) fn run<P: Peer>(url: &str, effort: &Effort, report: &mut Report) -> Outcome {
    let factor = effort.stream_factor();
    let wanted = factor * ROWS;
    println!(
        "\n### {}: a stream of {wanted} rows of five columns by FromRow\n",
        P::SHOWN
    );
    println!("| | µs a row | resident memory above idle |\n|---|---|---|");
    for (name, contender) in [
        ("sqlx `fetch`, bare connection", "sqlx"),
        ("ebbtide `iterate`", "ebbtide"),
    ] {
        let output = Command::new(std::env::current_exe()?)
            .env(ALONE, format!("{} {contender} {factor} {url}", P::SHOWN))
            .stderr(Stdio::inherit())
            .output()?;
        let output = String::from_utf8(output.stdout)?;
        let [count, micros, megabytes] = output.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err(format!("{name}: the process that streams ended early").into());
        };
        if count.parse() != Ok(wanted) {
            return Err(format!("{name}: {wanted} rows were to come, {count} came").into());
        }
        println!("| {name} | {micros} | {megabytes} MB |");
        if let ("ebbtide", Ok(growth)) = (contender, megabytes.parse()) {
            report.megabytes("a stream of a million rows, memory above idle", 10.0, growth);
        }
    }
    Ok(())
}

impl Alone {
    pub(crate) fn from_environment() -> Option<Self> {
        std::env::var(ALONE).ok().map(Self)
    }

    /// Streams, and prints the number of rows, the time of each, and the growth of memory.
    pub(crate) async fn run(&self) -> Outcome {
        let told: Vec<&str> = self.0.rsplitn(4, ' ').collect();
        let [url, factor, contender, backend] = told[..] else {
            return Err(format!("{ALONE} is not what this process sets itself").into());
        };
        let (ebbtide, factor) = (contender == "ebbtide", factor.parse()?);
        if backend == sqlx::Postgres::SHOWN {
            measure::<sqlx::Postgres>(ebbtide, factor, url).await
        } else if backend == sqlx::MySql::SHOWN {
            measure::<sqlx::MySql>(ebbtide, factor, url).await
        } else {
            measure::<sqlx::Sqlite>(ebbtide, factor, url).await
        }
    }
}

async fn measure<P: Peer>(ebbtide: bool, factor: i64, url: &str) -> Outcome {
    // The connection is part of being idle, the stream is not.
    let (count, begun, growth) = if ebbtide {
        let database = Database::connect(P::config(url)?).await?;
        let (begun, mut growth) = (Instant::now(), Growth::from_now());
        let mut rows = database.iterate(STREAM, params! { factor }).decode::<Record>();
        let mut count = 0;
        while rows.try_next().await?.is_some() {
            count += 1;
            growth.row(count);
        }
        (count, begun, growth)
    } else {
        let mut bare = P::options(url)?.connect().await?;
        let (begun, mut growth) = (Instant::now(), Growth::from_now());
        let count = P::stream(&mut bare, factor, |number| growth.row(number)).await?;
        (count, begun, growth)
    };
    let micros = begun.elapsed().as_secs_f64() * 1e6 / count.max(1) as f64;
    let megabytes = growth
        .megabytes()
        .map_or("?".to_owned(), |growth| format!("{growth:.1}"));
    println!("{count} {micros:.2} {megabytes}");
    Ok(())
}
