//! The pools of a connected database: of the application, and of connections on a runtime thread.

use std::sync::Arc;

use super::hooks::{ConnectionRole, Hooks};
use crate::backend::worker::connector::{OnThread, WorkerConnector};
use crate::backend::worker::thread::RuntimeThread;
use crate::backend::{Connector, Deferred};
use crate::config::{Config, Settings};
use crate::error::Result;
use crate::pool::{Caller, Limits, Pool};
use crate::session::{Engine, Replicas, SandboxPlan};
use crate::sql::{SqlMode, TemplateCache};
use crate::telemetry::Telemetry;

/// Number of statement texts that are cached parsed.
const TEMPLATES: usize = 1_000;

pub(super) struct Pools {
    pub(super) main: Arc<Pool>,
    settings: Arc<Settings>,
    templates: Arc<TemplateCache>,
    /// Runtime thread of the connections below, started by the first of them.
    runtime_thread: Arc<RuntimeThread>,
    /// The single connection of force rollback with full isolation.
    isolated: Arc<Pool>,
    /// Connections of sandboxes.
    sandboxes: Arc<Pool>,
    /// `true` if each of these uses its own copy of the database.
    private: bool,
    deferred: Arc<Deferred>,
    replicas: Option<Arc<Replicas>>,
}

impl Pools {
    /// Creates the pools; does no I/O.
    pub(super) fn new(
        connector: Arc<dyn Connector>,
        config: &Config,
        hooks: &Hooks,
        replicas: Vec<(Arc<dyn Connector>, Config)>,
    ) -> Arc<Self> {
        let settings = config.settings().clone();
        let server = settings.server_settings.iter();
        let sql_mode = SqlMode::of_settings(server.map(|(name, value)| (name.as_str(), value.as_str())));
        let replicas = replicas.into_iter().map(|(connector, config)| {
            let limits = Limits {
                suspects_idle: true,
                ..limits(config.settings())
            };
            Pool::new(
                connector,
                limits,
                hooks.prepare(ConnectionRole::Replica),
                Telemetry::new(&config),
            )
        });
        let replicas = Replicas::new(replicas.collect(), &settings);
        let runtime_thread = RuntimeThread::new(format!("ebbtide {}", connector.dialect()));
        let limits = limits(&settings);
        let make = |connector, role, telemetry| Pool::new(connector, limits.clone(), hooks.prepare(role), telemetry);
        let beside = Telemetry::unmetered(config);
        let pool = |connector, role| make(connector, role, Arc::clone(&beside));
        let worker = |inner, on_thread| -> Arc<dyn Connector> {
            Arc::new(WorkerConnector {
                inner,
                runtime_thread: Arc::clone(&runtime_thread),
                on_thread,
            })
        };
        let templates =
            TemplateCache::new(connector.dialect(), TEMPLATES).in_mode(sql_mode.with_most(connector.max_parameters()));
        let templates = templates.on(connector.seen().clone());
        let limit = settings.result_timeout;
        let private = connector.private();
        let isolated = worker(Arc::clone(&connector), OnThread::Everything { limit });
        let isolated = pool(isolated, ConnectionRole::Primary);
        Arc::new(Self {
            sandboxes: private.clone().map_or_else(
                || Arc::clone(&isolated),
                |private| pool(worker(private, OnThread::Cleanup), ConnectionRole::PrivateCopy),
            ),
            isolated,
            private: private.is_some(),
            templates: Arc::new(templates),
            main: make(connector, ConnectionRole::Primary, Telemetry::new(config)),
            replicas,
            settings: Arc::new(settings),
            runtime_thread,
            deferred: Arc::default(),
        })
    }

    /// Returns the replicas, if there are any.
    pub(super) fn replicas(&self) -> Option<&Arc<Replicas>> {
        self.replicas.as_ref()
    }

    fn engine(&self, pool: &Arc<Pool>, sandbox: Option<SandboxPlan>, replicas: Option<Arc<Replicas>>) -> Arc<Engine> {
        let (pool, settings) = (Arc::clone(pool), Arc::clone(&self.settings));
        let (templates, deferred) = (Arc::clone(&self.templates), Arc::clone(&self.deferred));
        Engine::new(pool, settings, templates, deferred, sandbox, replicas)
    }

    /// Returns the common settings of all sandboxes here.
    pub(super) fn plan(&self) -> SandboxPlan {
        SandboxPlan {
            side: Some(Arc::clone(&self.main)),
            ..SandboxPlan::default()
        }
    }

    /// Returns the engines of the database itself.
    pub(super) fn live(self: &Arc<Self>) -> Live {
        let global = if self.settings.full_isolation {
            &self.isolated
        } else {
            &self.main
        };
        Live {
            plain: self.engine(&self.main, None, self.replicas.clone()),
            sandboxed: self.engine(global, Some(self.plan()), None),
            pools: Arc::clone(self),
        }
    }

    /// Returns the engines of a sandbox.
    pub(super) fn sandbox(self: &Arc<Self>, plan: SandboxPlan) -> Live {
        let plan = SandboxPlan {
            private: self.private,
            ..plan
        };
        // No replicas: only a test that inspects written data leaves a sandbox temporarily.
        let outside = self.engine(&self.main, None, None);
        let sandboxed = self.engine(&self.sandboxes, Some(plan), None);
        outside.lies_beside(&sandboxed);
        Live {
            plain: outside,
            sandboxed,
            pools: Arc::clone(self),
        }
    }

    /// Connects to the servers for the first time.
    pub(super) async fn check(&self, caller: Caller) -> Result<()> {
        drop(self.main.acquire(caller).await?);
        match &self.replicas {
            Some(replicas) => replicas.check(caller).await,
            None => Ok(()),
        }
    }

    /// Closes the connections. Those in use are closed when they are given back.
    pub(super) async fn close(&self) {
        let replicas = async {
            if let Some(replicas) = &self.replicas {
                replicas.close().await;
            }
        };
        futures::join!(
            self.main.close(),
            self.isolated.close(),
            self.sandboxes.close(),
            replicas
        );
    }

    /// Ends the thread.
    pub(super) async fn join(&self) -> Result<()> {
        self.runtime_thread.join().await
    }

    /// Returns the pools of an application: of the primary and of the replicas.
    fn of_application(&self) -> impl Iterator<Item = &Arc<Pool>> {
        let replicas = self.replicas.as_deref().map(Replicas::pools);
        std::iter::once(&self.main).chain(replicas.into_iter().flatten())
    }

    /// Waits until no connection of a closed pool is in use, except by these holders of the primary's. Sandboxes end by
    /// themselves.
    pub(super) async fn drained(&self, own: &[usize]) {
        let others: &[usize] = &[];
        for pool in self.of_application() {
            let but = if Arc::ptr_eq(pool, &self.main) { own } else { others };
            pool.drained(but).await;
        }
    }

    /// Describes the connections that are still in use, if there are any.
    pub(super) fn left(&self) -> Option<String> {
        let left: Vec<_> = self.of_application().filter_map(|pool| pool.left()).collect();
        (!left.is_empty()).then(|| left.join("; "))
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
        suspects_idle: false,
        keep_session: settings.keep_session,
        echo: settings.echo_pool,
    }
}

/// The state of a connected database.
pub(super) struct Live {
    pub(super) pools: Arc<Pools>,
    pub(super) plain: Arc<Engine>,
    /// Engine inside the outer transaction that never commits; it begins at its first use.
    pub(super) sandboxed: Arc<Engine>,
}

impl Drop for Live {
    fn drop(&mut self) {
        // The sandbox and its level refer to each other.
        self.sandboxed.drop_sandbox();
    }
}
