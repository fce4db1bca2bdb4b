use m3u8_rs::{AlternativeMediaType, MasterPlaylist, MediaPlaylist, MediaPlaylistType, Playlist};
use proptest::prelude::*;

use super::*;
use crate::{
    FragmentIndex,
    index::tests::{any_index, laid_out},
};

fn rung(profile: &str, codec: &str, width: u32, height: u32, index: FragmentIndex) -> Rendition {
    let track = Track::Video { width, height, frame_rate: (30_000, 1_001) };
    Rendition { profile: profile.to_owned().try_into().unwrap(), codec: codec.to_owned(), track, index }
}

fn sound(profile: &str, language: Option<&str>, index: FragmentIndex) -> Rendition {
    let track = Track::Audio { channels: 2, language: language.map(str::to_owned) };
    Rendition { profile: profile.to_owned().try_into().unwrap(), codec: "mp4a.40.2".to_owned(), track, index }
}

fn film() -> Vec<Rendition> {
    vec![
        rung("h264-720p", "avc1.64001f", 1280, 720, laid_out(771, &[(1_500_000, 6_000_000), (1_200_000, 4_000_000)])),
        rung("h264-360p", "avc1.64001e", 640, 360, laid_out(770, &[(600_000, 6_000_000), (400_000, 4_000_000)])),
        sound("aac-128k", Some("en"), laid_out(635, &[(96_000, 5_994_667), (64_000, 4_005_333)])),
    ]
}

fn track() -> CaptionTrackId {
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
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"media/aac-128k.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"captions\",NAME=\"en captions\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,CHARACTERISTICS=\"public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound\",URI=\"captions/01ARZ3NDEKTSV4RRFFQ69G5FAV.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=928114,AVERAGE-BANDWIDTH=928000,CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO=\"audio\",SUBTITLES=\"captions\",CLOSED-CAPTIONS=NONE\n\
         media/h264-360p.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=2528114,AVERAGE-BANDWIDTH=2288000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"audio\",SUBTITLES=\"captions\",CLOSED-CAPTIONS=NONE\n\
         media/h264-720p.m3u8\n"
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
    assert_eq!(playlist.variants.len(), 1);
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
    let uris: Vec<_> = playlist.variants.iter().map(|variant| variant.uri.as_str()).collect();
    assert_eq!(uris, ["media/h264-360p.m3u8", "media/h264-720p.m3u8"]);
    for variant in &playlist.variants {
        assert_eq!(variant.audio.as_deref(), Some("audio"));
        assert_eq!(variant.subtitles.as_deref(), Some("captions"));
        assert!(variant.average_bandwidth.is_some_and(|average| average <= variant.bandwidth));
        assert_eq!(variant.frame_rate, Some(29.97));
    }
    assert_eq!(playlist.variants[1].resolution.map(|size| (size.width, size.height)), Some((1280, 720)));
    let kinds: Vec<_> = playlist.alternatives.iter().map(|media| media.media_type.clone()).collect();
    assert_eq!(kinds, [AlternativeMediaType::Audio, AlternativeMediaType::Subtitles]);
}

#[test]
fn names_in_a_group_are_unique() {
    let index = || laid_out(635, &[(96_000, 6_000_000)]);
    let mut renditions = film();
    renditions.push(sound("aac-64k", Some("en"), index()));
    renditions.push(sound("aac-32k", None, index()));
    let second: CaptionTrackId = "01ARZ3NDEKTSV4RRFFQ69G5FAW".parse().unwrap();
    let captions = [track(), second].map(|track| Caption { track, language: "en".to_owned(), kind: CaptionKind::Captions });
    let playlist = read_master(&master(&renditions, &captions).unwrap());
    let mut names: Vec<_> = playlist.alternatives.iter().map(|media| (media.group_id.clone(), media.name.clone())).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!((names.len(), count), (5, 5), "{names:?}");
    assert_eq!(playlist.alternatives.iter().filter(|media| media.default).count(), 1);
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
    fn the_bandwidth_of_a_stream_carries_every_audio_of_its_group(video in any_index(), light in any_index(), heavy in any_index()) {
        let renditions = [rung("h264-360p", "avc1.64001e", 640, 360, video.clone()), sound("aac-64k", None, light.clone()), sound("aac-128k", None, heavy.clone())];
        let stream = read_master(&master(&renditions, &[]).unwrap()).variants.remove(0);
        prop_assert_eq!(stream.bandwidth, video.peak_bps() + light.peak_bps().max(heavy.peak_bps()));
        prop_assert_eq!(stream.average_bandwidth, Some(video.average_bps() + light.average_bps().max(heavy.average_bps())));
    }
}
