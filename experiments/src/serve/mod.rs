//! A server for folders of results: their pages, the progress of a running sweep, and the playground for its networks.

mod files;
mod live;
mod networks;
mod progress;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::{errors::in_one_line, misuse::Misuse, output::print};

/// The most requests that are answered at a time; more wait. As many pages can follow a sweep.
const MOST_REQUESTS: usize = 64;
/// The longest time of an answer, except of one that goes on for as long as the page is open.
const LONGEST: Duration = Duration::from_secs(30);

/// The options of `serve`.
#[derive(Debug)]
pub struct ServeOptions {
    /// The folder of results.
    pub dir: PathBuf,
    /// The address to listen at; other machines can reach any but the loopback addresses.
    pub host: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
}

/// The folder that is served, an absolute path without symbolic links.
type Root = Arc<PathBuf>;

/// Serves until the process is interrupted.
///
/// # Errors
/// A folder that does not exist, or an address that is taken.
pub fn serve(options: &ServeOptions) -> Result<()> {
    let ServeOptions { dir, host, port } = options;
    let root = dir.canonicalize().map_err(|error| Misuse::new(format!("cannot serve {}: {error}", dir.display())))?;
    if !root.is_dir() {
        return Err(Misuse::new(format!("cannot serve {}: it is no folder", dir.display())).into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let address = SocketAddr::new(*host, *port);
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen at {address}"))?;
        print(&format!("http://{}/ serves {} (Ctrl-C ends it)", listener.local_addr()?, dir.display()))?;
        axum::serve(listener, router(&root)).await?;
        Ok(())
    })
}

/// The pages of a server for this folder.
pub fn router(root: &Path) -> Router {
    let timely = Router::new()
        .route("/", get(live::start))
        .route("/progress.json", get(live::progress_json))
        .route("/playground/{suite}/{run}", get(networks::playground))
        .fallback(get(files::file))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LONGEST));
    Router::new()
        .route("/events", get(live::events))
        .merge(timely)
        .layer(map_response(with_policy))
        // No request has a body.
        .layer(DefaultBodyLimit::max(0))
        .layer(GlobalConcurrencyLimitLayer::new(MOST_REQUESTS))
        .with_state(Arc::new(root.to_path_buf()))
}

/// Forbids pages to load anything from elsewhere, whatever the files in the folder say.
async fn with_policy(mut response: Response) -> Response {
    const POLICY: &str =
        "default-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// An answer to a request that cannot be fulfilled, in words.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl Refusal {
    fn not_found(what: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, what.into())
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        let missing = error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
        let status = if missing { StatusCode::NOT_FOUND } else { StatusCode::INTERNAL_SERVER_ERROR };
        Self(status, in_one_line(&error))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], self.1 + "\n").into_response()
    }
}

/// Does work that takes a while, or reads files, without holding up other requests.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let failed = |error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("the request failed: {error}"));
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}
