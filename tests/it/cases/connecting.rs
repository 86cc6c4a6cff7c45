//! Connecting: encryption, files of certificates, methods of authentication, and what stands between.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ebbtide::{AssertSqlSafe, Database, Error, ErrorKind, params};
use url::Url;

use super::messages::{assert_error, everything};
use super::pool::with;
use crate::support::{Test, cases};

/// A service that answers `count` connections in its own way.
pub(super) fn service<T: Send + 'static>(
    count: usize,
    answer: impl Fn(usize, TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<Vec<T>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = thread::spawn(move || {
        let answers = (0..count).map(|index| answer(index, listener.accept().unwrap().0));
        answers.collect()
    });
    (address, serving)
}

pub(super) async fn refused(url: impl AsRef<str>) -> Error {
    let connecting = Database::connect(url.as_ref());
    let connected = tokio::time::timeout(Duration::from_secs(20), connecting)
        .await
        .expect("no hang");
    connected.unwrap_err()
}

/// Returns the server's URL for another user.
fn as_user(t: &Test, user: &str, password: &str) -> String {
    let mut url = Url::parse(&t.url()).unwrap();
    url.set_username(user).unwrap();
    url.set_password(Some(password)).unwrap();
    url.into()
}

/// The first message of a client of PostgreSQL that asks for TLS.
pub(super) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Reads the first message of a client.
pub(super) fn first_message(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    let read = stream.read(&mut bytes).unwrap();
    bytes.truncate(read);
    bytes
}

cases! {
    #[only(postgres)]
    async fn u3_allow_encrypts_if_the_server_refuses_otherwise_found_a6(_t: Test) {
        let (address, serving) = service(2, |_, mut stream| {
            let first = first_message(&mut stream);
            if first == SSL_REQUEST {
                stream.write_all(b"N").unwrap();
            } else {
                let fields = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for host, no encryption\0\0";
                let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
                stream.write_all(&[b"E", &length[..], fields].concat()).unwrap();
            }
            first == SSL_REQUEST
        });
        let error = refused(format!("postgres://ada@{address}/shop?sslmode=allow")).await;
        assert_eq!(serving.join().unwrap(), [false, true], "first without, then with TLS");
        // The second attempt failed for lack of TLS, so the first error tells more.
        assert_error(&error, ErrorKind::Authentication, &["no pg_hba.conf entry", &address, "ada"]);
    }

    #[only(postgres, mysql)]
    async fn failure_a_proxy_that_closes_at_once_is_no_other_product_found_a8(t: Test) {
        let family = t.backend().family();
        for mode in ["prefer", "disable"] {
            let (address, serving) = service(1, |_, mut stream| {
                // It reads first, or the system resets the connection.
                stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                let _ = stream.read(&mut [0; 1024]);
            });
            let error = refused(format!("{family}://ada:hush-hush@{address}/shop?sslmode={mode}")).await;
            serving.join().unwrap();
            assert_error(&error, ErrorKind::Connect, &["cannot connect", &address, "proxy"]);
            assert!(!error.to_string().contains("is not"), "{error}");
        }
    }

    #[only(postgres, mysql)]
    async fn failure_files_of_certificates_are_named_found_a8(t: Test) {
        let empty = t.folder().join("empty.pem");
        fs::write(&empty, "no certificate").unwrap();
        let missing = t.folder().join("missing.pem");
        for (option, name) in [("sslrootcert", "certificate"), ("sslcert", "certificate"), ("sslkey", "private key")] {
            for mode in ["prefer", "require", "verify-full"] {
                for file in [&empty, &missing] {
                    let file = file.to_str().unwrap();
                    let url = with(&t.url(), &format!("sslmode={mode}&{option}={file}"));
                    let error = refused(&url).await;
                    assert_error(&error, ErrorKind::Config, &[option, file, name]);
                }
            }
            let url = with(&t.url(), &format!("sslmode=disable&{option}={}", missing.display()));
            Database::connect(url).await.unwrap();
        }
    }

    #[only(mysql)]
    async fn failure_accounts_that_cannot_log_in_say_why_found_v5(t: Test) {
        let user = format!("ebbtide_v5_{}", t.id());
        t.observe_exec(&format!("create user '{user}'@'%' identified by 'hush-hush'")).await;
        t.observe_exec(&format!("grant all on *.* to '{user}'@'%'")).await;
        let right = as_user(&t, &user, "hush-hush");
        Database::connect(right.as_str()).await.unwrap();

        t.observe_exec(&format!("alter user '{user}'@'%' account lock")).await;
        let locked = refused(&right).await;
        t.observe_exec(&format!("alter user '{user}'@'%' account unlock")).await;
        let wrong = refused(as_user(&t, &user, "secret")).await;
        // Another method, which the driver does not know; or, on MySQL, one that needs TLS for a password not seen yet.
        let method = if t.backend().is_mysql_itself() {
            t.observe_exec(&format!("alter user '{user}'@'%' identified by 'hush-hush 2'")).await;
            refused(with(&as_user(&t, &user, "hush-hush 2"), "sslmode=disable")).await
        } else {
            let mut side = t.observer().await;
            // It may be there already.
            let _ = side.execute("install soname 'auth_ed25519'").await;
            t.observe_exec(&format!("alter user '{user}'@'%' identified via ed25519 using password('hush-hush')")).await;
            refused(&right).await
        };
        t.observe_exec(&format!("drop user '{user}'@'%'")).await;

        assert_error(&locked, ErrorKind::Authentication, &[&user, "locked", "ACCOUNT UNLOCK"]);
        assert_error(&wrong, ErrorKind::Authentication, &[&user, "refused"]);
        if t.backend().is_mysql_itself() {
            assert_error(&method, ErrorKind::Authentication, &[&user, "ssl-mode=REQUIRED"]);
            assert!(!method.message().contains("feature"), "{method}");
        } else {
            assert_error(&method, ErrorKind::Authentication, &[&user, "client_ed25519", "ALTER USER"]);
        }
        assert!(!everything(&method).contains("is not MySQL"), "{method:?}");
    }

    // The server acknowledges a request to close a statement 40 ms later, and the system holds back what follows.
    #[only(mysql)]
    async fn q1_statements_beyond_the_cache_wait_for_no_acknowledgement_found_a5(t: Test) {
        const STATEMENTS: i64 = 150;
        for capacity in [0_i64, 5, 50] {
            let options = format!("pool_size=1&statement_cache_capacity={capacity}");
            let database = Database::connect(with(&t.url(), &options)).await.unwrap();
            let mut times = Vec::new();
            for index in 0..STATEMENTS {
                let start = Instant::now();
                let sql = AssertSqlSafe(format!("select :index + {index}"));
                let sum: i64 = database.fetch_value(sql, params! { index }).await.unwrap();
                assert_eq!(sum, index * 2);
                times.push(start.elapsed());
            }
            times.sort();
            // One in each batch has the delay, and some are slow by the load of the machine. With a delay for each it would be all.
            assert!(times[times.len() / 2] < Duration::from_millis(30), "{capacity}: {times:?}");
            let sql = "show session status where variable_name in ('Com_stmt_close', 'Com_stmt_prepare')";
            let counts = database.fetch_all(sql, ()).await.unwrap();
            let counts: Vec<i64> = counts.iter().map(|row| row.get::<String>(1).unwrap().parse().unwrap()).collect();
            let kept = counts[1] - counts[0];
            assert!(kept <= capacity.max(32) + 2, "{capacity}: {kept} are kept");
        }
    }

    #[only(postgres)]
    async fn x3_limits_of_the_server_do_not_end_a_sandbox_found_v8(t: Test) {
        let version = t.observe("select current_setting('server_version_num')::bigint").await;
        let mut limits = vec!["idle_in_transaction_session_timeout"];
        if version >= 170_000 {
            limits.push("transaction_timeout");
        }
        for limit in limits {
            let url = with(&t.url(), &format!("options=-c%20{limit}%3D200"));
            let database = Database::connect(url).await.unwrap();
            let sandbox = database.sandbox().await.unwrap();
            sandbox.execute(t.sql("create table {notes} (id int)"), ()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            sandbox.execute(t.sql("insert into {notes} values (1)"), ()).await.unwrap();
            assert_eq!(sandbox.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).await.unwrap(), 1);
            drop(sandbox);
            // Outside of sandboxes it holds, and the message says so.
            let transaction = database.transaction().await.unwrap();
            transaction.execute("select 1", ()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            let error = transaction.execute("select 1", ()).await.unwrap_err();
            assert!(everything(&error).contains("timeout"), "{error:?}");
        }
    }
}
