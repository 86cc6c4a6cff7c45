//! Tests of the configuration, from every source.

mod bridges;
mod options;
mod settings;
mod sources;

use std::time::Duration;

use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::error::ErrorKind;

pub(super) fn config(url: &str) -> Config {
    Config::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

pub(super) fn settings(url: &str) -> Settings {
    config(url).settings
}

pub(super) fn refusal(url: &str) -> String {
    match Config::from_url(url) {
        Ok(config) => panic!("{url} was read as {config:?}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Url, "{url}");
            error.to_string()
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
pub(super) fn value(value: Value) -> Config {
    Config::from_value(&value).unwrap_or_else(|error| panic!("{value}: {error}"))
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
pub(super) fn value_refusal(value: Value) -> String {
    match Config::from_value(&value) {
        Ok(config) => panic!("{value} was read as {config:?}"),
        Err(error) => format!("{:?}: {error}", error.kind()),
    }
}

pub(super) fn any_config() -> impl Strategy<Value = Config> {
    let text = || any::<String>().prop_map(|text| text.replace('\0', ""));
    let duration = (1_u64..100_000, 0_u32..1_000_000_000).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos));
    let url = prop::sample::select(vec![
        "postgres://",
        "postgresql+asyncpg://h/d?pool_size=3&channel_binding=require&options=-c%20a%3D1&pool_recycle=60",
        "mysql://?statement_timeout=4&charset=latin1&timezone=UTC",
        "mariadb://[::1]:33/x?socket=/run/my.sock&ssl=true&sslmode=require",
    ]);
    let settings = (
        1_u32..9,
        option::of(duration),
        option::of(text()),
        any::<bool>(),
        option::of(text()),
    );
    (url, option::of(text()), option::of(text()), settings).prop_map(|(url, user, password, settings)| {
        let config = config(url)
            .username(user.as_deref())
            .password(password.as_deref())
            .pool_size(settings.0);
        let config = config
            .statement_timeout(settings.1)
            .pool_recycle(settings.1)
            .application_name(settings.2.as_deref());
        let config = config
            .isolation_level(settings.3.then_some(IsolationLevel::Serializable))
            .echo(settings.3);
        match settings.4 {
            Some(value) => config.server_setting("a", value),
            None => config,
        }
    })
}
