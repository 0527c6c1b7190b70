//! Accepting connections. `axum::serve` bounds neither the time nor the size of the headers, so hyper is driven here.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Also the longest time that a connection is kept open without a request.
const HEADER_TIME: Duration = Duration::from_secs(15);
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 32 * 1024;
const CONNECTIONS: usize = 1_024;
/// After a failed accept (no file handles left, say), so as not to spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`; then accepts nothing more, lets the requests that are under way end, and returns.
///
/// # Errors
/// The listener has no address: it is closed.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "listening");
    let (open, room) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    while let Some(stream) = accept(&listener, &shutdown).await {
        let permit = Arc::clone(&room).acquire_owned().await.expect("impossible: the semaphore is never closed");
        let (router, shutdown) = (router.clone(), shutdown.clone());
        open.spawn(async move {
            serve_connection(stream, router, shutdown).await;
            drop(permit);
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
    Ok(())
}

/// The next connection; `None` at the end.
async fn accept(listener: &TcpListener, shutdown: &CancellationToken) -> Option<TcpStream> {
    loop {
        let accepted = shutdown.run_until_cancelled(listener.accept()).await?;
        match accepted {
            Ok((stream, _peer)) => return Some(stream),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // HTTP/1.1 only: to tell the versions apart, a server has to wait for the first bytes, and that wait has no limit.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = match shutdown.run_until_cancelled(connection.as_mut()).await {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}
