//! The server:
//!
//! ```sh
//! cargo run -p ebbtide-example-web                                   # on a SQLite file, notes.db
//! DATABASE_URL=postgres://localhost/notes cargo run -p ebbtide-example-web   # or mysql://…
//! curl -d '{"name": "Ada", "email": "ada@example.com"}' -H 'content-type: application/json' localhost:3000/users
//! ```

use std::error::Error;
use std::process::ExitCode;

use ebbtide::Database;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `Display` is meant for users, and never contains a password.
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite://notes.db".to_owned());
    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());

    let database = Database::connect(url).await?;
    ebbtide_example_web::migrate(&database).await?;
    let listener = TcpListener::bind(address).await?;
    println!("http://{} on {}", listener.local_addr()?, database.url());

    ebbtide_example_web::serve(listener, database.clone(), asked_to_stop()).await?;
    database.disconnect().await?;
    println!("stopped");
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
async fn asked_to_stop() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    // Without a handler, Ctrl-C ends the process anyway.
    let _ = tokio::signal::ctrl_c().await;
}
