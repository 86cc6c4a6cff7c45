//! The pools of a connected database: of the application, and of connections that live on a thread of their own.

use std::sync::Arc;

use super::hooks::Hooks;
use super::lifecycle::Live;
use crate::backend::Connector;
use crate::backend::support::harbour::Harbour;
use crate::backend::support::moored::Moored;
use crate::backend::support::worker::Isolated;
use crate::config::{Config, Settings};
use crate::error::Result;
use crate::pool::{Asker, Limits, Pool};
use crate::session::{Deferred, Ground, Plan, Replicas};
use crate::sql::TemplateCache;
use crate::telemetry::Telemetry;

/// How many texts of statements are kept parsed.
const TEMPLATES: usize = 1_000;

pub(super) struct Pools {
    pub(super) main: Arc<Pool>,
    settings: Arc<Settings>,
    templates: Arc<TemplateCache>,
    /// The thread of the connections below; it is started by the first of them.
    harbour: Arc<Harbour>,
    /// The one connection of force rollback with full isolation.
    isolated: Arc<Pool>,
    /// Those of sandboxes.
    berths: Arc<Pool>,
    /// Whether each of them works on a copy of its own.
    private: bool,
    deferred: Arc<Deferred>,
    replicas: Option<Arc<Replicas>>,
}

impl Pools {
    /// Makes them; does no I/O.
    pub(super) fn new(
        connector: Arc<dyn Connector>,
        config: &Config,
        hooks: &Hooks,
        replicas: Vec<(Arc<dyn Connector>, Config)>,
    ) -> Arc<Self> {
        let settings = config.settings().clone();
        let replicas = replicas.into_iter().map(|(connector, config)| {
            let limits = Limits {
                doubts: true,
                ..limits(config.settings())
            };
            Pool::new(connector, limits, hooks.prepare(true), Telemetry::new(&config))
        });
        let replicas = Replicas::new(replicas.collect(), &settings);
        let harbour = Harbour::new(format!("ebbtide {}", connector.dialect()));
        let limits = limits(&settings);
        let make = |connector, telemetry| Pool::new(connector, limits.clone(), hooks.prepare(false), telemetry);
        let beside = Telemetry::unmetered(config);
        let pool = |connector| make(connector, Arc::clone(&beside));
        let apart = |inner| -> Arc<dyn Connector> {
            Arc::new(Isolated {
                inner,
                harbour: Arc::clone(&harbour),
                limit: settings.result_timeout,
            })
        };
        let moored = |inner| -> Arc<dyn Connector> {
            Arc::new(Moored {
                inner,
                harbour: Arc::clone(&harbour),
            })
        };
        let private = connector.private();
        let isolated = pool(apart(Arc::clone(&connector)));
        Arc::new(Self {
            berths: private
                .clone()
                .map_or_else(|| Arc::clone(&isolated), |private| pool(moored(private))),
            isolated,
            private: private.is_some(),
            templates: Arc::new(TemplateCache::new(connector.dialect(), TEMPLATES)),
            main: make(connector, Telemetry::new(config)),
            replicas,
            settings: Arc::new(settings),
            harbour,
            deferred: Arc::default(),
        })
    }

    /// The replicas, if there are any.
    pub(super) fn replicas(&self) -> Option<&Arc<Replicas>> {
        self.replicas.as_ref()
    }

    fn ground(&self, pool: &Arc<Pool>, sandbox: Option<Plan>, replicas: Option<Arc<Replicas>>) -> Arc<Ground> {
        let (pool, settings) = (Arc::clone(pool), Arc::clone(&self.settings));
        let (templates, deferred) = (Arc::clone(&self.templates), Arc::clone(&self.deferred));
        Ground::new(pool, settings, templates, deferred, sandbox, replicas)
    }

    /// What every sandbox here has in common.
    pub(super) fn plan(&self) -> Plan {
        Plan {
            side: Some(Arc::clone(&self.main)),
            ..Plan::default()
        }
    }

    /// The grounds of the database itself.
    pub(super) fn live(self: &Arc<Self>) -> Live {
        let global = if self.settings.full_isolation {
            &self.isolated
        } else {
            &self.main
        };
        Live {
            plain: self.ground(&self.main, None, self.replicas.clone()),
            sandboxed: self.ground(global, Some(self.plan()), None),
            pools: Arc::clone(self),
        }
    }

    /// The grounds of a sandbox.
    pub(super) fn sandbox(self: &Arc<Self>, plan: Plan) -> Live {
        let plan = Plan {
            private: self.private,
            ..plan
        };
        // Whoever leaves a sandbox for a while is a test that looks at what was written: no replicas.
        let outside = self.ground(&self.main, None, None);
        let sandboxed = self.ground(&self.berths, Some(plan), None);
        outside.lies_beside(&sandboxed);
        Live {
            plain: outside,
            sandboxed,
            pools: Arc::clone(self),
        }
    }

    /// Reaches the servers for the first time.
    pub(super) async fn check(&self, asker: Asker) -> Result<()> {
        drop(self.main.acquire(asker).await?);
        match &self.replicas {
            Some(replicas) => replicas.check(asker).await,
            None => Ok(()),
        }
    }

    /// Closes the connections and ends the thread.
    pub(super) async fn close(&self) -> Result<()> {
        let replicas = async {
            if let Some(replicas) = &self.replicas {
                replicas.close().await;
            }
        };
        futures::join!(self.main.close(), self.isolated.close(), self.berths.close(), replicas);
        self.harbour.join().await
    }
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        size: settings.pool_size as usize,
        overflow: settings.max_overflow as usize,
        acquire: settings.pool_timeout,
        connect: settings.connect_timeout,
        lifetime: settings.pool_recycle,
        idle: settings.idle_timeout,
        check_after: settings.health_check_after,
        doubts: false,
        echo: settings.echo_pool,
    }
}
