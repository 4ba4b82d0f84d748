//! A node's life: wired, started, reloaded, drained.
//!
//! [`Sockets::bind`] takes the addresses, [`start`] begins to serve on them, [`Running::shutdown`] ends it. The wiring of
//! modules is in `build.rs` alone. Signals and files of the process are the command line's business.

mod build;
mod disks;
mod reload;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::admin::{self, Admin, Phase, Readiness};
use crate::clock::Clock;
use crate::config::{self, Config, Drain};
use crate::net::{self, Limits, Tls, TlsFiles};
use crate::origin::Origin;
use crate::per_core::{Apart, PerCore};
use crate::tasks::{Cores, Tasks, Threads};
use crate::telemetry::{self, Exporter, Metrics};
use crate::types::Problems;
use build::{Node, Places};
use reload::Reloader;

/// How long the node's own tasks have to end once its doors are shut.
const BACKGROUND_PATIENCE: Duration = Duration::from_secs(2);

/// By how much the threads of fills give way to those that answer clients, as a `nice` value. Under load they get a quarter of a core
/// that they share with one of those, so that fills go on however many hits there are.
const FILLS_GIVE_WAY: i32 = 5;

/// The node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the configuration is wrong\n{0}")]
    Config(Problems),
    #[error("cannot listen on {address} ({key})")]
    Bind {
        /// The key of the address in the configuration.
        key: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the metrics cannot be set up")]
    Telemetry(#[from] telemetry::Error),
    #[error("there are no threads to be had")]
    Threads(#[source] io::Error),
}

/// The addresses of a node, taken.
#[derive(Debug)]
pub struct Sockets {
    s3: TcpListener,
    s3_address: SocketAddr,
    admin: TcpListener,
    admin_address: SocketAddr,
}

impl Sockets {
    /// Takes the configured addresses; port 0 is any free one.
    ///
    /// # Errors
    /// [`Error::Bind`] for the first that cannot be had.
    pub async fn bind(config: &Config) -> Result<Self, Error> {
        let (s3, s3_address) = bind("listen.s3.address", config.listen.s3.address).await?;
        let (admin, admin_address) =
            bind("listen.admin.address", config.listen.admin.address).await?;
        Ok(Self {
            s3,
            s3_address,
            admin,
            admin_address,
        })
    }

    /// As [`Sockets::bind`], but takes any free port where the configured one is in use.
    ///
    /// # Errors
    /// As [`Sockets::bind`].
    pub async fn bind_near(config: &Config) -> Result<Self, Error> {
        let (s3, s3_address) = bind_near("listen.s3.address", config.listen.s3.address).await?;
        let (admin, admin_address) =
            bind_near("listen.admin.address", config.listen.admin.address).await?;
        Ok(Self {
            s3,
            s3_address,
            admin,
            admin_address,
        })
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Bind {
        key,
        address,
        source,
    };
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    let bound = socket.local_addr().map_err(failed)?;
    Ok((socket, bound))
}

async fn bind_near(
    key: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), Error> {
    match bind(key, address).await {
        Err(Error::Bind { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
            bind(key, SocketAddr::new(address.ip(), 0)).await
        }
        bound => bound,
    }
}

/// Builds a configured origin, without contacting it; for `forebay check`.
///
/// # Errors
/// What is wrong with its settings, or not to be had on this machine.
pub async fn connect(origin: &config::Origin) -> Result<Arc<dyn Origin>, Problems> {
    let named = build::origin(origin, &Arc::default()).await?;
    Ok(named.origin)
}

/// A node that serves.
#[derive(Debug)]
pub struct Running {
    /// Where the S3 API is.
    pub s3_address: SocketAddr,
    /// Where health and metrics are.
    pub admin_address: SocketAddr,
    pub metrics: Arc<Metrics>,
    readiness: Readiness,
    drain: Drain,
    s3_tasks: Tasks,
    admin_tasks: Tasks,
    background: Tasks,
    /// Where some of those run, until the node is dropped: what a connection has begun may outlive it.
    _fills: Threads,
    _cores: Option<Arc<Cores>>,
    node: Arc<Node>,
    reloader: Arc<Reloader>,
}

/// The threads that answer the clients of a node.
///
/// # Errors
/// [`Error::Threads`] where the system has none to give.
pub fn cores() -> Result<Arc<Cores>, Error> {
    let cores = Cores::new("forebay-core").map_err(Error::Threads)?;
    Ok(Arc::new(cores))
}

/// Starts a node on `sockets`. To be called in a Tokio runtime. Without `cores` clients are answered there too.
///
/// # Errors
/// Where the certificate, an origin or an identity of the configuration cannot be used.
pub async fn start(
    config: Config,
    sockets: Sockets,
    clock: Clock,
    cores: Option<Arc<Cores>>,
) -> Result<Running, Error> {
    let disks = config.disks.iter();
    let disks = disks.map(|disk| disk.path.display().to_string());
    let metrics = Arc::new(Metrics::with_disks(disks));
    let (s3_tasks, admin_tasks, background) =
        (Tasks::default(), Tasks::default(), Tasks::default());
    let tls = tls(&config)?;
    let fills = Threads::giving_way("forebay-fill", FILLS_GIVE_WAY).map_err(Error::Threads)?;
    let places = Places {
        background: &background,
        fills: &fills,
        cores: cores.as_ref(),
    };
    let node = Node::build(&config, &metrics, &clock, places)
        .await
        .map_err(Error::Config)?;
    let node = Arc::new(node);
    let readiness = Readiness::default();
    let exporter = Exporter::new(&metrics)?;
    let admin = Admin::new(
        admin_config(&config),
        readiness.clone(),
        node.gateway(),
        Arc::clone(&metrics),
        exporter,
        clock,
    );
    serve_admin(sockets.admin, admin, &node, &metrics, &admin_tasks);
    let listener = net::Listener {
        socket: sockets.s3,
        tls: tls.clone(),
        limits: limits(&config),
        metrics: Arc::clone(&metrics),
        cores: cores.clone(),
    };
    // References are counted for each request.
    let nodes = Arc::new(PerCore::new(|| Arc::new(Apart(Arc::clone(&node)))));
    net::serve(listener, &s3_tasks, move |request, peer| {
        let node = Arc::clone(nodes.own());
        // It is handed on a few times before it is polled.
        Box::pin(async move { node.0.handle(request, peer).await })
    });
    readiness.enter(Phase::Ready);
    Ok(Running {
        s3_address: sockets.s3_address,
        admin_address: sockets.admin_address,
        metrics,
        readiness,
        drain: config.drain,
        s3_tasks,
        admin_tasks,
        background,
        _fills: fills,
        _cores: cores,
        node: Arc::clone(&node),
        reloader: Arc::new(Reloader::new(config, node, tls)),
    })
}

fn serve_admin(
    socket: TcpListener,
    admin: Admin,
    node: &Arc<Node>,
    metrics: &Arc<Metrics>,
    tasks: &Tasks,
) {
    let listener = net::Listener {
        socket,
        tls: None,
        limits: Limits::default(),
        metrics: Arc::clone(metrics),
        cores: None,
    };
    let node = Arc::clone(node);
    net::serve(listener, tasks, move |request, peer| {
        let (admin, node) = (admin.clone(), Arc::clone(&node));
        async move {
            node.observe();
            admin.handle(request, peer).await
        }
    });
}

fn admin_config(config: &Config) -> admin::Config {
    let token = config.listen.admin.token.as_ref();
    admin::Config {
        node: config.node.name.clone(),
        token: token.map(|it| it.value.clone()),
    }
}

impl Running {
    /// Follows the file at `path`, the secrets and the certificate that it names, until the node stops.
    pub fn follow(&self, path: PathBuf) {
        let reloader = Arc::clone(&self.reloader);
        let follow = reloader.follow(path, self.background.clone());
        self.background.spawn("server.reload", follow);
    }

    /// Looks at the followed files now rather than soon.
    pub fn reload(&self) {
        self.reloader.hurry();
    }

    /// Ends the node: not ready, but accepting, for as long as load balancers take to notice; then no new connections
    /// while running requests end; then whatever still runs is cut off.
    pub async fn shutdown(self) {
        self.readiness.enter(Phase::Draining);
        info!("draining");
        tokio::time::sleep(self.drain.accept).await;
        let cut_off = self.s3_tasks.drain(self.drain.patience).await;
        if cut_off > 0 {
            warn!(connections = cut_off, "cut off connections at the deadline");
        }
        self.node.close_disks().await;
        self.background.drain(BACKGROUND_PATIENCE).await;
        self.admin_tasks.drain(Duration::ZERO).await;
        info!("stopped");
    }
}

fn limits(config: &Config) -> Limits {
    let s3 = &config.listen.s3;
    Limits {
        connections: s3.connections.get(),
        header_bytes: usize::try_from(s3.header_bytes.0).unwrap_or(usize::MAX),
        idle: s3.idle,
        stall: s3.stall,
        ..Limits::default()
    }
}

fn tls(config: &Config) -> Result<Option<Tls>, Error> {
    let Some(files) = &config.listen.s3.tls else {
        return Ok(None);
    };
    let files = TlsFiles {
        cert: files.cert.clone(),
        key: files.key.clone(),
    };
    Tls::load(files).map(Some).map_err(|error| {
        let mut problems = Problems::default();
        problems.add(
            "listen.s3.tls",
            chain(&error),
            "name a PEM certificate chain, and the PEM key that belongs to it",
        );
        Error::Config(problems)
    })
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

#[cfg(test)]
mod tests;
