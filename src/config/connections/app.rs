//! An app: a group of models on one connection.

/// A group of models, and the connection that they use.
///
/// ```
/// let app = ebbtide::AppConfig::new("default").model("note").model("tag");
/// assert_eq!(app.models(), ["note", "tag"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppConfig {
    pub(super) models: Vec<String>,
    pub(super) default_connection: String,
}

impl AppConfig {
    /// Creates an app without models on the connection with this alias.
    ///
    /// ```
    /// assert_eq!(ebbtide::AppConfig::new("log").default_connection(), "log");
    /// ```
    pub fn new(default_connection: impl Into<String>) -> Self {
        Self {
            models: Vec::new(),
            default_connection: default_connection.into(),
        }
    }

    /// Adds the name of a model or of a group of models.
    ///
    /// ```
    /// assert_eq!(ebbtide::AppConfig::new("default").model("note").models(), ["note"]);
    /// ```
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.models.push(name.into());
        self
    }

    /// Returns the names of the models, as written in the configuration. The program defines what they stand for.
    ///
    /// ```
    /// assert!(ebbtide::AppConfig::new("default").models().is_empty());
    /// ```
    pub fn models(&self) -> &[String] {
        &self.models
    }

    /// Returns the alias of the connection. If the configuration names none, it is `default`, or else the only
    /// connection.
    ///
    /// ```
    /// let config = ebbtide::ConnectionsConfig::from_value(serde_json::json!({
    ///     "connections": {"only": "sqlite::memory:"}, "apps": {"notes": {"models": ["note"]}},
    /// }))?;
    /// assert_eq!(config.apps()["notes"].default_connection(), "only");
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn default_connection(&self) -> &str {
        &self.default_connection
    }
}
