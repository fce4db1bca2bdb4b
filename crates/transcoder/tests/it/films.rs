//! What is made of a film beside its rungs: one file that plays from its start, the sheet of tiles, the silent loop, other codecs.

use std::path::{Path, PathBuf};

use media_domain::{Kind, work::Group};
use media_transcoder::protocol::ChildJob;

use crate::bench::{Bench, Ran, corner, decoded, ffprobe, is_near, job, keyframes_ms, moving, pixels, value};

const LADDER: &[&str] = &["h264-1080p", "h264-720p", "h264-480p", "h264-360p", "mp4-720p", "aac-128k"];

fn run(bench: &Bench, name: &str, source: &str, group: Group, profiles: &[&str]) -> Ran {
    let file = bench.make(name, source);
    let mime = if name.ends_with(".mp4") { "video/mp4" } else { "video/x-matroska" };
    bench.run(&file, mime, Kind::Video, group, profiles).unwrap()
}

/// The boxes of a file, in their order.
fn boxes(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap();
    let (mut at, mut names) = (0, Vec::new());
    while at + 8 <= bytes.len() {
        let size = match u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) {
            1 => u64::from_be_bytes(bytes[at + 8..at + 16].try_into().unwrap()) as usize,
            size => size as usize,
        };
        names.push(String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned());
        assert!(size >= 8, "{names:?}");
        at += size;
    }
    assert_eq!(at, bytes.len(), "{names:?}");
    names
}

fn index_is_in_front(path: &Path) {
    let names = boxes(path);
    let place = |name: &str| names.iter().position(|found| found == name).unwrap_or_else(|| panic!("no {name} in {names:?}"));
    assert!(place("moov") < place("mdat"), "{names:?}");
    assert_eq!(names.iter().filter(|name| *name == "moov").count(), 1, "{names:?}");
}

#[test]
fn a_full_hd_film_has_four_rungs_and_one_file_that_plays_from_its_start() {
    let bench = Bench::new();
    let source = format!("{} -c:v libx264 -preset ultrafast -c:a aac -ac 2", moving("1920x1080", 5));
    let ran = run(&bench, "full.mp4", &source, Group::Ladder, LADDER);
    let sizes: Vec<_> = ran.done.outputs.iter().filter_map(|made| made.width.zip(made.height)).collect();
    assert_eq!(sizes, [(1920, 1080), (1280, 720), (854, 480), (640, 360), (1280, 720)]);
    for path in &ran.files[..5] {
        assert_eq!(keyframes_ms(path), [0, 2000, 4000]);
        assert_eq!(decoded(path).0, 150);
    }
    let (made, path) = (&ran.done.outputs[4], &ran.files[4]);
    index_is_in_front(path);
    assert_eq!((made.duration_ms, made.fragments.len(), made.init_bytes), (Some(5000), 0, 0));
    let found = ffprobe(path, "stream=codec_name,profile,channels:format=duration,start_time");
    let all = |key: &str| found.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect::<Vec<_>>();
    assert_eq!((all("codec_name"), all("channels")), (vec!["aac", "h264"], vec!["2"]));
    let seconds: f64 = value(&found, "duration").parse().unwrap();
    assert!((seconds - 5.0).abs() < 0.05, "{seconds}");
    // The rung of the same size is of the same encoder.
    let (rung, whole) = (video_bytes(&ran.files[1]), video_bytes(path));
    assert_eq!(rung, whole, "bytes of pictures");
}

/// What the parameters in the init section say (RFC 6381, 3.3: profile, constraints, level, as `avcC` repeats them of the SPS).
fn codec_in_the_head(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let record = &bytes[bytes.windows(4).position(|window| window == b"avcC").unwrap() + 4..];
    // ISO/IEC 14496-15, 5.3.3.1: version, three bytes of the first SPS, two of sizes, its length, its header
    let sps = &record[8..];
    assert_eq!(record[1..4], sps[1..4], "the record contradicts its SPS");
    format!("avc1.{:02x}{:02x}{:02x}", sps[1], sps[2], sps[3])
}

#[test]
fn a_film_of_4k_has_the_two_highest_rungs_and_each_says_its_codec_as_its_head_does() {
    let bench = Bench::new();
    let source = "-f lavfi -i testsrc2=size=3840x2160:rate=30 -frames:v 8 -c:v libx264 -preset ultrafast";
    let ran = run(&bench, "4k.mp4", source, Group::Ladder, &["h264-2160p", "h264-1440p", "h264-360p"]);
    let sizes: Vec<_> = ran.done.outputs.iter().filter_map(|made| made.width.zip(made.height)).collect();
    assert_eq!(sizes, [(3840, 2160), (2560, 1440), (640, 360)]);
    for (made, path) in ran.done.outputs.iter().zip(&ran.files) {
        let found = ffprobe(path, "stream=width,height");
        assert_eq!(value(&found, "width"), made.width.unwrap().to_string());
        assert_eq!(decoded(path).0, 8);
        assert_eq!(made.codec.as_deref().unwrap().to_ascii_lowercase(), codec_in_the_head(path), "{}", path.display());
    }
}

fn video_bytes(path: &Path) -> u64 {
    let found = ffprobe(path, "packet=codec_type,size");
    let sizes = found.iter().skip_while(|(key, _)| key != "codec_type").collect::<Vec<_>>();
    sizes.chunks(2).filter(|two| two[0].1 == "video").map(|two| two[1].1.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_wide_film_keeps_its_lines_and_a_fast_one_gets_more_bits() {
    let bench = Bench::new();
    let wide = run(&bench, "wide.mp4", &format!("{} -c:v libx264 -preset ultrafast", moving("1920x800", 2)), Group::Ladder, LADDER);
    assert_eq!((wide.done.outputs[0].width, wide.done.outputs[0].height), (Some(1920), Some(800)));
    let noise = |rate: u32| {
        format!("-f lavfi -i testsrc2=size=640x360:rate={rate}:duration=5 -vf noise=alls=60:allf=t -c:v libx264 -preset ultrafast -crf 18")
    };
    let bits = |rate: u32| {
        let ran = run(&bench, &format!("{rate}.mkv"), &noise(rate), Group::Ladder, &["h264-360p"]);
        ran.done.outputs[0].bitrate.unwrap() as f64
    };
    let (slow, fast) = (bits(15), bits(60));
    assert!((2.2..3.8).contains(&(fast / slow)), "four times as many frames: {fast} to {slow}");
}

#[test]
fn a_film_without_sound_is_a_progressive_file_without_sound() {
    let bench = Bench::new();
    let source = "-f lavfi -i testsrc2=size=640x480:rate=25:duration=3 -c:v libx264 -preset ultrafast";
    let ran = run(&bench, "mute.mkv", source, Group::Ladder, &["mp4-720p"]);
    index_is_in_front(&ran.files[0]);
    assert_eq!((ran.done.outputs[0].width, ran.done.outputs[0].height), (Some(640), Some(480)), "never enlarged");
    assert_eq!(decoded(&ran.files[0]), (75, 3000));
}

#[test]
fn the_tiles_of_a_storyboard_show_their_moments() {
    let bench = Bench::new();
    let scene = |color: &str| format!("-f lavfi -i color={color}:size=320x180:rate=25:duration=4");
    let filter = "-filter_complex concat=n=3";
    let source = format!("{} {} {} {filter} -c:v libx264 -preset ultrafast -g 1000", scene("red"), scene("lime"), scene("blue"));
    let ran = run(&bench, "scenes.mp4", &source, Group::Storyboard, &["storyboard"]);
    let made = &ran.done.outputs[0];
    let tiles = made.details.tiles.unwrap();
    assert_eq!((tiles.columns, tiles.count, tiles.interval_ms, tiles.width, tiles.height), (10, 12, 1000, 160, 90));
    assert_eq!((made.width, made.height), (Some(1600), Some(180)));
    let (width, _, rgb) = pixels(&ran.files[0]);
    let middle = |tile: u32| {
        let (x, y) = (tile % 10 * 160 + 80, tile / 10 * 90 + 45);
        let at = ((y * width + x) * 3) as usize;
        [rgb[at], rgb[at + 1], rgb[at + 2]]
    };
    for (tile, colour) in [(0, [255, 0, 0]), (3, [255, 0, 0]), (4, [0, 255, 0]), (7, [0, 255, 0]), (8, [0, 0, 255]), (11, [0, 0, 255])] {
        assert!(is_near(middle(tile), colour), "tile {tile}: {:?}", middle(tile));
    }
    assert!(is_near(middle(12), [0, 0, 0]), "behind the last there is nothing");
}

#[test]
fn of_a_long_film_only_keyframes_are_decoded_for_the_storyboard() {
    let bench = Bench::new();
    let source = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=300 -c:v libx264 -preset ultrafast -g 50";
    let ran = run(&bench, "long.mp4", source, Group::Storyboard, &["storyboard"]);
    let tiles = ran.done.outputs[0].details.tiles.unwrap();
    assert_eq!((tiles.count, tiles.interval_ms, tiles.columns), (100, 3000, 10));
    let times = &ran.progress;
    assert_eq!(times.len(), 100, "frames that were decoded");
    assert!(times.iter().zip(0..).all(|(time, tile)| (tile * 3000..tile * 3000 + 2000).contains(&(time.as_millis() as u64))), "{times:?}");
}

#[test]
fn an_upright_films_tiles_are_upright() {
    let bench = Bench::new();
    let source = "-f lavfi -i testsrc2=size=180x1000:rate=25:duration=2 -c:v libx264 -preset ultrafast";
    let ran = run(&bench, "tower.mp4", source, Group::Storyboard, &["storyboard"]);
    let tiles = ran.done.outputs[0].details.tiles.unwrap();
    assert_eq!((tiles.width, tiles.height, tiles.count), (58, 320, 2));
}

#[test]
fn a_preview_is_three_silent_seconds_from_the_first_frame_worth_seeing() {
    let bench = Bench::new();
    let source = "-f lavfi -i color=black:size=1280x720:rate=30:duration=2 -f lavfi -i testsrc2=size=1280x720:rate=30:duration=8 \
                  -f lavfi -i sine=duration=10 -filter_complex [0][1]concat=n=2[v] -map [v] -map 2 -c:v libx264 -preset ultrafast -c:a aac";
    let ran = run(&bench, "fade.mp4", source, Group::Preview, &["preview"]);
    let (made, path) = (&ran.done.outputs[0], &ran.files[0]);
    assert_eq!((made.width, made.height, made.frames, made.duration_ms), (Some(640), Some(360), 90, Some(3000)));
    index_is_in_front(path);
    let found = ffprobe(path, "stream=codec_name:format=duration,nb_streams,start_time");
    assert_eq!((value(&found, "codec_name"), value(&found, "nb_streams")), ("h264".into(), "1".into()));
    assert!(value(&found, "start_time").parse::<f64>().unwrap() < 0.1, "{found:?}");
    assert_eq!(decoded(path), (90, 3000));
    assert!(!is_near(corner(path, false, true), [0, 0, 0]), "the first frame is not black");
}

#[test]
fn a_preview_of_a_short_or_dark_film_is_what_there_is() {
    let bench = Bench::new();
    let short = run(&bench, "short.mp4", &format!("{} -c:v libx264", moving("320x240", 1)), Group::Preview, &["preview"]);
    assert_eq!(decoded(&short.files[0]), (30, 1000));
    let source = "-f lavfi -i color=black:size=320x240:rate=10:duration=20 -c:v libx264 -preset ultrafast";
    let dark = run(&bench, "dark.mp4", source, Group::Preview, &["preview"]);
    assert_eq!(decoded(&dark.files[0]), (30, 3000));
}

#[test]
fn vp9_and_av1_rungs_stand_on_the_same_keyframes_and_say_their_codec() {
    let bench = Bench::new();
    let source = format!("{} -c:v libx264 -preset ultrafast", moving("640x360", 5));
    for (group, profile, codec, name) in
        [(Group::Vp9, "vp9-360p", "vp09.00.21.08", "vp9"), (Group::Av1, "av1-360p", "av01.0.01M.08", "av1")]
    {
        let ran = run(&bench, &format!("{profile}.mp4"), &source, group, &[profile]);
        let (made, path) = (&ran.done.outputs[0], &ran.files[0]);
        assert_eq!(made.codec.as_deref(), Some(codec));
        assert_eq!(value(&ffprobe(path, "stream=codec_name"), "codec_name"), name);
        assert_eq!(keyframes_ms(path), [0, 2000, 4000], "{profile}");
        let times = ffprobe(path, "frame=pts_time");
        assert_eq!(times.iter().filter(|(key, _)| key == "pts_time").count(), 150, "{profile}");
        assert!(made.fragments.iter().all(|fragment| fragment.keyframe));
    }
}

#[test]
fn keyframes_of_vp9_and_av1_come_every_two_seconds_also_where_frames_are_not_equally_long() {
    let bench = Bench::new();
    // 30 frames a second, then 5: setpts stretches what comes after two seconds
    let filter = "-vf setpts='if(lt(T,2),PTS,2/TB+(PTS-2/TB)*6)' -fps_mode vfr -enc_time_base -1";
    let source = format!("-f lavfi -i testsrc2=size=640x360:rate=30:duration=3 {filter} -c:v libx264 -preset ultrafast");
    let file = bench.make("vfr.mkv", &source);
    for (group, profile) in [(Group::Vp9, "vp9-360p"), (Group::Av1, "av1-360p")] {
        let ran = bench.run(&file, "video/x-matroska", Kind::Video, group, &[profile]).unwrap();
        assert_eq!(keyframes_ms(&ran.files[0]), [0, 2000, 4000, 6000], "{profile}");
    }
}

/// Runs a job whose film may be copied, and says which of its outputs are the film's own stream.
fn copied(bench: &Bench, name: &str, source: &str, profiles: &[&str]) -> Vec<bool> {
    let file = bench.make(name, source);
    let info = bench.probe(&file, "video/mp4", Kind::Video).unwrap();
    let job = ChildJob { may_copy: true, ..job(&file, "video/mp4", Kind::Video, Group::Ladder, profiles, Some(info)) };
    let ran = bench.run_job(&file, job).unwrap();
    let own = video_bytes(&file);
    assert!(contains(&file, b"x264 - core"), "its encoder's words stand between the pictures");
    for path in &ran.files {
        assert_eq!(keyframes_ms(path), [0, 2000, 4000], "{}", path.display());
        assert_eq!(decoded(path).0, 150, "{}", path.display());
    }
    let is_copy = |path: &PathBuf| {
        let is_copy = video_bytes(path).abs_diff(own) < 1000;
        assert!(!is_copy || !contains(path, b"x264 - core"), "{}", path.display());
        is_copy
    };
    ran.files.iter().map(is_copy).collect()
}

fn contains(path: &Path, words: &[u8]) -> bool {
    std::fs::read(path).unwrap().windows(words.len()).any(|window| window == words)
}

#[test]
fn a_film_that_is_a_legal_rung_already_is_its_own_top_rung() {
    let bench = Bench::new();
    let rungs = ["h264-720p", "h264-360p", "mp4-720p"];
    let keyframes = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 60 -keyint_min 60 -sc_threshold 0";
    let film = |more: &str| format!("-f lavfi -i testsrc2=size=1280x720:rate=30:duration=5 {keyframes} {more}");
    assert_eq!(copied(&bench, "legal.mp4", &film("-b:v 2000k -maxrate 3000k -bufsize 3000k"), &rungs), [true, false, true]);
    let sound = "-f lavfi -i sine=duration=5 -c:a aac";
    let with_sound =
        format!("-f lavfi -i testsrc2=size=1280x720:rate=30:duration=5 {sound} {keyframes} -b:v 2000k -maxrate 3000k -bufsize 3000k");
    assert_eq!(copied(&bench, "sound.mp4", &with_sound, &rungs), [true, false, true]);
    for (what, more) in [
        ("too-many-bits", "-qp 1"),
        ("keyframes-elsewhere", "-b:v 2000k -g 50 -keyint_min 50"),
        ("ten-bits", "-b:v 2000k -pix_fmt yuv420p10le"),
        ("other-colours", "-b:v 2000k -colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m"),
        ("open-groups", "-b:v 2000k -x264-params open-gop=1"),
        ("interlaced", "-b:v 2000k -flags +ilme+ildct -x264-params tff=1"),
    ] {
        let file = bench.make(&format!("{what}.mp4"), &film(more));
        let own = bench.probe(&file, "video/mp4", Kind::Video).unwrap().video.unwrap().own_stream;
        assert!(own.is_none() || what == "too-many-bits", "{what}: {own:?}");
    }
    let trimmed = bench.make("trimmed.mp4", &format!("-ss 0.5 -i {} -c copy", bench.path("legal.mp4").display()));
    assert_eq!(bench.probe(&trimmed, "video/mp4", Kind::Video).unwrap().video.unwrap().own_stream, None);
    assert_eq!(copied(&bench, "too-many.mp4", &film("-qp 1"), &rungs), [false, false, false]);
}

#[test]
fn what_may_not_be_copied_is_encoded_though_it_is_legal() {
    let bench = Bench::new();
    let source = "-f lavfi -i testsrc2=size=1280x720:rate=30:duration=5 -c:v libx264 -g 60 -sc_threshold 0 -b:v 2000k";
    let file = bench.make("legal.mp4", source);
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-720p", "h264-360p"]).unwrap();
    assert!(video_bytes(&ran.files[0]).abs_diff(video_bytes(&file)) > 1000);
}

#[test]
fn the_preview_of_a_long_film_has_room_for_its_own_index_only() {
    let bench = Bench::new();
    let source = "-f lavfi -i testsrc2=size=64x64:rate=30:duration=1800 -c:v libx264 -preset ultrafast";
    let ran = run(&bench, "half-an-hour.mp4", source, Group::Preview, &["preview"]);
    assert_eq!(decoded(&ran.files[0]), (90, 3000));
    assert!(ran.done.outputs[0].bytes < 400_000, "{}", ran.done.outputs[0].bytes);
}

#[test]
fn pictures_that_are_long_before_their_sound_do_not_lock_a_progressive_file_up() {
    let bench = Bench::new();
    let inputs = "-f lavfi -i testsrc2=size=640x480:rate=30:duration=6 -itsoffset 4 -f lavfi -i sine=duration=2 -map 0 -map 1";
    let file = bench.make("heavy.mkv", &format!("{inputs} -vf noise=alls=60:allf=t -c:v libx264 -preset ultrafast -qp 4 -c:a aac"));
    assert!(std::fs::metadata(&file).unwrap().len() > 40 << 20, "more than the queues in front of the decoders hold");
    let ran = bench.run(&file, "video/x-matroska", Kind::Video, Group::Ladder, &["mp4-720p"]).unwrap();
    assert_eq!(decoded(&ran.files[0]).0, 180);
    index_is_in_front(&ran.files[0]);
}
