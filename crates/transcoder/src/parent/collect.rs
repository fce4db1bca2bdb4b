//! Takes what the child sends: hands bytes on to storage, and counts them itself.

use std::{future::Future, time::Duration};

use bytes::{Bytes, BytesMut};
use media_domain::MediaInfo;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::failure::BoxError;
use crate::protocol::{ChildResult, FrameHeader, FrameKind, HEADER_BYTES, ProtocolError};

/// A fragment is handed on in pieces of this size, never held whole.
const PIECE_BYTES: usize = 256 << 10;
/// Fragments of one output: 12 hours of six seconds are 7,200.
const FRAGMENTS_MAX: usize = 100_000;

/// Takes one output's bytes, in order.
pub trait OutputWriter: Send {
    /// Waits while storage is slow: that is the encoder's backpressure.
    fn write(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Leaves room at the begin, before anything is written. Whoever cannot go back refuses.
    fn reserve(&mut self, bytes: usize) -> Result<(), BoxError> {
        Err(format!("no room for {bytes} bytes at the begin").into())
    }

    /// Fills that room, from its begin on.
    fn write_front(&mut self, bytes: Bytes) -> Result<(), BoxError> {
        Err(format!("no room for {} bytes at the begin", bytes.len()).into())
    }
}

/// A part of a variant that begins with a keyframe and can be fetched by range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Of its first byte in the object.
    pub offset: u64,
    /// Its length.
    pub bytes: u32,
    pub duration_us: u64,
    /// Whether its first sample is a keyframe.
    pub keyframe: bool,
    /// From its start to the end of its first sample.
    pub keyframe_bytes: u32,
}

/// Why collecting stopped.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error("the child spoke wrongly")]
    Protocol(#[from] ProtocolError),
    #[error("output {output} cannot be written")]
    Output { output: u8, source: BoxError },
    #[error("the outputs outgrew {limit} bytes")]
    TooMuchOutput { limit: u64 },
}

/// What one output came to, counted here.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    pub bytes: u64,
    /// Of bytes at its begin that are known last.
    room_bytes_max: u64,
    pub room_bytes: u64,
    /// Of those, the ones that are still missing.
    front_missing: u64,
    /// Of the `ftyp` and `moov` boxes; 0 for an output without fragments.
    pub init_bytes: u32,
    pub fragments: Vec<Fragment>,
}

/// Everything that a child sent.
#[derive(Debug)]
pub struct Collection {
    pub info: Option<MediaInfo>,
    pub outputs: Vec<Collected>,
    pub result: ChildResult,
}

/// Reads frames until the result. `rooms` says of each output how many bytes it may begin with that are known last.
///
/// # Errors
/// [`CollectError`], at the first thing that is wrong.
pub async fn collect<W: OutputWriter>(
    socket: impl AsyncRead + Unpin,
    writers: &mut [W],
    rooms: &[u64],
    output_bytes_max: u64,
    progress: &(impl Fn(Duration) + Sync),
) -> Result<Collection, CollectError> {
    let room = |output| Collected { room_bytes_max: rooms.get(output).copied().unwrap_or(0), ..Collected::default() };
    let outputs: Vec<Collected> = (0..writers.len()).map(room).collect();
    let mut collector = Collector { socket, writers, outputs, left: output_bytes_max, limit: output_bytes_max, info: None };
    loop {
        let mut header = [0; HEADER_BYTES];
        collector.fill(&mut header).await?;
        let header = FrameHeader::decode(header)?;
        match header.kind {
            FrameKind::Hello => collector.hello(header).await?,
            FrameKind::Progress => progress(Duration::from_nanos(header.pts_ns)),
            FrameKind::Room => collector.room(header).await?,
            FrameKind::Init | FrameKind::Fragment | FrameKind::Data | FrameKind::Front => collector.output(header).await?,
            FrameKind::Result => {
                let result = ChildResult::decode(&collector.payload(header.length).await?)?;
                if matches!(result, ChildResult::Done(_)) && collector.outputs.iter().any(|output| output.front_missing > 0) {
                    return Err(ProtocolError::OutOfOrder("room that was never filled").into());
                }
                return Ok(Collection { info: collector.info, outputs: collector.outputs, result });
            }
        }
    }
}

struct Collector<'a, S, W> {
    socket: S,
    writers: &'a mut [W],
    outputs: Vec<Collected>,
    /// Bytes that the outputs may still grow by.
    left: u64,
    limit: u64,
    info: Option<MediaInfo>,
}

impl<S: AsyncRead + Unpin, W: OutputWriter> Collector<'_, S, W> {
    async fn hello(&mut self, header: FrameHeader) -> Result<(), CollectError> {
        if self.info.is_some() {
            return Err(ProtocolError::OutOfOrder("a second hello").into());
        }
        let json = self.payload(header.length).await?;
        self.info = Some(serde_json::from_slice(&json).map_err(|_| ProtocolError::NotJson)?);
        Ok(())
    }

    fn place(&mut self, header: FrameHeader) -> Result<(&mut Collected, &mut W), ProtocolError> {
        let (place, outputs) = (usize::from(header.output), self.outputs.len());
        let missing = ProtocolError::NoSuchOutput { output: header.output, outputs };
        self.outputs.get_mut(place).zip(self.writers.get_mut(place)).ok_or(missing)
    }

    async fn room(&mut self, header: FrameHeader) -> Result<(), CollectError> {
        let payload = self.payload(header.length).await?;
        let bytes = payload.as_ref().try_into().map(u64::from_le_bytes).map_err(|_| ProtocolError::OutOfOrder("room without a number"))?;
        self.take(bytes)?;
        let (collected, writer) = self.place(header)?;
        if collected.bytes > 0 || !(1..=collected.room_bytes_max).contains(&bytes) {
            return Err(ProtocolError::OutOfOrder("room where there can be none, or too much").into());
        }
        (collected.bytes, collected.room_bytes, collected.front_missing) = (bytes, bytes, bytes);
        let room = usize::try_from(bytes).unwrap_or(usize::MAX);
        writer.reserve(room).map_err(|source| CollectError::Output { output: header.output, source })
    }

    fn take(&mut self, bytes: u64) -> Result<(), CollectError> {
        self.left = self.left.checked_sub(bytes).ok_or(CollectError::TooMuchOutput { limit: self.limit })?;
        Ok(())
    }

    /// Counts a frame of an output, then streams its payload on.
    async fn output(&mut self, header: FrameHeader) -> Result<(), CollectError> {
        if header.length == 0 {
            return Err(ProtocolError::OutOfOrder("a frame without bytes").into());
        }
        let is_front = header.kind == FrameKind::Front;
        self.place(header)?.0.count(header)?;
        // Its room was taken before.
        if !is_front {
            self.take(header.length.into())?;
        }
        let mut left = header.length as usize;
        while left > 0 {
            let piece = self.piece(left.min(PIECE_BYTES)).await?;
            left -= piece.len();
            let (_, writer) = self.place(header)?;
            let written = if is_front { writer.write_front(piece) } else { writer.write(piece).await };
            written.map_err(|source| CollectError::Output { output: header.output, source })?;
        }
        Ok(())
    }

    async fn payload(&mut self, length: u32) -> Result<Bytes, ProtocolError> {
        self.piece(length as usize).await
    }

    async fn piece(&mut self, length: usize) -> Result<Bytes, ProtocolError> {
        let mut piece = BytesMut::zeroed(length);
        self.fill(&mut piece).await?;
        Ok(piece.freeze())
    }

    async fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ProtocolError> {
        self.socket.read_exact(buffer).await.map(drop).map_err(|_| ProtocolError::Ended)
    }
}

impl Collected {
    fn count(&mut self, header: FrameHeader) -> Result<(), ProtocolError> {
        match header.kind {
            FrameKind::Init if self.bytes > 0 => return Err(ProtocolError::OutOfOrder("an init section after other bytes")),
            FrameKind::Init => self.init_bytes = header.length,
            FrameKind::Fragment if self.init_bytes == 0 => return Err(ProtocolError::OutOfOrder("a fragment before its init section")),
            FrameKind::Fragment if self.fragments.len() >= FRAGMENTS_MAX => return Err(ProtocolError::OutOfOrder("too many fragments")),
            FrameKind::Fragment => self.fragments.push(Fragment {
                offset: self.bytes,
                bytes: header.length,
                duration_us: header.duration_ns.saturating_add(500) / 1000,
                keyframe: header.keyframe,
                keyframe_bytes: header.keyframe_bytes,
            }),
            FrameKind::Front => {
                let left = self.front_missing.checked_sub(header.length.into());
                self.front_missing = left.ok_or(ProtocolError::OutOfOrder("more than there is room for"))?;
                return Ok(());
            }
            _ if self.init_bytes > 0 => return Err(ProtocolError::OutOfOrder("data in an output of fragments")),
            _ => {}
        }
        self.bytes += u64::from(header.length);
        Ok(())
    }

    /// Of all fragments together.
    pub fn duration_us(&self) -> u64 {
        self.fragments.iter().fold(0, |sum, fragment| sum.saturating_add(fragment.duration_us))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Kept(Vec<u8>);

    impl OutputWriter for Kept {
        async fn write(&mut self, bytes: Bytes) -> Result<(), BoxError> {
            self.0.extend_from_slice(&bytes);
            Ok(())
        }

        fn reserve(&mut self, bytes: usize) -> Result<(), BoxError> {
            self.0.resize(bytes, 0);
            Ok(())
        }

        fn write_front(&mut self, bytes: Bytes) -> Result<(), BoxError> {
            let at = self.0.iter().position(|byte| *byte == 0).unwrap();
            self.0[at..at + bytes.len()].copy_from_slice(&bytes);
            Ok(())
        }
    }

    fn frame(kind: FrameKind, output: u8, payload: &[u8]) -> Vec<u8> {
        let header = FrameHeader { keyframe: true, duration_ns: 6_000_000_000, ..FrameHeader::new(kind, output, payload.len() as u32) };
        [header.encode().as_slice(), payload].concat()
    }

    fn result() -> Vec<u8> {
        frame(FrameKind::Result, 0, &ChildResult::Done(crate::protocol::Counts::default()).encode().unwrap())
    }

    fn run(stream: &[u8], outputs: usize, limit: u64) -> (Result<Collection, CollectError>, Vec<Kept>) {
        let mut writers: Vec<Kept> = (0..outputs).map(|_| Kept::default()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let result = runtime.block_on(collect(stream, &mut writers, &[ROOM], limit, &|_| {}));
        (result, writers)
    }

    #[test]
    fn offsets_are_counted_here_and_bytes_arrive_in_order() {
        let stream = [
            frame(FrameKind::Init, 1, b"head"),
            frame(FrameKind::Data, 0, b"picture"),
            frame(FrameKind::Fragment, 1, b"first"),
            frame(FrameKind::Progress, 0, b""),
            frame(FrameKind::Fragment, 1, b"second"),
            result(),
        ]
        .concat();
        let (collection, writers) = run(&stream, 2, 1000);
        let outputs = collection.unwrap().outputs;
        assert_eq!((writers[0].0.as_slice(), writers[1].0.as_slice()), (b"picture".as_slice(), b"headfirstsecond".as_slice()));
        assert_eq!((outputs[1].init_bytes, outputs[1].bytes, outputs[1].duration_us()), (4, 15, 12_000_000));
        let places: Vec<_> = outputs[1].fragments.iter().map(|fragment| (fragment.offset, fragment.bytes)).collect();
        assert_eq!(places, [(4, 5), (9, 6)]);
    }

    /// Granted to the first output.
    const ROOM: u64 = 10;

    fn room(bytes: u64) -> Vec<u8> {
        frame(FrameKind::Room, 0, &bytes.to_le_bytes())
    }

    #[test]
    fn what_is_known_last_stands_in_front_and_is_counted_once() {
        let fronts = [frame(FrameKind::Front, 0, b"ab"), frame(FrameKind::Front, 0, b"cd")].concat();
        let stream = [room(4), frame(FrameKind::Data, 0, b"samples"), fronts, result()].concat();
        let (collection, writers) = run(&stream, 1, 11);
        assert_eq!((collection.unwrap().outputs[0].bytes, writers[0].0.as_slice()), (11, b"abcdsamples".as_slice()));
    }

    #[test]
    fn a_child_that_breaks_the_order_fails_the_job() {
        for (what, stream) in [
            ("a fragment before its init section", frame(FrameKind::Fragment, 0, b"x")),
            ("an output that the job does not have", frame(FrameKind::Data, 1, b"x")),
            ("a second init section", [frame(FrameKind::Init, 0, b"x"), frame(FrameKind::Init, 0, b"x")].concat()),
            ("data after an init section", [frame(FrameKind::Init, 0, b"x"), frame(FrameKind::Data, 0, b"x")].concat()),
            ("an empty frame", frame(FrameKind::Data, 0, b"")),
            ("a result that is none", frame(FrameKind::Result, 0, b"{}")),
            ("no result at all", frame(FrameKind::Data, 0, b"x")),
            ("room behind data", [frame(FrameKind::Data, 0, b"x"), room(4), result()].concat()),
            ("room for nothing", [room(0), result()].concat()),
            ("more room than was granted", [room(ROOM + 1), frame(FrameKind::Front, 0, &[1; ROOM as usize + 1]), result()].concat()),
            ("room that stays empty", [room(4), frame(FrameKind::Data, 0, b"x"), frame(FrameKind::Front, 0, b"abc"), result()].concat()),
            ("more than there is room for", [room(4), frame(FrameKind::Front, 0, b"abcde"), result()].concat()),
            ("a front without room", [frame(FrameKind::Front, 0, b"a"), result()].concat()),
            ("an end inside a frame", frame(FrameKind::Data, 0, b"xyz")[..HEADER_BYTES + 1].to_vec()),
        ] {
            let (result, _) = run(&stream, 1, u64::MAX);
            assert!(matches!(result, Err(CollectError::Protocol(_))), "{what}: {result:?}");
        }
    }

    #[test]
    fn outputs_that_outgrow_the_limit_are_stopped_before_they_are_written() {
        let (result, writers) = run(&[frame(FrameKind::Data, 0, &[0; 60]), frame(FrameKind::Data, 0, &[0; 60]), result()].concat(), 1, 100);
        assert!(matches!(result, Err(CollectError::TooMuchOutput { limit: 100 })), "{result:?}");
        assert_eq!(writers[0].0.len(), 60);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_always_end_in_a_typed_error(stream in proptest::collection::vec(any::<u8>(), 0..300), kind in 0u8..10) {
            let mut stream = stream;
            if let [first, second, flags, more, ..] = stream.as_mut_slice() {
                (*first, *second, *flags, *more) = (kind, 0, 0, 0);
            }
            let (result, _) = run(&stream, 1, 1000);
            prop_assert!(result.is_err());
        }
    }
}
