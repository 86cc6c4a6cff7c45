//! serde's `Serialize` and `Deserialize` for a configuration, as a dictionary.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::dictionary::REPLICAS;
use super::options::show_all;
use super::{Config, Settings};
use crate::url::DatabaseUrl;

impl Serialize for Config {
    /// Writes the dictionary, **with the password**: `{"connection": {"credentials": {…}}, "pool_size": …}`. It omits
    /// the settings that the options already give.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        dictionary(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_value(value).map_err(D::Error::custom)
    }
}

fn dictionary(config: &Config) -> Value {
    let mut top = Map::new();
    let connection = Map::from_iter([("credentials".to_owned(), credentials(config.url()))]);
    top.insert("connection".to_owned(), Value::Object(connection));
    let said = Config::from_url(config.url().clone()).map_or_else(|_| Settings::default(), |config| config.settings);
    for ((name, value), (_, said)) in show_all(&config.settings).zip(show_all(&said)) {
        if value != said {
            top.insert(name.to_owned(), value);
        }
    }
    if !config.replicas().is_empty() {
        let urls = config.replicas().iter().map(|url| url.expose().into());
        top.insert(REPLICAS.to_owned(), Value::Array(urls.collect()));
    }
    Value::Object(top)
}

fn credentials(url: &DatabaseUrl) -> Value {
    let mut out = Map::new();
    let parts = [
        ("scheme", Some(url.scheme())),
        ("driver", url.driver()),
        ("host", url.host()),
        ("user", url.username()),
        ("password", url.password()),
        ("database", url.database()),
    ];
    for (name, text) in parts {
        if let Some(text) = text {
            out.insert(name.to_owned(), text.into());
        }
    }
    if let Some(port) = url.port() {
        out.insert("port".to_owned(), port.into());
    }
    let mut options = Map::new();
    for (name, _) in url.options() {
        let mut values: Vec<Value> = url.option_all(name).map(Value::from).collect();
        let value = if values.len() == 1 {
            values.remove(0)
        } else {
            Value::Array(values)
        };
        options.insert(name.clone(), value);
    }
    if !options.is_empty() {
        out.insert("options".to_owned(), Value::Object(options));
    }
    Value::Object(out)
}
