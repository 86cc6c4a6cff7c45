//! K3: distinct kinds of errors.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use ebbtide::testing::{TestDatabase, create_database, database_exists, drop_database};
use ebbtide::{DatabaseUrl, ErrorKind};
use futures::FutureExt;

use super::{Own, client, exists};
use crate::backends::Backend;
use crate::support::{SideConnection, SilentServer, Test, block_on_here, cases};

/// A user who may only log in, and the test's URL with that user in it. The user is dropped with this value.
struct Nobody {
    server: String,
    name: String,
    mysql: bool,
}

impl Nobody {
    async fn new(t: &Test) -> Self {
        let nobody = Self {
            server: t.url(),
            name: format!("nobody_{}", t.id()),
            mysql: t.backend().is_mysql(),
        };
        let name = &nobody.name;
        t.observe_exec(&if nobody.mysql {
            format!("create user {name}@'%' identified by 'sec@ret'")
        } else {
            format!("create role {name} login password 'sec@ret'")
        })
        .await;
        nobody
    }

    fn url(&self, url: &str) -> String {
        let url: DatabaseUrl = url.parse().unwrap();
        url.with_username(self.name.as_str()).with_password("sec@ret").expose()
    }
}

impl Drop for Nobody {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let sql = if self.mysql {
            format!("drop user {name}@'%'")
        } else {
            format!("drop role {name}")
        };
        let clean = move || {
            block_on_here(async {
                let mut side = SideConnection::connect(&server).await?;
                side.execute(&sql).await?;
                side.close().await
            })
        };
        let _ = std::thread::spawn(clean).join();
    }
}

cases! {
    #[only(postgres, mysql)]
    async fn k3_missing_rights_are_reported(t: Test) {
        let mut own = Own::new(&t);
        let (there, missing) = (own.url("there"), own.url("missing"));
        create_database(&there).await.unwrap();
        let nobody = Nobody::new(&t).await;
        let denied = |error: ebbtide::Error| {
            assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
            let text = format!("{error} {error:?}");
            assert!(text.contains("help:") && !text.contains("sec@ret") && !text.contains("sec%40ret"), "{text}");
        };
        denied(create_database(nobody.url(&missing)).await.unwrap_err());
        denied(create_database(nobody.url(&missing)).if_missing().await.unwrap_err());
        denied(drop_database(nobody.url(&there)).await.unwrap_err());
        denied(drop_database(nobody.url(&there)).if_exists().await.unwrap_err());
        denied(client(&nobody.url(&missing)).prefix("testing_").await.unwrap_err());
        if t.backend().is_mysql() {
            // MySQL does not even report which databases exist.
            denied(database_exists(nobody.url(&there)).await.unwrap_err());
            denied(database_exists(nobody.url(&missing)).await.unwrap_err());
        } else {
            assert!(exists(&nobody.url(&there)).await);
            assert!(!exists(&nobody.url(&missing)).await);
            assert!(!create_database(nobody.url(&there)).if_missing().await.unwrap(), "what is there can be used");
        }
        assert!(exists(&there).await && !exists(&missing).await);
    }

    #[only(mysql)]
    async fn k3_a_wrong_password_is_not_a_missing_database(t: Test) {
        let nobody = Nobody::new(&t).await;
        let url: DatabaseUrl = nobody.url(&t.url()).parse().unwrap();
        let url = url.with_password("wrong!");
        for error in [
            database_exists(&url).await.unwrap_err(),
            create_database(&url).if_missing().await.unwrap_err(),
            drop_database(&url).if_exists().await.unwrap_err(),
            TestDatabase::builder(&url).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
            assert!(!format!("{error:?}").contains("wrong!"), "{error:?}");
        }
    }

    #[only(postgres)]
    async fn k3_a_missing_role_is_not_a_missing_database(t: Test) {
        let url: DatabaseUrl = t.url().parse().unwrap();
        let url = url.with_username(format!("missing_{}", t.id()).as_str());
        for error in [
            database_exists(&url).await.unwrap_err(),
            create_database(&url).if_missing().await.unwrap_err(),
            drop_database(&url).if_exists().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        }
    }

    #[only(postgres, mysql)]
    async fn k3_a_silent_server_is_a_timeout_and_a_missing_one_a_refusal(t: Test) {
        let server = SilentServer::start().unwrap();
        let silent = server.url(t.backend().family());
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let refused = silent.parse::<DatabaseUrl>().unwrap().with_port(free).expose();
        for (url, kind) in [(silent, ErrorKind::Timeout), (refused, ErrorKind::Connect)] {
            let limit = Duration::from_millis(200);
            let start = Instant::now();
            let errors = [
                database_exists(&url).timeout(limit).await.unwrap_err(),
                create_database(&url).if_missing().timeout(limit).await.unwrap_err(),
                drop_database(&url).if_exists().timeout(limit).await.unwrap_err(),
                client(&url).operation_timeout(limit).await.unwrap_err(),
                client(&url).use_existing(true).operation_timeout(limit).await.unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind(), kind, "{error}");
                assert!(error.to_string().contains("nowhere"), "{error}");
                assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
            }
            assert!(start.elapsed() < Duration::from_secs(10));
        }
    }

    #[only(postgres, mysql)]
    async fn k3_the_limit_of_connecting_is_a_timeout_too(t: Test) {
        let server = SilentServer::start().unwrap();
        let url = format!("{}?connect_timeout=200ms", server.url(t.backend().family()));
        let error = database_exists(&url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }

    #[only(sqlite_file)]
    async fn k3_a_directory_in_the_way_is_reported_as_one(t: Test) {
        let missing = format!("sqlite://{}/no/such/app.db", t.folder().display());
        assert!(!exists(&missing).await);
        let error = create_database(&missing).if_missing().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseNotFound, "{error}");
        assert!(error.to_string().contains("directory does not exist"), "{error}");
        let error = client(&missing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseNotFound, "{error}");
    }

    #[native]
    async fn k3_outside_of_a_runtime_it_says_so(t: Test) {
        let url = t.url();
        let outside = move || {
            let steps = [
                async { database_exists(&url).await.map(drop) }.now_or_never().unwrap(),
                async { client(&url).await.map(drop) }.now_or_never().unwrap(),
            ];
            steps.map(|step| step.err().map(|error| error.kind()))
        };
        let kinds = std::thread::spawn(outside).join().unwrap();
        if t.backend() != Backend::SqliteMemory {
            assert_eq!(kinds[0], Some(ErrorKind::Connect));
        }
        assert_eq!(kinds[1], Some(ErrorKind::Connect));
    }
}
