//! What every graph is given.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use gstreamer as gst;
use media_domain::MediaInfo;

use super::{activity::Activity, failed::Failed, sink::Sink, source::Source};
use crate::protocol::{ChildJob, Output};

/// The job and the two sockets.
#[derive(Clone, Debug)]
pub struct Context {
    pub job: Arc<ChildJob>,
    pub source: Arc<Source>,
    pub sink: Arc<Sink>,
    pub activity: Arc<Activity>,
}

impl Context {
    /// What the probe found.
    ///
    /// # Errors
    /// [`Failed`] where the job does not say it.
    pub fn info(&self) -> Result<&MediaInfo, Failed> {
        self.job.info.as_ref().ok_or_else(|| Failed::internal("a job without what the probe found"))
    }

    /// The outputs with their numbers.
    pub fn outputs(&self) -> impl Iterator<Item = (u8, &Output)> {
        (0..=u8::MAX).zip(&self.job.outputs)
    }

    /// The output of a job that has one.
    ///
    /// # Errors
    /// [`Failed`] where it has none or several.
    pub fn only_output(&self) -> Result<&Output, Failed> {
        match self.job.outputs.as_slice() {
            [output] => Ok(output),
            outputs => Err(Failed::internal(format!("one output is made here, and the job has {}", outputs.len()))),
        }
    }
}

/// How a running graph says that it is over: from any thread, and the first word counts.
#[derive(Clone)]
pub struct Ending {
    sender: mpsc::SyncSender<Result<(), Failed>>,
    forgiving: Arc<Mutex<Vec<Forgiving>>>,
}

/// Says whether an error is no reason to end.
type Forgiving = Box<dyn Fn(&gst::message::Error) -> bool + Send>;

impl std::fmt::Debug for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ending").finish_non_exhaustive()
    }
}

impl Ending {
    pub fn channel() -> (Self, mpsc::Receiver<Result<(), Failed>>) {
        let (sender, receiver) = mpsc::sync_channel(16);
        (Self { sender, forgiving: Arc::default() }, receiver)
    }

    /// From here on `forgives` is asked before an error ends the graph.
    pub fn forgive(&self, forgives: impl Fn(&gst::message::Error) -> bool + Send + 'static) {
        self.forgiving.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(forgives));
    }

    /// An element has failed.
    pub fn error(&self, error: &gst::message::Error) {
        let forgiving = self.forgiving.lock().unwrap_or_else(PoisonError::into_inner);
        if !forgiving.iter().any(|forgives| forgives(error)) {
            self.failed(Failed::from_bus(error));
        }
    }

    pub fn done(&self) {
        self.say(Ok(()));
    }

    pub fn failed(&self, failed: Failed) {
        self.say(Err(failed));
    }

    fn say(&self, word: Result<(), Failed>) {
        // A full channel already holds the first word.
        self.sender.try_send(word).unwrap_or_default();
    }
}
