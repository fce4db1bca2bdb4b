//! Since when storage is waited for: who hangs then is not the file, and not the child.

use std::{
    sync::{Mutex, PoisonError},
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

    fn lasted(&self) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
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
}

impl Waited {
    pub fn source<'a, R>(&'a self, reader: &'a R) -> WaitedSource<'a, R> {
        WaitedSource { since: &self.source, reader }
    }

    pub fn outputs<'a, W>(&'a self, writers: &'a mut [W]) -> Vec<WaitedOutput<'a, W>> {
        writers.iter_mut().map(|writer| WaitedOutput { since: &self.outputs, writer }).collect()
    }

    /// Whose fault it is where time was over: storage's, if it has been waited for as long as nothing may go forward.
    pub fn blame(&self, failure: ChildFailure, limit: Duration) -> ChildFailure {
        let sides = [(FailureKind::SourceFailed, &self.source), (FailureKind::OutputFailed, &self.outputs)];
        let silent = sides.into_iter().filter_map(|(kind, since)| Some((kind, since.lasted()?))).find(|(_, lasted)| *lasted >= limit);
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

    #[tokio::test]
    async fn where_time_is_over_storage_is_blamed_if_it_has_not_answered_for_as_long_as_nothing_may_go_forward() {
        let waited = Waited::default();
        let (mut here, mut away) = (Storage { is_away: false }, Storage { is_away: true });
        assert_eq!(blamed(&waited, FailureKind::TimedOut, Duration::ZERO), FailureKind::TimedOut, "nobody waits");

        tokio::time::timeout(AT_ONCE, waited.source(&away).read(0, 1)).await.unwrap_err();
        assert_eq!(blamed(&waited, FailureKind::TimedOut, AT_ONCE), FailureKind::SourceFailed);
        assert_eq!(blamed(&waited, FailureKind::TimedOut, HOUR), FailureKind::TimedOut, "it is slow, and the child was told to be patient");
        assert_eq!(blamed(&waited, FailureKind::LimitHit, AT_ONCE), FailureKind::LimitHit, "another limit has nothing to do with it");
        waited.source(&here).read(0, 1).await.unwrap();
        assert_eq!(blamed(&waited, FailureKind::TimedOut, Duration::ZERO), FailureKind::TimedOut, "it answered");

        tokio::time::timeout(AT_ONCE, waited.outputs(std::slice::from_mut(&mut away))[0].write(Bytes::new())).await.unwrap_err();
        assert_eq!(blamed(&waited, FailureKind::TimedOut, AT_ONCE), FailureKind::OutputFailed);
        waited.outputs(std::slice::from_mut(&mut here))[0].write(Bytes::new()).await.unwrap();
        assert_eq!(blamed(&waited, FailureKind::TimedOut, Duration::ZERO), FailureKind::TimedOut, "it took it");
    }
}
