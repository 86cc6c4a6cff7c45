//! The application under test: the real server on a real port, and a client for it.

use std::sync::atomic::{AtomicU64, Ordering};

use ebbtide::Database;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server with a client.
pub struct App {
    /// Database that the handlers use too.
    pub database: Database,
    client: reqwest::Client,
    address: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

/// A response: status and JSON, which is null without a body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl App {
    /// Starts the server on a free port.
    pub async fn start(database: Database) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let server = ebbtide_example_web::serve(listener, database.clone(), async {
            // An error means that the test has ended, which stops the server too.
            let _ = stopped.await;
        });
        Self {
            database,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            address,
            stop,
            server: tokio::spawn(server),
        }
    }

    /// Stops the server and releases the database.
    pub async fn stop(self) {
        drop(self.client);
        let _ = self.stop.send(());
        self.server.await.unwrap().unwrap();
        self.database.disconnect().await.unwrap();
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.address));
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::read(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends a request with a verbatim body.
    pub async fn post_text(&self, path: &str, kind: Option<&str>, body: &'static str) -> Answer {
        let mut request = self.client.post(format!("{}{path}", self.address)).body(body);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        Answer::read(request).await
    }

    /// Creates a user and returns the key.
    pub async fn user(&self) -> i64 {
        let user = json!({ "name": "Ada", "email": address() });
        self.post("/users", user).await.key()
    }

    /// Creates a note of a new user and returns the key.
    pub async fn note(&self, title: &str, tags: &[&str]) -> i64 {
        let user = self.user().await;
        self.note_of(user, title, tags).await
    }

    pub async fn note_of(&self, user: i64, title: &str, tags: &[&str]) -> i64 {
        let note = json!({ "user_id": user, "title": title, "tags": tags });
        self.post("/notes", note).await.key()
    }

    /// Returns the titles of a list of notes.
    pub async fn titles(&self, query: &str) -> Vec<String> {
        let answer = self.get(&format!("/notes{query}")).await.expect(200);
        let notes = answer.as_array().unwrap().iter();
        notes.map(|note| note["title"].as_str().unwrap().to_owned()).collect()
    }
}

impl Answer {
    async fn read(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.bytes().await.unwrap();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"))
        };
        Self { status, body }
    }

    /// Returns the body of a response with that status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Returns the key of the created row.
    #[track_caller]
    pub fn key(self) -> i64 {
        self.expect(201)["id"].as_i64().unwrap()
    }

    /// Returns the message of a response with that status.
    #[track_caller]
    pub fn message(self, status: u16) -> String {
        self.expect(status)["message"].as_str().unwrap().to_owned()
    }
}

/// Returns an e-mail address that no other test uses. Two sandboxes that insert the same unique key wait for each
/// other, as any two transactions do.
pub fn address() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("ada.{}@example.com", NEXT.fetch_add(1, Ordering::Relaxed))
}
