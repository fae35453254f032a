//! The stop of this process.

use tokio::sync::watch;

/// Waits until the process stops.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A dropped sender is a stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}
