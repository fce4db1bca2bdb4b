use m3u8_rs::{AlternativeMediaType, MasterPlaylist, MediaPlaylist, MediaPlaylistType, Playlist};
use proptest::prelude::*;

use super::*;
use crate::{
    FragmentIndex,
    index::tests::{any_index, laid_out, recomputed},
};

pub(crate) fn rung(profile: &str, codec: &str, width: u32, height: u32, index: FragmentIndex) -> Rendition {
    let track = Track::Video { width, height, frame_rate: (30_000, 1_001) };
    Rendition { profile: profile.to_owned().try_into().unwrap(), codec: codec.to_owned(), track, index }
}

pub(crate) fn sound(profile: &str, language: Option<&str>, index: FragmentIndex) -> Rendition {
    let channels = if profile.starts_with("aac-384k") { 6 } else { 2 };
    let codec = if profile.starts_with("opus") { "opus" } else { "mp4a.40.2" };
    let track = Track::Audio { channels, language: language.map(str::to_owned) };
    Rendition { profile: profile.to_owned().try_into().unwrap(), codec: codec.to_owned(), track, index }
}

pub(crate) fn film() -> Vec<Rendition> {
    vec![
        rung("h264-720p", "avc1.64001f", 1280, 720, laid_out(771, &[(1_500_000, 6_000_000), (1_200_000, 4_000_000)])),
        rung("h264-360p", "avc1.64001e", 640, 360, laid_out(770, &[(600_000, 6_000_000), (400_000, 4_000_000)])),
        sound("aac-128k", Some("en"), laid_out(635, &[(96_000, 5_994_667), (64_000, 4_005_333)])),
    ]
}

pub(crate) fn track() -> CaptionTrackId {
    "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap()
}

fn read_master(text: &str) -> MasterPlaylist {
    match m3u8_rs::parse_playlist_res(text.as_bytes()).unwrap() {
        Playlist::MasterPlaylist(playlist) => playlist,
        Playlist::MediaPlaylist(_) => panic!("a media playlist: {text}"),
    }
}

fn read_media(text: &str) -> MediaPlaylist {
    match m3u8_rs::parse_playlist_res(text.as_bytes()).unwrap() {
        Playlist::MediaPlaylist(playlist) => playlist,
        Playlist::MasterPlaylist(_) => panic!("a master playlist: {text}"),
    }
}

#[test]
fn a_film_has_its_rungs_lightest_first_one_audio_group_and_its_captions() {
    let captions = [Caption { track: track(), language: "en".to_owned(), kind: CaptionKind::Captions }];
    // 720p peaks in its second fragment (2.4 Mbit/s), 360p is even (0.8); the audio's peak is 128,114 in its first (96,000 B in
    // 5.994667 s), its mean 128,000.
    assert_eq!(
        master(&film(), &captions).unwrap(),
        "#EXTM3U\n\
         #EXT-X-VERSION:7\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac-128k\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"media/aac-128k.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"captions\",NAME=\"en captions\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,CHARACTERISTICS=\"public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound\",URI=\"captions/01ARZ3NDEKTSV4RRFFQ69G5FAV.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=928114,AVERAGE-BANDWIDTH=928000,CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO=\"aac-128k\",SUBTITLES=\"captions\",CLOSED-CAPTIONS=NONE\n\
         media/h264-360p.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=2528114,AVERAGE-BANDWIDTH=2288000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"aac-128k\",SUBTITLES=\"captions\",CLOSED-CAPTIONS=NONE\n\
         media/h264-720p.m3u8\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=80000,AVERAGE-BANDWIDTH=80000,CODECS=\"avc1.64001e\",RESOLUTION=640x360,URI=\"media/h264-360p.keyframes.m3u8\"\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=240000,AVERAGE-BANDWIDTH=216000,CODECS=\"avc1.64001f\",RESOLUTION=1280x720,URI=\"media/h264-720p.keyframes.m3u8\"\n"
    );
}

#[test]
fn a_media_playlist_is_the_object_in_ranges() {
    assert_eq!(
        media(&film()[2]),
        "#EXTM3U\n\
         #EXT-X-VERSION:7\n\
         #EXT-X-TARGETDURATION:6\n\
         #EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MAP:URI=\"aac-128k?as=.mp4\",BYTERANGE=\"635@0\"\n\
         #EXTINF:5.994667,\n\
         #EXT-X-BYTERANGE:96000@635\n\
         aac-128k?as=.mp4\n\
         #EXTINF:4.005333,\n\
         #EXT-X-BYTERANGE:64000@96635\n\
         aac-128k?as=.mp4\n\
         #EXT-X-ENDLIST\n"
    );
}

#[test]
fn a_caption_playlist_is_one_segment_as_long_as_the_asset() {
    assert_eq!(
        caption(track(), 10_000_001),
        "#EXTM3U\n\
         #EXT-X-VERSION:7\n\
         #EXT-X-TARGETDURATION:11\n\
         #EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXTINF:10.000001,\n\
         01ARZ3NDEKTSV4RRFFQ69G5FAV.vtt\n\
         #EXT-X-ENDLIST\n"
    );
}

#[test]
fn sound_alone_is_a_stream_by_itself() {
    let text = master(&film()[2..], &[]).unwrap();
    assert_eq!(
        text,
        "#EXTM3U\n\
         #EXT-X-VERSION:7\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-STREAM-INF:BANDWIDTH=128114,AVERAGE-BANDWIDTH=128000,CODECS=\"mp4a.40.2\",CLOSED-CAPTIONS=NONE\n\
         media/aac-128k.m3u8\n"
    );
    assert!(read_master(&text).alternatives.is_empty());
}

#[test]
fn a_silent_film_names_no_audio_group() {
    let text = master(&film()[..1], &[]).unwrap();
    let playlist = read_master(&text);
    assert_eq!(playlist.variants.iter().filter(|variant| !variant.is_i_frame).count(), 1);
    assert_eq!(playlist.variants[0].audio, None);
    assert_eq!(playlist.variants[0].codecs.as_deref(), Some("avc1.64001f"));
}

#[test]
fn nothing_to_play_is_an_error() {
    assert_eq!(master(&[], &[]), Err(ManifestError::NothingToPlay));
}

#[test]
fn another_reader_finds_what_was_meant() {
    let captions = [Caption { track: track(), language: "en".to_owned(), kind: CaptionKind::Subtitles }];
    let playlist = read_master(&master(&film(), &captions).unwrap());
    assert!(playlist.independent_segments);
    assert_eq!(playlist.version, Some(7));
    let (keyframes, streams): (Vec<_>, Vec<_>) = playlist.variants.iter().partition(|variant| variant.is_i_frame);
    let uris = |variants: &[&m3u8_rs::VariantStream]| variants.iter().map(|variant| variant.uri.clone()).collect::<Vec<_>>();
    assert_eq!(uris(&streams), ["media/h264-360p.m3u8", "media/h264-720p.m3u8"]);
    assert_eq!(uris(&keyframes), ["media/h264-360p.keyframes.m3u8", "media/h264-720p.keyframes.m3u8"]);
    for variant in streams {
        assert_eq!(variant.audio.as_deref(), Some("aac-128k"));
        assert_eq!(variant.subtitles.as_deref(), Some("captions"));
        assert!(variant.average_bandwidth.is_some_and(|average| average <= variant.bandwidth));
        assert_eq!(variant.frame_rate, Some(29.97));
    }
    assert_eq!(playlist.variants[1].resolution.map(|size| (size.width, size.height)), Some((1280, 720)));
    let kinds: Vec<_> = playlist.alternatives.iter().map(|media| media.media_type.clone()).collect();
    assert_eq!(kinds, [AlternativeMediaType::Audio, AlternativeMediaType::Subtitles]);
}

/// Two languages, a third track that names none, surround sound of the first, and Opus.
pub(crate) fn polyglot() -> Vec<Rendition> {
    let index = |bytes| laid_out(635, &[(bytes, 6_000_000)]);
    let mut renditions = vec![film().remove(0)];
    renditions.extend([
        sound("opus-96k", Some("en"), index(72_000)),
        sound("aac-384k", Some("en"), index(288_000)),
        sound("aac-128k", Some("en"), index(96_000)),
        sound("aac-128k-t2", Some("en"), index(97_000)),
        sound("aac-128k-t3", None, index(95_000)),
    ]);
    renditions
}

#[test]
fn every_encoding_is_a_group_and_every_group_has_every_track_under_one_name() {
    let playlist = read_master(&master(&polyglot(), &[]).unwrap());
    let in_group = |group: &str| {
        let members = playlist.alternatives.iter().filter(|media| media.group_id == group);
        members.map(|media| (media.name.clone(), media.default, media.autoselect, media.uri.clone().unwrap())).collect::<Vec<_>>()
    };
    let heard = |first: &str| {
        [("en", true, true, first), ("en (2)", false, false, "media/aac-128k-t2.m3u8"), ("audio", false, true, "media/aac-128k-t3.m3u8")]
            .map(|(name, default, auto, uri)| (name.to_owned(), default, auto, uri.to_owned()))
    };
    for (group, first) in [("aac-128k", "media/aac-128k.m3u8"), ("aac-384k", "media/aac-384k.m3u8"), ("opus-96k", "media/opus-96k.m3u8")] {
        assert_eq!(in_group(group), heard(first), "{group}");
    }
    let streams: Vec<_> = playlist.variants.iter().filter(|variant| !variant.is_i_frame).collect();
    let groups: Vec<_> = streams.iter().map(|variant| variant.audio.as_deref().unwrap()).collect();
    assert_eq!(groups, ["aac-128k", "aac-384k", "opus-96k"]);
    assert_eq!(streams[0].codecs.as_deref(), Some("avc1.64001f,mp4a.40.2"));
    // A track that was not made in Opus is heard as it was made.
    assert_eq!(streams[2].codecs.as_deref(), Some("avc1.64001f,mp4a.40.2,opus"));
    let channels: Vec<_> = playlist.alternatives.iter().map(|media| media.channels.clone().unwrap()).collect();
    assert_eq!(channels, ["2", "2", "2", "6", "2", "2", "2", "2", "2"].map(str::to_owned));
}

#[test]
fn sound_alone_in_two_languages_can_be_chosen_from() {
    let renditions = &polyglot()[3..];
    let playlist = read_master(&master(renditions, &[]).unwrap());
    assert_eq!(playlist.variants.len(), 1);
    assert_eq!((playlist.variants[0].uri.as_str(), playlist.variants[0].audio.as_deref()), ("media/aac-128k.m3u8", Some("aac-128k")));
    // Any one of the three, and not their sum: 97,000 B in 6 s.
    assert_eq!(playlist.variants[0].bandwidth, 129_334);
    assert_eq!(playlist.alternatives.len(), 3);
}

#[test]
fn sound_in_several_encodings_is_a_stream_each() {
    let index = |bytes| laid_out(635, &[(bytes, 6_000_000)]);
    let renditions =
        [("opus-96k", 72_000), ("aac-128k", 96_000), ("aac-64k", 48_000)].map(|(profile, bytes)| sound(profile, None, index(bytes)));
    let playlist = read_master(&master(&renditions, &[]).unwrap());
    let uris: Vec<_> = playlist.variants.iter().map(|variant| variant.uri.as_str()).collect();
    assert_eq!(uris, ["media/aac-64k.m3u8", "media/aac-128k.m3u8", "media/opus-96k.m3u8"]);
    assert!(playlist.alternatives.is_empty());
}

#[test]
fn names_in_a_group_are_unique() {
    let second: CaptionTrackId = "01ARZ3NDEKTSV4RRFFQ69G5FAW".parse().unwrap();
    let captions = [track(), second].map(|track| Caption { track, language: "en".to_owned(), kind: CaptionKind::Captions });
    let playlist = read_master(&master(&polyglot(), &captions).unwrap());
    let names: Vec<_> = playlist.alternatives.iter().map(|media| (media.group_id.clone(), media.name.clone())).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
}

#[test]
fn a_language_with_quotation_marks_and_lines_cannot_leave_its_attribute() {
    let hostile = "en\",URI=\"http://evil/\n#EXT-X-ENDLIST";
    let mut renditions = film();
    renditions[2].track = Track::Audio { channels: 2, language: Some(hostile.to_owned()) };
    let captions = [Caption { track: track(), language: hostile.to_owned(), kind: CaptionKind::Captions }];
    let text = master(&renditions, &captions).unwrap();
    let playlist = read_master(&text);
    assert_eq!(playlist.alternatives[0].uri.as_deref(), Some("media/aac-128k.m3u8"));
    assert_eq!(playlist.alternatives[1].uri.as_deref(), Some(format!("captions/{}.m3u8", track()).as_str()));
    assert!(!text.lines().any(|line| line == "#EXT-X-ENDLIST"));
}

#[test]
fn keyframes_are_the_start_of_each_fragment() {
    assert_eq!(
        keyframes(&film()[1]).unwrap(),
        "#EXTM3U\n\
         #EXT-X-VERSION:7\n\
         #EXT-X-TARGETDURATION:6\n\
         #EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXT-X-I-FRAMES-ONLY\n\
         #EXT-X-MAP:URI=\"h264-360p?as=.mp4\",BYTERANGE=\"770@0\"\n\
         #EXTINF:6.000000,\n\
         #EXT-X-BYTERANGE:60000@770\n\
         h264-360p?as=.mp4\n\
         #EXTINF:4.000000,\n\
         #EXT-X-BYTERANGE:40000@600770\n\
         h264-360p?as=.mp4\n\
         #EXT-X-ENDLIST\n"
    );
}

#[test]
fn a_rung_whose_keyframes_were_never_counted_has_no_playlist_of_them() {
    let fragments = [Fragment { offset: 700, size: 10, duration_us: 6_000_000, keyframe_bytes: 0 }];
    let old = rung("h264-360p", "avc1.64001e", 640, 360, FragmentIndex::new(700, fragments.to_vec()).unwrap());
    assert_eq!(keyframes(&old), Err(ManifestError::NothingToPlay));
    assert!(!master(&[old], &[]).unwrap().contains("I-FRAME"));
}

proptest! {
    #[test]
    fn the_ranges_of_a_media_playlist_cover_the_object_once_and_in_order(index in any_index()) {
        let rendition = rung("h264-360p", "avc1.64001e", 640, 360, index.clone());
        let playlist = read_media(&media(&rendition));
        prop_assert!(playlist.end_list);
        prop_assert_eq!(playlist.playlist_type, Some(MediaPlaylistType::Vod));

        let map = playlist.segments[0].map.clone().unwrap();
        prop_assert_eq!(map.uri, "h264-360p?as=.mp4");
        let range = map.byte_range.unwrap();
        prop_assert_eq!(range.offset, Some(0));
        let mut end = range.length;
        for segment in &playlist.segments {
            prop_assert_eq!(&segment.uri, "h264-360p?as=.mp4");
            let range = segment.byte_range.clone().unwrap();
            prop_assert_eq!(range.offset, Some(end));
            end += range.length;
            prop_assert!(segment.duration.round() as u64 <= playlist.target_duration, "RFC 8216, 4.3.3.1");
        }
        prop_assert_eq!(end, index.object_bytes());

        let listed_us: f64 = playlist.segments.iter().map(|segment| f64::from(segment.duration) * 1e6).sum();
        prop_assert!((listed_us - index.duration_us() as f64).abs() < 10.0 * playlist.segments.len() as f64);
    }

    #[test]
    fn the_rates_of_a_stream_are_its_own_with_the_heaviest_audio_that_can_go_with_it(
        video in any_index(), first in any_index(), second in any_index(), surround in any_index()
    ) {
        let renditions = [
            rung("h264-360p", "avc1.64001e", 640, 360, video.clone()),
            sound("aac-128k", Some("en"), first.clone()),
            sound("aac-128k-t2", Some("de"), second.clone()),
            sound("aac-384k", Some("en"), surround.clone()),
        ];
        let streams = read_master(&master(&renditions, &[]).unwrap()).variants;
        let of = |index: &FragmentIndex| recomputed(index, |fragment| fragment.size);
        for (stream, heard) in streams.iter().filter(|stream| !stream.is_i_frame).zip([[&first, &second], [&surround, &second]]) {
            let heaviest = |rate: fn((f64, f64)) -> f64| heard.iter().map(|index| rate(of(index))).fold(0.0, f64::max);
            let (peak, average) = (of(&video).0 + heaviest(|rates| rates.0), of(&video).1 + heaviest(|rates| rates.1));
            let near = |found: u64, expected: f64| (found as f64 - expected).abs() <= 2.0 + expected * 1e-9;
            prop_assert!(near(stream.bandwidth, peak), "{} {}", stream.bandwidth, peak);
            prop_assert!(near(stream.average_bandwidth.unwrap(), average), "{:?} {}", stream.average_bandwidth, average);
        }
    }
}
