//! Threads that serve connections, each with a tokio runtime of its own.
//!
//! A connection stays on the thread that it is given to, and so do the connections to upstreams that its requests use. So no
//! step of an exchange wakes another thread or moves to another core, which costs more than the step.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};

/// Threads that serve connections. Dropping it ends them, and the connections that are still open.
pub(crate) struct Workers {
    threads: Vec<Worker>,
}

/// A thread with its runtime.
struct Worker {
    runtime: Handle,
    /// Number of its open connections.
    connections: Arc<AtomicUsize>,
    /// The thread ends when this is dropped.
    _stop: oneshot::Sender<Infallible>,
}

/// An open connection in the count of its worker.
struct Counted(Arc<AtomicUsize>);

// === impl Workers ===

impl Workers {
    /// Starts `threads` threads.
    ///
    /// # Errors
    ///
    /// The system has no thread or no file descriptor to give.
    pub(crate) fn start(threads: NonZeroUsize) -> io::Result<Self> {
        let threads = (0..threads.get()).map(|_| Worker::start());
        Ok(Self {
            threads: threads.collect::<io::Result<_>>()?,
        })
    }

    /// Serves a connection on the thread that has the fewest.
    ///
    /// # Errors
    ///
    /// The runtime can't take the socket over.
    pub(crate) fn spawn<S, F>(
        &self,
        connections: &mut JoinSet<()>,
        stream: TcpStream,
        serve: S,
    ) -> io::Result<AbortHandle>
    where
        S: FnOnce(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let stream = stream.into_std()?;
        let quietest = |worker: &&Worker| worker.connections.load(Relaxed);
        let Some(worker) = self.threads.iter().min_by_key(quietest) else {
            return Err(io::Error::other("there is no worker"));
        };
        let counted = Counted::new(&worker.connections);
        let served = async move {
            let _counted = counted;
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream).await,
                Err(error) => {
                    tracing::warn!(%error, "closed a new connection: its worker can't take it");
                }
            }
        };
        Ok(connections.spawn_on(served, &worker.runtime))
    }
}

// === impl Worker ===

impl Worker {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("witgate-blocking")
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<Infallible>();
        std::thread::Builder::new()
            .name("witgate-worker".into())
            .spawn(move || {
                // Nothing is sent; the other end is dropped.
                let _ = runtime.block_on(stopped);
                // Work that blocks may go on: files are being written.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            runtime: handle,
            connections: Arc::default(),
            _stop: stop,
        })
    }
}

// === impl Counted ===

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    /// A listener whose connections are served by workers: each echoes bytes, and tells its thread for each of them.
    struct Echo {
        listener: TcpListener,
        workers: Workers,
        connections: JoinSet<()>,
        told: mpsc::UnboundedSender<ThreadId>,
    }

    impl Echo {
        async fn connect(&mut self) -> TcpStream {
            let at = self.listener.local_addr().unwrap();
            let client = TcpStream::connect(at).await.unwrap();
            let (stream, _) = self.listener.accept().await.unwrap();
            let told = self.told.clone();
            let echo = move |mut stream: TcpStream| async move {
                while let Ok(byte) = stream.read_u8().await {
                    let _ = told.send(thread::current().id());
                    stream.write_u8(byte).await.unwrap();
                }
            };
            self.workers
                .spawn(&mut self.connections, stream, echo)
                .unwrap();
            client
        }
    }

    #[tokio::test]
    async fn connections_go_to_the_worker_with_the_fewest_and_stay_there() {
        let (told, mut threads) = mpsc::unbounded_channel();
        let mut echo = Echo {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            workers: Workers::start(NonZeroUsize::new(2).unwrap()).unwrap(),
            connections: JoinSet::new(),
            told,
        };
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(echo.connect().await);
        }
        let mut homes = Vec::new();
        for client in &mut clients {
            let mut seen = Vec::new();
            for byte in 0..20 {
                client.write_u8(byte).await.unwrap();
                assert_eq!(client.read_u8().await.unwrap(), byte);
                seen.push(threads.recv().await.unwrap());
            }
            seen.dedup();
            assert_eq!(seen.len(), 1, "it stays on its thread");
            homes.extend(seen);
        }
        let busiest = |homes: &[ThreadId]| {
            let count = |home: &ThreadId| homes.iter().filter(|other| *other == home).count();
            homes.iter().map(count).max()
        };
        assert_eq!(busiest(&homes), Some(2), "two on each: {homes:?}");

        // Both connections of one worker end, and the next two go there.
        let first = *homes.first().unwrap();
        let mut index = 0;
        clients.retain(|_| {
            index += 1;
            homes[index - 1] != first
        });
        for _ in 0..2 {
            echo.connections.join_next().await.unwrap().unwrap();
        }
        for _ in 0..2 {
            let mut client = echo.connect().await;
            client.write_u8(1).await.unwrap();
            client.read_u8().await.unwrap();
            assert_eq!(threads.recv().await, Some(first), "the quiet one");
            clients.push(client);
        }
    }

    #[tokio::test]
    async fn connections_end_with_their_workers() {
        let (told, _threads) = mpsc::unbounded_channel();
        let mut echo = Echo {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            workers: Workers::start(NonZeroUsize::MIN).unwrap(),
            connections: JoinSet::new(),
            told,
        };
        let mut client = echo.connect().await;
        client.write_u8(1).await.unwrap();
        client.read_u8().await.unwrap();
        drop(echo.workers);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap_or(0), 0, "closed");
        let ended = echo.connections.join_next().await.unwrap();
        assert!(ended.is_err_and(|ended| ended.is_cancelled()), "cancelled");
    }
}
