//! A case, and the macro that collects the cases of a file.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use libtest_mimic::{Completion, Failed, Trial};

use super::{Test, galera_provider, pgbouncer, runner};
use crate::backends::{Backend, setting};
use crate::drivers::Driver;

/// Lists the cases of a file: `cases! { async fn x2_inner_rollback_keeps_the_outer(t: Test) { … } }`.
///
/// Each becomes one test for each backend, named `file::case::backend`, and one for each driver of another language,
/// named `file::case::driver`. A case may return a `Result`. Attributes: `#[only(postgres, mysql)]` and
/// `#[except(sqlite_memory)]` choose backends by name or family, and drivers by name or bridge (`jdbc`, `dbapi2`), where
/// a promise does not apply to all; a driver in Rust goes with its backend; `only` without a driver or bridge, and
/// `#[native]`, are for what drivers of other languages do not have; `#[sqlx]` is for what only the drivers of sqlx have; `#[current_thread]` runs on a current-thread runtime; `#[limit(120)]` allows that many seconds instead
/// of 60; `#[cluster]` is for cases that start their own servers from installed programs; `#[galera]` is for those that
/// also need the library of Galera; `#[pgbouncer]` is for those that start `PgBouncer`; `#[returning]` is for those whose statements return what they wrote. If a
/// requirement is missing, the case is ignored with the reason.
macro_rules! cases {
    ($($(#[$($option:tt)+])* async fn $name:ident($test:ident: Test) $(-> $output:ty)? $body:block)*) => {
        pub(crate) fn cases() -> Vec<$crate::support::Case> {
            vec![$(
                $crate::support::Case::new(module_path!(), stringify!($name), |test| Box::pin(async move {
                    $crate::support::Outcome::outcome($name(test).await)
                }))
                $(.option(stringify!($($option)+)))*
            ),*]
        }

        $(async fn $name($test: $crate::support::Test) $(-> $output)? $body)*
    };
}
pub(crate) use cases;

/// The cases that SQL Server runs besides its own.
const SQL_SERVER: &str = include_str!("../sql_server.txt");

/// The variable with which it runs all of them, to find those that could be listed.
const ALL_CASES: &str = "EBBTIDE_TEST_MSSQL_ALL";

/// Returns an error if the list of cases for SQL Server names one that is not there.
pub(crate) fn the_list_is_of_cases(cases: &[Case]) -> Result<(), Failed> {
    let file = |name: &str| name.split("::").next().unwrap_or_default().to_owned();
    // A file may be left out with a feature.
    let known = |name: &str| {
        cases.iter().any(|case| case.name == name) || !cases.iter().any(|case| file(&case.name) == file(name))
    };
    match SQL_SERVER.lines().find(|name| !known(name)) {
        Some(name) => Err(format!("tests/it/sql_server.txt names `{name}`, and there is no such case").into()),
        None => Ok(()),
    }
}

/// The body of a case.
pub(crate) type Body = fn(Test) -> LocalBoxFuture<'static, Result<(), String>>;

/// The types that a case may return.
pub(crate) trait Outcome {
    fn outcome(self) -> Result<(), String>;
}

impl Outcome for () {
    fn outcome(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Debug> Outcome for Result<(), E> {
    fn outcome(self) -> Result<(), String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// One case, which becomes a test for each backend.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    name: String,
    body: Body,
    backends: Vec<Backend>,
    drivers: Vec<Driver>,
    /// Those that `except` names.
    excepted: Vec<Driver>,
    current_thread: bool,
    /// Returns why its own servers cannot be started, if it needs some.
    missing: fn(Backend) -> Option<String>,
    /// Set if the server needs `RETURNING`.
    returning: bool,
    limit: Duration,
}

impl Case {
    pub(crate) fn new(module: &str, name: &str, body: Body) -> Self {
        let file = module.split_once("cases::").map_or(module, |(_, file)| file);
        Self {
            name: format!("{file}::{name}"),
            body,
            backends: Backend::NATIVE.to_vec(),
            drivers: Driver::ALL.to_vec(),
            excepted: Vec::new(),
            current_thread: false,
            missing: |_| None,
            returning: false,
            limit: Duration::from_mins(1),
        }
    }

    /// Reads one attribute of the case, as the compiler writes it.
    pub(crate) fn option(mut self, text: &str) -> Self {
        let (word, rest) = text.split_once('(').unwrap_or((text, ""));
        let arguments = rest.trim_end_matches(')');
        match word.trim() {
            "only" => {
                let (backends, drivers) = self.named(arguments);
                self.backends.retain(|backend| backends.contains(backend));
                self.drivers.retain(|driver| drivers.contains(driver));
            }
            "except" => {
                let (backends, drivers) = self.named(arguments);
                let needless: Vec<_> = drivers.iter().filter(|driver| !self.drivers.contains(driver)).collect();
                assert!(
                    needless.is_empty(),
                    "{}: `except` names {needless:?}, which are out already",
                    self.name
                );
                // What a backend cannot do, no driver can do for it.
                self.drivers
                    .retain(|driver| !drivers.contains(driver) && !backends.contains(&alike(*driver)));
                self.backends.retain(|backend| !backends.contains(backend));
                self.excepted.extend(drivers);
            }
            "sqlx" => self.drivers.clear(),
            "native" => {
                assert!(
                    !self.excepted.iter().any(|driver| driver.is_foreign()),
                    "{}: `native` leaves no driver to except",
                    self.name
                );
                self.drivers.retain(|driver| !driver.is_foreign());
            }
            "current_thread" => self.current_thread = true,
            "cluster" => self.missing = Backend::no_programs,
            "returning" => self.returning = true,
            "pgbouncer" => self.missing = |_| pgbouncer().err(),
            "galera" => self.missing = |_| galera_provider().err(),
            "limit" => {
                let seconds = arguments.trim().parse();
                self.limit = Duration::from_secs(seconds.expect("`limit` wants a number of seconds"));
            }
            word if word.starts_with("doc") => {}
            _ => panic!("{}: a case has no attribute `{text}`", self.name),
        }
        self
    }

    fn named(&self, arguments: &str) -> (Vec<Backend>, Vec<Driver>) {
        let (mut backends, mut drivers) = (Vec::new(), Vec::new());
        for word in arguments.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let before = backends.len() + drivers.len();
            let backend = |backend: &Backend| backend.name() == word || backend.family() == word;
            backends.extend(Backend::NATIVE.into_iter().filter(backend));
            let driver = |driver: &Driver| {
                let backend = driver.backend();
                driver.name() == word
                    || driver.bridge().name() == word
                    || !driver.is_foreign() && (backend.name() == word || backend.family() == word)
                    || driver.backend().name() == word && driver.backend() == Backend::Standard
            };
            drivers.extend(Driver::ALL.into_iter().filter(driver));
            assert!(
                backends.len() + drivers.len() > before,
                "{}: there is no backend or driver `{word}`",
                self.name
            );
        }
        (backends, drivers)
    }

    /// Returns whether the case is meant for a backend. Most cases have SQL that SQL Server does not read; the list has those
    /// that were tried on it.
    fn is_for(&self, backend: Backend) -> bool {
        let tried = || SQL_SERVER.lines().any(|name| name == self.name);
        backend != Backend::SqlServer || self.backends.len() == 1 || setting(ALL_CASES).is_some() || tried()
    }

    /// Returns the tests of this case.
    pub(crate) fn trials(&self) -> Vec<Trial> {
        let backends = self.backends.iter().filter(|backend| self.is_for(**backend));
        let backends = backends.map(|&backend| (backend, None));
        let drivers = self.drivers.iter().map(|&driver| (driver.backend(), Some(driver)));
        backends
            .chain(drivers)
            .map(|(backend, driver)| self.trial(backend, driver))
            .collect()
    }

    /// Returns the tests that `except` takes from drivers.
    pub(crate) fn excepted(&self) -> Vec<Trial> {
        let excepted = self.excepted.iter();
        excepted
            .map(|&driver| self.trial(driver.backend(), Some(driver)))
            .collect()
    }

    fn trial(&self, backend: Backend, driver: Option<Driver>) -> Trial {
        let name = format!("{}::{}", self.name, driver.map_or(backend.name(), Driver::name));
        let left_out = match driver {
            Some(driver) => driver.left_out().or_else(|| driver.passed_over(&self.name)),
            None => backend.left_out(),
        };
        if let Some(reason) = left_out.or_else(|| (self.missing)(backend)) {
            // nextest reads the ignored flag before it runs; libtest shows a reason only when it is reported late.
            let early = std::env::var_os("NEXTEST").is_some();
            return Trial::ignorable_test(name, || Ok(Completion::ignored_with(reason))).with_ignored_flag(early);
        }
        let (body, current_thread, limit) = (self.body, self.current_thread, self.limit);
        let returning = self.returning;
        Trial::ignorable_test(name.clone(), move || {
            // Only the server knows its product.
            if returning && let Some(reason) = no_returning(backend, driver) {
                return Ok(Completion::ignored_with(reason));
            }
            runner::run(&name, backend, driver, body, current_thread, limit)?;
            Ok(Completion::Completed)
        })
    }
}

/// Returns the backend whose limits a driver shares: nothing but the library sees the databases of other products.
fn alike(driver: Driver) -> Backend {
    match driver.backend() {
        Backend::Standard => Backend::SqliteMemory,
        backend => backend,
    }
}

fn no_returning(backend: Backend, driver: Option<Driver>) -> Option<String> {
    match driver {
        Some(Driver::H2 | Driver::Hsqldb | Driver::Derby) => Some("its SQL has no RETURNING".to_owned()),
        Some(Driver::OdbcSqlite) => Some("its driver loses the rows of RETURNING".to_owned()),
        _ => backend.no_returning(),
    }
}
