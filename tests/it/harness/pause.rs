//! A point where an answer waits until the test says go on.

use std::sync::Arc;

use tokio::sync::watch;

use super::within_timeout;

/// Shared between the test and the upstream that waits. Clones are the same pause.
#[derive(Debug, Clone)]
pub struct Pause {
    stage: Arc<watch::Sender<Stage>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Ahead,
    Reached,
    Over,
}

// === impl Pause ===

impl Pause {
    pub fn new() -> Self {
        Self {
            stage: Arc::new(watch::Sender::new(Stage::Ahead)),
        }
    }

    /// Waits until everything before the pause has been written.
    pub async fn reached(&self) {
        let mut stage = self.stage.subscribe();
        let reached = stage.wait_for(|stage| *stage >= Stage::Reached);
        within_timeout("a pause to be reached", reached)
            .await
            .expect("this pause holds its sender");
    }

    /// Lets the answer go on. It may be said before the pause is reached.
    pub fn resume(&self) {
        self.stage.send_replace(Stage::Over);
    }

    /// Makes it a pause again, for the next answer.
    pub fn rearm(&self) {
        self.stage.send_replace(Stage::Ahead);
    }

    /// The upstream's side: says that it is here and waits, without a limit, for [`Pause::resume`].
    pub async fn hold(&self) {
        self.stage.send_if_modified(|stage| {
            let ahead = *stage == Stage::Ahead;
            if ahead {
                *stage = Stage::Reached;
            }
            ahead
        });
        let mut stage = self.stage.subscribe();
        stage
            .wait_for(|stage| *stage == Stage::Over)
            .await
            .expect("this pause holds its sender");
    }
}
