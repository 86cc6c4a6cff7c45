//! Routing of models to databases.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result, nearest};

/// The alias of a connection, as returned by a [`Router`].
///
/// ```
/// let alias: ebbtide::Alias = "replica".into();
/// ```
pub type Alias = Cow<'static, str>;

/// Selects the connection that a model is read from or written to.
///
/// Routers are asked in order; the first that names an alias decides. `None` leaves the decision to the next one, and
/// finally to the connection of the model's app. Add routers with
/// [`Connections::add_router`](crate::Connections::add_router), or register them under names that the configuration
/// lists.
///
/// ```
/// use ebbtide::{Alias, Router};
///
/// /// Reads from a replica, except what must be fresh.
/// struct Replica;
///
/// impl Router for Replica {
///     fn db_for_read(&self, model: &str) -> Option<Alias> {
///         (model != "session").then(|| "replica".into())
///     }
/// }
/// ```
pub trait Router: Send + Sync + 'static {
    /// Returns the alias of the connection to read the model from.
    fn db_for_read(&self, model: &str) -> Option<Alias> {
        let _ = model;
        None
    }

    /// Returns the alias of the connection to write the model to.
    fn db_for_write(&self, model: &str) -> Option<Alias> {
        let _ = model;
        None
    }
}

/// The kind of access to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "reading",
            Self::Write => "writing",
        })
    }
}

/// The answer of a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouterAnswer {
    pub(crate) router: String,
    pub(crate) alias: Alias,
}

/// The routers of a registry.
#[derive(Clone, Default)]
pub(crate) struct Routers {
    /// Routers that a configuration can name.
    named: BTreeMap<String, Arc<dyn Router>>,
    /// Routers that are asked after the named ones.
    added: Vec<(String, Arc<dyn Router>)>,
}

impl Routers {
    pub(crate) fn add<R: Router>(&mut self, router: R) {
        let name = std::any::type_name::<R>();
        self.added.push((name.to_owned(), Arc::new(router)));
    }

    pub(crate) fn register(&mut self, name: String, router: impl Router) {
        self.named.insert(name, Arc::new(router));
    }

    /// Returns the answer of the first router that names an alias.
    pub(crate) fn ask(&self, configured: &[String], model: &str, access: Access) -> Result<Option<RouterAnswer>> {
        // A wrong name is reported at the first request, not at the first that reaches it.
        let chain: Vec<_> = configured
            .iter()
            .map(|name| Ok((name.as_str(), self.named(name)?)))
            .collect::<Result<_>>()?;
        let added = self.added.iter().map(|(name, router)| (name.as_str(), router));
        Ok(chain.into_iter().chain(added).find_map(|(name, router)| {
            let alias = match access {
                Access::Read => router.db_for_read(model),
                Access::Write => router.db_for_write(model),
            };
            alias.map(|alias| RouterAnswer {
                router: name.to_owned(),
                alias,
            })
        }))
    }

    fn named(&self, name: &str) -> Result<&Arc<dyn Router>> {
        self.named.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.named.keys().map(String::as_str).collect();
            let message = if known.is_empty() {
                format!("the configuration names the router `{name}`, but none is registered")
            } else {
                format!(
                    "the configuration names the router `{name}`; the registered ones are `{}`",
                    known.join("`, `")
                )
            };
            let error = Error::new(ErrorKind::Config, message);
            match nearest(name, known) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(format!(
                    "register it before the first use: `connections.register_router(\"{name}\", …)`"
                )),
            }
        })
    }
}

impl fmt::Debug for Routers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let added: Vec<&str> = self.added.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Routers")
            .field("named", &self.named.keys())
            .field("added", &added)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct To(&'static str, &'static str);

    impl Router for To {
        fn db_for_read(&self, model: &str) -> Option<Alias> {
            (model == self.0).then(|| self.1.into())
        }
    }

    #[test]
    fn r6_the_first_router_with_an_answer_decides() {
        let mut routers = Routers::default();
        routers.register("second".to_owned(), To("note", "b"));
        routers.register("first".to_owned(), To("tag", "a"));
        routers.add(To("note", "c"));
        routers.add(To("log", "d"));
        let configured = ["first".to_owned(), "second".to_owned()];
        let ask = |model, access| routers.ask(&configured, model, access).unwrap().map(|said| said.alias);
        assert_eq!(ask("tag", Access::Read).as_deref(), Some("a"));
        assert_eq!(ask("note", Access::Read).as_deref(), Some("b"));
        assert_eq!(ask("log", Access::Read).as_deref(), Some("d"));
        assert_eq!(ask("other", Access::Read), None);
        assert_eq!(ask("note", Access::Write), None);
        assert_eq!(routers.ask(&[], "note", Access::Read).unwrap().unwrap().alias, "c");
        let error = routers.ask(&["frist".to_owned()], "log", Access::Read).unwrap_err();
        assert!(error.to_string().ends_with("did you mean `first`?"), "{error}");
    }
}
