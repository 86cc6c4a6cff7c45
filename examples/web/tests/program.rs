//! The program itself: it connects at the start, answers, and disconnects when it is asked to stop.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Ends the program even if the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn w1_starts_answers_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Running(
        Command::new(env!("CARGO_BIN_EXE_ebbtide-example-web"))
            .env(
                "DATABASE_URL",
                format!("sqlite://{}", folder.path().join("notes.db").display()),
            )
            .env("LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut output = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let greeting = output.next().unwrap().unwrap();
    let address = greeting.split_once(" on ").unwrap().0;

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("{address}/health")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), r#"{"database":true}"#);

    let stop = Command::new("kill").arg(program.0.id().to_string()).status().unwrap();
    assert!(stop.success());
    assert_eq!(output.next().unwrap().unwrap(), "stopped");
    assert!(program.0.wait().unwrap().success());
}

#[test]
fn database_that_is_not_there_is_said_to_be() {
    let output = Command::new(env!("CARGO_BIN_EXE_ebbtide-example-web"))
        .env("DATABASE_URL", "sqlite:///nowhere/at/all/notes.db")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("/nowhere/at/all/notes.db"),
        "{said}"
    );
}
