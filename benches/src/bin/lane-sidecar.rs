//! One lane of `benches/python/measure.py`: this library over a driver of JDBC or a module of DB-API 2. Not for use by
//! hand.
//!
//! ```text
//! lane-sidecar ebbtide:DRIVER FOLDER ROWS
//! ```
//!
//! Reads `select N`, `rows N` and `sandbox N`, and answers each with the microseconds that an operation takes: by the
//! clock, of processor time, that of the process of the drivers included, and of processor time without that. The lane `pipes` answers `select N` with
//! the time in which as many bytes as a select has go to the program `cat` and back: nothing over pipes is faster.

use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use chrono::{NaiveDate, NaiveDateTime};
use ebbtide::{AssertSqlSafe, Config, Database, Result, params};

const COLUMNS: &str = "SELECT id, number, name, price, created FROM note";

/// A row of the table; SQLite keeps the time as text.
#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Note {
    id: i64,
    number: i64,
    name: String,
    price: f64,
    created: NaiveDateTime,
}

impl Note {
    fn new(id: i64) -> Self {
        let created = NaiveDate::from_ymd_opt(2026, 12, 1).and_then(|day| day.and_hms_micro_opt(3, 4, 5, 6));
        Self {
            id,
            number: id * 1_000_000_007,
            name: format!("name {id}"),
            price: id as f64 / 4.0,
            created: created.unwrap_or_default(),
        }
    }
}

fn config(lane: &str, folder: &str) -> Result<Config> {
    let jars = std::env::var("EBBTIDE_TEST_JDBC").unwrap_or_else(|_| "/usr/share/java".to_owned());
    let python = std::env::var("EBBTIDE_LANE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let url = match lane {
        "jdbc-h2" => format!("jdbc+h2://{folder}/ebbtide?classpath={jars}/h2.jar"),
        "jdbc-sqlite" => format!("jdbc+sqlite://{folder}/ebbtide-jdbc.db?classpath={jars}/sqlite-jdbc.jar"),
        "dbapi2-sqlite3" => format!("dbapi2://{folder}/ebbtide.db?dbapi_path=sqlite3&python={python}"),
        "dbapi2-duckdb" => format!("dbapi2://{folder}/ebbtide.duck?dbapi_path=duckdb&python={python}"),
        _ => {
            let server = std::env::var("EBBTIDE_TEST_POSTGRES_URL").unwrap_or_default();
            let (_, rest) = server.split_once("://").unwrap_or(("", &server));
            format!("dbapi2+postgresql://{rest}?dbapi_path=psycopg&python={python}")
        }
    };
    Config::from_url(url.as_str())
}

async fn fill(database: &Database, text: bool, count: i64) -> Result<()> {
    let time = if text { "TEXT" } else { "TIMESTAMP" };
    database.execute("DROP TABLE IF EXISTS note", ()).await?;
    let create = format!(
        "CREATE TABLE note (id INTEGER PRIMARY KEY, number BIGINT, name VARCHAR(40), price DOUBLE PRECISION, created {time})"
    );
    database.execute(AssertSqlSafe(create), ()).await?;
    let rows: Vec<_> = (1..=count).map(Note::new).collect();
    let rows = rows
        .iter()
        .map(|note| (note.id, note.number, note.name.clone(), note.price, note.created));
    database
        .execute_many("INSERT INTO note VALUES (?, ?, ?, ?, ?)", rows.collect::<Vec<_>>())
        .await?;
    Ok(())
}

async fn select(database: &Database, id: i64) -> Result<Note> {
    let sql = "SELECT id, number, name, price, created FROM note WHERE id = ?";
    database.fetch_one(sql, (id,)).decode::<Note>().await
}

async fn rows(database: &Database) -> Result<Vec<Note>> {
    database.fetch_all(COLUMNS, ()).decode::<Note>().await
}

/// A test: opens a sandbox, runs three statements in it, and closes it. Each uses other rows: what was rolled back stays in
/// PostgreSQL's table for a while, and whoever reads such a row passes over all of that.
async fn sandbox(database: &Database, id: i64) -> Result<()> {
    let sandbox = database.sandbox().await?;
    sandbox
        .execute("UPDATE note SET price = 1 WHERE id = :id", params! { id })
        .await?;
    sandbox
        .execute("DELETE FROM note WHERE id = :id", params! { id: id + 1 })
        .await?;
    let count: i64 = sandbox
        .fetch_value(
            "SELECT count(*) FROM note WHERE id IN (:id, :next)",
            params! { id, next: id + 1 },
        )
        .await?;
    assert_eq!(count, 1);
    sandbox.disconnect().await?;
    Ok(())
}

/// Returns the processor time that a process has used, in microseconds.
fn used(process: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap_or_default();
    let first: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    first / 1000.0
}

/// Returns the processor time of a process, all threads included.
fn of_process(process: &str) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    tasks
        .map(|task| used(&format!("{process}/task/{}", task.file_name().to_string_lossy())))
        .sum()
}

/// Returns the processor time of this process and of those that it has started, and that of this process alone.
fn processor_time() -> [f64; 2] {
    let own = of_process("self");
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let children = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let of_children: f64 = children
        .flat_map(|children| children.split_whitespace().map(of_process).collect::<Vec<_>>())
        .sum();
    [own + of_children, own]
}

/// Number of bytes of a `RUN` and of its answer.
const FRAMES: [u8; 128] = [7; 128];

/// Returns what sends bytes to another process and waits until they are back.
fn pipes() -> std::io::Result<impl FnMut() -> std::io::Result<()>> {
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (mut input, mut output) = input.zip(output).ok_or(std::io::ErrorKind::BrokenPipe)?;
    Ok(move || {
        input.write_all(&FRAMES)?;
        output.read_exact(&mut [0; FRAMES.len()])
    })
}

/// Answers the commands of the lane of pipes.
fn answer_pipes() -> std::io::Result<()> {
    let mut turn = pipes()?;
    println!("ready");
    for command in std::io::stdin().lock().lines() {
        let times = times(&command?);
        let (begun, before) = (Instant::now(), processor_time());
        for _ in 0..times {
            turn()?;
        }
        tell(begun, before, times);
    }
    Ok(())
}

/// Returns the number in a command.
fn times(command: &str) -> i64 {
    command
        .split_once(' ')
        .and_then(|(_, times)| times.trim().parse().ok())
        .unwrap_or(1)
}

/// Answers a command.
fn tell(begun: Instant, before: [f64; 2], times: i64) {
    let clock = begun.elapsed().as_secs_f64() * 1e6 / times as f64;
    let now = processor_time();
    let [all, own] = [0, 1].map(|at| (now[at] - before[at]) / times as f64);
    println!("{clock} {all} {own}");
    // A closed pipe ends the next read.
    let _ = std::io::stdout().flush();
}

async fn answer(lane: &str, folder: &str, count: i64) -> Result<()> {
    let database = Database::connect(config(lane, folder)?).await?;
    fill(&database, lane.contains("sqlite"), count).await?;
    let wanted: Vec<_> = (1..=count).map(Note::new).collect();
    let mut found = rows(&database).await?;
    found.sort_by_key(|note| note.id);
    if found != wanted || select(&database, 7).await? != wanted[6] {
        eprintln!("other rows were read than were written");
        std::process::exit(1);
    }
    println!("ready");
    for command in std::io::stdin().lock().lines() {
        let command = command.unwrap_or_default();
        let (word, times) = (command.split(' ').next().unwrap_or_default(), times(&command));
        let (begun, before) = (Instant::now(), processor_time());
        for turn in 0..times {
            match word {
                "select" => drop(select(&database, turn % count + 1).await?),
                "rows" => drop(rows(&database).await?),
                _ => sandbox(&database, (turn * 7) % (count - 1) + 1).await?,
            }
        }
        tell(begun, before, times);
    }
    database.disconnect().await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, lane, folder, count] = &arguments[..] else {
        eprintln!("usage: lane-sidecar ebbtide:DRIVER FOLDER ROWS");
        std::process::exit(2);
    };
    let lane = lane.trim_start_matches("ebbtide:");
    if lane == "pipes" {
        if let Err(error) = answer_pipes() {
            eprintln!("{error}");
            std::process::exit(1);
        }
        return;
    }
    if let Err(error) = answer(lane, folder, count.parse().unwrap_or(10_000)).await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
