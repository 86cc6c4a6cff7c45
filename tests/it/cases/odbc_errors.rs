//! What goes wrong with a driver of ODBC before it is connected, and what the error says.

use ebbtide::{Config, Database, Error, ErrorKind};

use crate::backends::setting;
use crate::support::cases;

async fn error(url: &str) -> Error {
    Database::connect(url).await.expect_err("it connects")
}

fn place() -> String {
    setting("EBBTIDE_TEST_ODBC").expect("the folder of the drivers")
}

cases! {
    #[only(odbc_sqlite)]
    async fn b9_a_driver_that_is_not_installed_is_named_beside_those_that_are(_t: Test) {
        let error = error("odbc:///?driver=Nonesuch&server=h&pwd=hunter2").await;
        let told = format!("{error} {error:?}");
        assert_eq!(error.kind(), ErrorKind::Config, "{told}");
        assert!(told.contains("no ODBC driver is called `Nonesuch`") && told.contains("`SQLite3`"), "{told}");
        assert!(told.contains("odbcinst") && !told.contains("hunter2"), "{told}");
    }

    #[only(odbc_sqlite)]
    async fn b9_a_data_source_that_does_not_exist_is_named(_t: Test) {
        let error = error("odbc://ada:hunter2@no-such-source").await;
        let told = format!("{error} {error:?}");
        assert_eq!(error.kind(), ErrorKind::Config, "{told}");
        assert!(told.contains("no ODBC data source is called `no-such-source`"), "{told}");
        assert!(told.contains("`SQLite3`") && told.contains("odbc.ini") && !told.contains("hunter2"), "{told}");
    }

    #[only(odbc_sqlite)]
    async fn b9_a_library_that_is_missing_is_named(t: Test) {
        let library = t.folder().join("libnone.so");
        let error = error(&format!("odbc:Driver={};Database=x", library.display())).await;
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        assert!(error.to_string().contains("libnone.so"), "{error}");
    }

    #[only(odbc_sqlite)]
    async fn b9_a_wrong_keyword_is_an_error_and_names_the_right_one(_t: Test) {
        let error = error("odbc+postgresql://h/d?sslmoed=require").await;
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("`sslmoed`") && error.to_string().contains("`SSLmode`"), "{error}");
    }

    /// FreeTDS has no server here.
    #[only(odbc_sqlite)]
    async fn b9_a_server_that_does_not_answer_is_named_with_its_driver(_t: Test) {
        for (file, port) in [("libtdsodbc.so", 1), ("psqlodbcw.so", 1), ("libmaodbc.so", 1)] {
            let text = format!("odbc:Driver={}/{file};Server=127.0.0.1;Port={port};Database=d;UID=ada;PWD=hunter2", place());
            let error = error(&text).await;
            let told = format!("{error} {error:?}");
            assert_eq!(error.kind(), ErrorKind::Connect, "{file}: {told}");
            assert!(told.contains("127.0.0.1") && told.contains(file) && !told.contains("hunter2"), "{told}");
        }
    }

    #[only(odbc_postgres, odbc_mariadb)]
    async fn b9_a_database_that_does_not_exist_and_a_wrong_user_have_their_kinds(t: Test) {
        let config = Config::from_url(t.url().as_str()).unwrap();
        let missing = Database::connect(config.clone().database("no_such_database")).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::DatabaseNotFound, "{missing:?}");
        let stranger = Database::connect(config.username("no_such_user").password("hunter2")).await.unwrap_err();
        assert_eq!(stranger.kind(), ErrorKind::Authentication, "{stranger:?}");
        assert!(!format!("{stranger} {stranger:?}").contains("hunter2"));
    }

    /// The dialect of a data source is not known before it is connected.
    #[only(odbc_postgres, odbc_mariadb, odbc_sqlite)]
    async fn b9_a_driver_of_another_dialect_than_the_url_says_is_an_error(t: Test) {
        let url = t.url().replace("odbc+postgresql", "odbc+exotic").replace("odbc+mariadb", "odbc+exotic");
        let error = error(&url.replace("odbc+sqlite://", "odbc+exotic:///?database=").replace(".db?", ".db&")).await;
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        assert!(error.to_string().contains("write `odbc+"), "{error}");
    }
}
