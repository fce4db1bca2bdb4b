//! Since when storage is waited for: who hangs then is not the file, and not the child.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    collect::OutputWriter,
    failure::{BoxError, ChildFailure, FailureKind},
    serve::RangeReader,
};

/// When a call that has not been answered began. Written to by whoever waits, also one that is dropped while it does.
#[derive(Debug, Default)]
struct Since(Mutex<Option<Instant>>);

impl Since {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn lasted(&self, until: Instant) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|since| until.duration_since(since))
    }

    async fn during<T>(&self, call: impl Future<Output = T>) -> T {
        self.set(Some(Instant::now()));
        let answer = call.await;
        self.set(None);
        answer
    }
}

/// Both sides of storage.
#[derive(Debug, Default)]
pub struct Waited {
    source: Since,
    outputs: Since,
    /// When that was over.
    over: OnceLock<Instant>,
}

impl Waited {
    /// Nobody is served any more: what a child takes to leave is not storage's time.
    pub fn end(&self) -> Instant {
        *self.over.get_or_init(Instant::now)
    }

    pub fn source<'a, R>(&'a self, reader: &'a R) -> WaitedSource<'a, R> {
        WaitedSource { since: &self.source, reader }
    }

    pub fn outputs<'a, W>(&'a self, writers: &'a mut [W]) -> Vec<WaitedOutput<'a, W>> {
        writers.iter_mut().map(|writer| WaitedOutput { since: &self.outputs, writer }).collect()
    }

    /// Whose fault it is where time was over: storage's, if it had been waited for as long as `limit`.
    pub fn blame(&self, failure: ChildFailure, limit: Duration) -> ChildFailure {
        let sides = [(FailureKind::SourceFailed, &self.source), (FailureKind::OutputFailed, &self.outputs)];
        let until = self.end();
        let silent = sides.into_iter().filter_map(|(kind, since)| Some((kind, since.lasted(until)?))).find(|(_, lasted)| *lasted >= limit);
        match silent {
            Some((kind, lasted)) if failure.kind == FailureKind::TimedOut => {
                let text = format!("storage has not answered for {} ms: {}", lasted.as_millis(), failure.text);
                ChildFailure { kind, text, ..failure }
            }
            _ => failure,
        }
    }
}

pub struct WaitedSource<'a, R> {
    since: &'a Since,
    reader: &'a R,
}

impl<R: RangeReader> RangeReader for WaitedSource<'_, R> {
    async fn read(&self, offset: u64, length: u64) -> Result<Bytes, BoxError> {
        self.since.during(self.reader.read(offset, length)).await
    }
}

pub struct WaitedOutput<'a, W> {
    since: &'a Since,
    writer: &'a mut W,
}

impl<W: OutputWriter> OutputWriter for WaitedOutput<'_, W> {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BoxError> {
        self.since.during(self.writer.write(bytes)).await
    }

    fn reserve(&mut self, bytes: usize) -> Result<(), BoxError> {
        self.writer.reserve(bytes)
    }

    fn write_front(&mut self, bytes: Bytes) -> Result<(), BoxError> {
        self.writer.write_front(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers never, or at once.
    struct Storage {
        is_away: bool,
    }

    impl Storage {
        async fn answer<T>(&self, answer: T) -> Result<T, BoxError> {
            if self.is_away {
                std::future::pending::<()>().await;
            }
            Ok(answer)
        }
    }

    impl RangeReader for Storage {
        async fn read(&self, _offset: u64, _length: u64) -> Result<Bytes, BoxError> {
            self.answer(Bytes::new()).await
        }
    }

    impl OutputWriter for Storage {
        async fn write(&mut self, _bytes: Bytes) -> Result<(), BoxError> {
            self.answer(()).await
        }
    }

    const AT_ONCE: Duration = Duration::from_millis(1);
    const HOUR: Duration = Duration::from_secs(3600);

    fn blamed(waited: &Waited, kind: FailureKind, limit: Duration) -> FailureKind {
        waited.blame(ChildFailure::new(kind, "time is over"), limit).kind
    }

    /// Read from, and written to, storage that answers or does not.
    async fn waited(read_from: Option<Storage>, written_to: Option<Storage>) -> Waited {
        let waited = Waited::default();
        if let Some(storage) = read_from {
            drop(tokio::time::timeout(AT_ONCE, waited.source(&storage).read(0, 1)).await);
        }
        if let Some(mut storage) = written_to {
            drop(tokio::time::timeout(AT_ONCE, waited.outputs(std::slice::from_mut(&mut storage))[0].write(Bytes::new())).await);
        }
        waited.end();
        waited
    }

    #[tokio::test]
    async fn where_time_is_over_storage_is_blamed_if_it_has_not_answered_for_long() {
        use FailureKind::{LimitHit, OutputFailed, SourceFailed, TimedOut};
        let (here, away) = (|| Some(Storage { is_away: false }), || Some(Storage { is_away: true }));
        for (read_from, written_to, kind, limit, blames) in [
            (None, None, TimedOut, Duration::ZERO, TimedOut),
            (here(), here(), TimedOut, Duration::ZERO, TimedOut),
            (away(), None, TimedOut, Duration::ZERO, SourceFailed),
            (here(), away(), TimedOut, Duration::ZERO, OutputFailed),
            (away(), None, TimedOut, HOUR, TimedOut),
            (away(), None, LimitHit, Duration::ZERO, LimitHit),
        ] {
            assert_eq!(blamed(&waited(read_from, written_to).await, kind, limit), blames);
        }
    }

    #[tokio::test]
    async fn what_a_child_takes_to_leave_is_not_storages_time() {
        let waited = waited(Some(Storage { is_away: true }), None).await;
        tokio::time::sleep(3 * AT_ONCE).await;
        let waited_for = waited.source.lasted(waited.end()).unwrap();
        assert_eq!(blamed(&waited, FailureKind::TimedOut, waited_for + AT_ONCE), FailureKind::TimedOut);
        assert_eq!(blamed(&waited, FailureKind::TimedOut, waited_for), FailureKind::SourceFailed);
    }
}
