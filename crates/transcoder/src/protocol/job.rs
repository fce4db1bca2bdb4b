//! The first message on the source socket: what the child is to do.

use std::{
    io::{self, Read, Write},
    num::NonZeroU32,
};

use media_domain::{
    Kind, MediaInfo, limits,
    profile::{Damaged, ProfileLimits, ProfileName, Recipe},
    work::Group,
};
use serde::{Deserialize, Serialize};

use super::{Extent, ProtocolError};
use crate::child::lock::Layers;

/// The longest job in bytes of JSON.
pub const JOB_BYTES_MAX: u32 = 256 << 10;

/// One piece of work for one child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChildJob {
    /// Of the original, in bytes.
    pub size: u64,
    /// Of the original, as the scanner's sniffing named it. It alone chooses the demuxer.
    pub mime: String,
    pub kind: Kind,
    pub group: Group,
    /// What to make; a frame names an output by its place here. At most 255.
    pub outputs: Vec<Output>,
    /// What the probe found; every group but the probe needs it.
    pub info: Option<MediaInfo>,
    pub limits: Limits,
    /// Whether the file's own pictures may become a rung as they are: not of what was not scanned whole, and not after a failure.
    pub may_copy: bool,
    /// What the child must lock itself with.
    pub layers: Layers,
}

/// One variant to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    pub profile: ProfileName,
    pub make: Recipe,
    /// Of which track of its sort it is made, counted from 0.
    pub track: u32,
    /// What becomes of a damaged file. A job keeps one only where all its outputs do.
    pub damaged: Damaged,
    /// What making it may take, where its profile says so.
    pub limits: ProfileLimits,
}

/// What a child may use. Time, bytes and memory are kept by the parent, the rest by the child upon itself. All such numbers are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// From start to result, in milliseconds.
    pub wall_ms: u64,
    /// How long nothing may go forward, in milliseconds, while the child waits for nobody.
    pub stall_ms: u64,
    /// The same while it waits for the parent, and with it for storage.
    pub patience_ms: u64,
    /// Of all outputs together.
    pub output_bytes: u64,
    /// Read from storage: more than the file, because a badly interleaved one is read more than once.
    pub source_bytes: u64,
    /// Answered, from storage or out of what is held of it. The watchdog takes each answer for a move: of those, too, there is an end.
    pub answered_bytes: u64,
    /// Of all threads together, in milliseconds.
    pub cpu_ms: u64,
    /// Resident, where a memory cgroup can be made.
    pub memory_bytes: u64,
    /// A backstop with a better message than the memory cgroup has.
    pub address_space_bytes: u64,
    /// Of one picture.
    pub pixels: u64,
}

const MIB: u64 = 1 << 20;
const MEMORY_BYTES_LEAST: u64 = 1024 * MIB;
const MEMORY_BYTES_A_PIXEL: u64 = 256;
const MEMORY_BYTES_MOST: u64 = 6 << 30;
/// Threads' stacks, and what libraries map and never touch.
const ADDRESS_SPACE_BEYOND_MEMORY: u64 = 3 << 30;
/// Of a progressive file, with room for two of them: 120 frames a second of 20 bytes.
const INDEX_BYTES_PER_SECOND: u64 = 6000;
/// Far beyond what is asked of a small file, whose every block is held: not for ever, and that is enough.
const ANSWERED_BYTES: u64 = 1 << 40;
/// A week: the rungs of twelve hours of 4K at 60 frames a second take six days of one core. A pod that is told to stop is given as long.
const WALL_SECONDS_MOST: u64 = 7 * 24 * 3600;

impl Limits {
    /// The limits for a piece of work on a file of `size` bytes.
    pub fn of(group: Group, size: u64, info: Option<&MediaInfo>, outputs: &[Output]) -> Self {
        let longest_s = limits::MAX_DURATION.as_secs();
        let duration_s = info.and_then(|info| info.duration_ms).map_or(longest_s, |ms| (ms / 1000 + 1).min(longest_s));
        let wall_s = match group {
            Group::Ladder | Group::Av1 | Group::Vp9 => (600 + 40 * sixties(info) * duration_s).min(WALL_SECONDS_MOST),
            // A subtitle file has no length, and needs none.
            Group::Subtitles if info.is_none() => 300,
            Group::Audio | Group::Speech | Group::Storyboard | Group::Subtitles => 600 + 2 * duration_s,
            _ => 300,
        };
        let output_bytes = outputs.iter().map(|output| output.bytes_max(duration_s)).sum();
        let wall_ms = most(outputs, |limits| limits.wall_seconds, 1000, wall_s * 1000);
        let memory_bytes = most(outputs, |limits| limits.memory_mib, MIB, memory_bytes(info));
        Self {
            wall_ms,
            stall_ms: 30_000,
            // A store that answers nothing at all is tried for longer (`media_blobs::patience`): then the parent says whose fault it is.
            patience_ms: 600_000,
            output_bytes,
            source_bytes: size.saturating_mul(4).saturating_add(64 * MIB),
            answered_bytes: size.saturating_mul(64).saturating_add(ANSWERED_BYTES),
            // One busy core until the deadline: all rungs of a second of 4K at 30 frames took 6 s.
            cpu_ms: most(outputs, |limits| limits.cpu_seconds, 1000, wall_ms),
            memory_bytes,
            address_space_bytes: memory_bytes.saturating_add(ADDRESS_SPACE_BEYOND_MEMORY),
            pixels: limits::MAX_PIXELS,
        }
    }
}

/// The most that any of the outputs may take: what its profile says, or else what is usual.
fn most(outputs: &[Output], own: impl Fn(&ProfileLimits) -> Option<NonZeroU32>, unit: u64, usual: u64) -> u64 {
    let of = |output: &Output| own(&output.limits).map_or(usual, |own| u64::from(own.get()) * unit);
    outputs.iter().map(of).max().unwrap_or(usual)
}

/// How many times sixty frames a film has in a second.
fn sixties(info: Option<&MediaInfo>) -> u64 {
    let (frames, seconds) = info.and_then(|info| info.video.as_ref()).map_or((0, 1), |video| video.frame_rate);
    u64::from(frames.div_ceil(seconds.max(1)).div_ceil(60).clamp(1, 4))
}

/// All rungs of a 4K film took 2.1 GB, of one of 10 bits 2.4; those of 1080p 0.6 GB: 290 bytes for each pixel of the source. Of
/// pictures, sound and papers that number is 0.
fn memory_bytes(info: Option<&MediaInfo>) -> u64 {
    let pixels = info.and_then(|info| info.video.as_ref()).map_or(0, |video| u64::from(video.width) * u64::from(video.height));
    pixels.saturating_mul(MEMORY_BYTES_A_PIXEL).saturating_add(MEMORY_BYTES_LEAST).min(MEMORY_BYTES_MOST)
}

impl Output {
    /// What this output can grow to in bytes: twice its bitrate, as many frames a second may take, and half of that again for
    /// its peaks; and something for its boxes.
    fn bytes_max(&self, duration_s: u64) -> u64 {
        if let Some(own) = self.limits.output_mib {
            return u64::from(own.get()) * MIB;
        }
        16 * MIB + duration_s * (3 * self.make.bits_per_second() / 8 + INDEX_BYTES_PER_SECOND)
    }
}

impl ChildJob {
    /// Of each output, how many bytes it may begin with that are known last.
    pub fn rooms(&self) -> Vec<u64> {
        let info = self.info.clone().unwrap_or_default();
        let room = |output: &Output| match output.make {
            Recipe::Mp4 { .. } => Extent::of(&info, self.size).room_bytes(),
            Recipe::Preview { seconds, .. } => Extent::of_silent_seconds(&info, seconds.into()).room_bytes(),
            _ => 0,
        };
        self.outputs.iter().map(room).collect()
    }

    /// The message: a length and that many bytes of JSON.
    ///
    /// # Errors
    /// [`ProtocolError::JobTooLong`] where the job is over [`JOB_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>, ProtocolError> {
        let json = serde_json::to_vec(self).map_err(|_| ProtocolError::NotJson)?;
        let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
        if length > JOB_BYTES_MAX {
            return Err(ProtocolError::JobTooLong(length));
        }
        Ok([length.to_le_bytes().as_slice(), &json].concat())
    }

    /// Writes the message.
    ///
    /// # Errors
    /// Those of the socket, and of a job that is too long.
    pub fn write_to(&self, mut socket: impl Write) -> io::Result<()> {
        socket.write_all(&self.encode().map_err(io::Error::other)?)
    }

    /// Reads the message.
    ///
    /// # Errors
    /// Those of the socket; [`ProtocolError`] inside of one where the message is too long or no job.
    pub fn read_from(mut socket: impl Read) -> io::Result<Self> {
        let mut length = [0; 4];
        socket.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > JOB_BYTES_MAX {
            return Err(io::Error::other(ProtocolError::JobTooLong(length)));
        }
        let mut json = vec![0; length as usize];
        socket.read_exact(&mut json)?;
        serde_json::from_slice(&json).map_err(|_| io::Error::other(ProtocolError::NotJson))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job() -> ChildJob {
        let outputs = vec![Output {
            profile: "h264-720p".to_owned().try_into().unwrap(),
            make: Recipe::H264 { height: 720, bitrate_kbps: 2800 },
            track: 0,
            damaged: Damaged::Refuse,
            limits: ProfileLimits::default(),
        }];
        let limits = Limits::of(Group::Ladder, 1000, None, &outputs);
        ChildJob {
            size: 1000,
            mime: "video/mp4".into(),
            kind: Kind::Video,
            group: Group::Ladder,
            outputs,
            info: None,
            limits,
            may_copy: false,
            layers: Layers::ALL,
        }
    }

    #[test]
    fn a_job_round_trips() {
        let mut bytes = Vec::new();
        job().write_to(&mut bytes).unwrap();
        assert_eq!(ChildJob::read_from(bytes.as_slice()).unwrap(), job());
    }

    #[test]
    fn a_job_that_says_it_is_huge_is_refused_before_memory_is_taken() {
        assert!(ChildJob::read_from([0xff; 8].as_slice()).is_err());
    }

    #[test]
    fn what_has_not_moved_for_half_a_minute_is_ended_and_storage_may_be_away_for_ten() {
        for group in [Group::Probe, Group::Ladder, Group::Av1, Group::Audio] {
            let limits = Limits::of(group, 1, None, &job().outputs);
            assert_eq!((limits.stall_ms, limits.patience_ms), (30_000, 600_000));
        }
    }

    #[test]
    fn a_file_of_unknown_length_gets_the_limits_of_the_longest() {
        let unknown = Limits::of(Group::Ladder, 1, None, &job().outputs);
        let long = MediaInfo { duration_ms: Some(u64::MAX), ..MediaInfo::default() };
        assert_eq!(unknown, Limits::of(Group::Ladder, 1, Some(&long), &job().outputs));
    }

    #[test]
    fn a_profile_may_lower_and_raise_the_limits_of_its_group() {
        let of = |limits: &[ProfileLimits]| {
            let outputs: Vec<_> = limits.iter().map(|limits| Output { limits: *limits, ..job().outputs[0].clone() }).collect();
            Limits::of(Group::Ladder, 1000, Some(&MediaInfo { duration_ms: Some(10_000), ..MediaInfo::default() }), &outputs)
        };
        let usual = of(&[ProfileLimits::default()]);
        let few = ProfileLimits {
            wall_seconds: NonZeroU32::new(7),
            cpu_seconds: NonZeroU32::new(5),
            memory_mib: NonZeroU32::new(300),
            output_mib: NonZeroU32::new(2),
        };
        let lowered = of(&[few]);
        assert_eq!((lowered.wall_ms, lowered.cpu_ms, lowered.memory_bytes, lowered.output_bytes), (7000, 5000, 300 * MIB, 2 * MIB));
        let mixed = of(&[few, ProfileLimits::default()]);
        assert_eq!((mixed.wall_ms, mixed.memory_bytes), (usual.wall_ms, usual.memory_bytes), "made together with one that may take more");
        assert_eq!(mixed.output_bytes, usual.output_bytes + 2 * MIB);
        let much = of(&[ProfileLimits { memory_mib: NonZeroU32::new(9000), ..ProfileLimits::default() }]);
        assert_eq!((much.memory_bytes, much.wall_ms), (9000 * MIB, usual.wall_ms));
    }

    #[test]
    fn memory_follows_the_pixels_of_a_film() {
        let of = |width, height| {
            let video = media_domain::info::VideoInfo { width, height, ..Default::default() };
            memory_bytes(Some(&MediaInfo { video: Some(video), ..MediaInfo::default() })) / MIB
        };
        assert_eq!((of(640, 360), of(1920, 1080), of(3840, 2160), of(7680, 4320)), (1080, 1530, 3049, 6144));
        assert_eq!(memory_bytes(None), 1 << 30);
    }

    /// What a cluster takes away is done again from its beginning, however much of it was done.
    #[test]
    fn a_pod_that_is_told_to_stop_is_given_as_long_as_the_longest_work_may_take() {
        let video = media_domain::info::VideoInfo { frame_rate: (240, 1), ..Default::default() };
        let film = MediaInfo { duration_ms: Some(u64::MAX), video: Some(video), ..MediaInfo::default() };
        let longest_s = Limits::of(Group::Ladder, 1, Some(&film), &job().outputs).wall_ms / 1000;
        let grace_s = of_the_pod("MEDIA__SHUTDOWN__GRACE, value: ", "s}");
        // Its results have to be written after that.
        assert!(grace_s >= longest_s + 60, "{grace_s} s for {longest_s} s");
        assert!(of_the_pod("terminationGracePeriodSeconds: ", "\n") >= grace_s + 5);
    }

    /// In a pod nobody can make a cgroup for the child: what bounds it there is its address space.
    #[test]
    fn a_pod_has_room_for_the_largest_child_and_for_the_worker_beside_it() {
        let video = media_domain::info::VideoInfo { width: 7680, height: 4320, ..Default::default() };
        let film = MediaInfo { video: Some(video), ..MediaInfo::default() };
        let largest = Limits::of(Group::Ladder, 1, Some(&film), &job().outputs).address_space_bytes;
        assert_eq!(largest, MEMORY_BYTES_MOST + ADDRESS_SPACE_BEYOND_MEMORY, "no film has more");
        let given = of_the_pod("limits: {cpu: \"8\", memory: ", "Gi}") << 30;
        assert!(given >= largest + 512 * MIB, "{} MiB for {} MiB", given / MIB, largest / MIB);
    }

    /// A number of the manifest's, between two texts.
    fn of_the_pod(before: &str, after: &str) -> u64 {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/kubernetes/base/transcoder.yaml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let (_, from) = manifest.split_once(before).unwrap();
        from.split_once(after).unwrap().0.parse().unwrap()
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(ChildJob::read_from(bytes.as_slice()).is_err());
        }
    }
}
