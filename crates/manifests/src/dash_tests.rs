use proptest::prelude::*;
use roxmltree::{Document, Node};

use super::*;
use crate::{
    hls::tests::{film, polyglot, rung, sound, track},
    index::tests::{any_index, laid_out},
    storyboard::tests::sheet,
};

fn all<'a>(node: Node<'a, 'a>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.descendants().filter(move |child| child.has_tag_name(("urn:mpeg:dash:schema:mpd:2011", name)))
}

fn range(node: Node<'_, '_>, attribute: &str) -> (u64, u64) {
    let (first, last) = node.attribute(attribute).unwrap().split_once('-').unwrap();
    (first.parse().unwrap(), last.parse().unwrap())
}

/// The children that each element may have, in the schema's order (DASH-MPD.xsd, fourth edition), as far as we write them.
const ORDER: [(&str, &[&str]); 7] = [
    ("MPD", &["Period"]),
    ("Period", &["AdaptationSet"]),
    (
        "AdaptationSet",
        &["AudioChannelConfiguration", "EssentialProperty", "Role", "BaseURL", "SegmentList", "SegmentTemplate", "Representation"],
    ),
    ("Representation", &["AudioChannelConfiguration", "EssentialProperty", "BaseURL", "SegmentList", "SegmentTemplate"]),
    ("SegmentList", &["Initialization", "SegmentTimeline", "SegmentURL"]),
    ("SegmentTimeline", &["S"]),
    ("BaseURL", &[]),
];

fn assert_in_order(document: &Document<'_>) {
    for node in document.descendants().filter(Node::is_element) {
        let allowed = ORDER.iter().find(|(name, _)| *name == node.tag_name().name()).map_or(&[][..], |(_, children)| children);
        let places: Vec<_> = node
            .children()
            .filter(Node::is_element)
            .map(|child| allowed.iter().position(|name| *name == child.tag_name().name()).unwrap_or_else(|| panic!("{child:?}")))
            .collect();
        assert!(places.is_sorted(), "{node:?}: {places:?}");
    }
}

#[test]
fn a_film_is_a_set_of_rungs_a_set_of_sound_its_captions_and_its_storyboard() {
    let captions = [Caption { track: track(), language: "en".to_owned(), kind: CaptionKind::Captions }];
    let text = mpd(&film(), &captions, Some(&sheet())).unwrap();
    assert_eq!(
        text,
        r#"<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:full:2011" type="static" mediaPresentationDuration="PT10.000000S" minBufferTime="PT6.000000S" maxSegmentDuration="PT6.000000S">
  <Period id="0" start="PT0S">
    <AdaptationSet id="0" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">
      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
      <Representation id="h264-360p" codecs="avc1.64001e" bandwidth="800000" width="640" height="360" sar="1:1" frameRate="30000/1001">
        <BaseURL>media/h264-360p</BaseURL>
        <SegmentList timescale="1000000">
          <Initialization range="0-769"/>
          <SegmentTimeline>
            <S t="0" d="6000000"/>
            <S t="6000000" d="4000000"/>
          </SegmentTimeline>
          <SegmentURL mediaRange="770-600769"/>
          <SegmentURL mediaRange="600770-1000769"/>
        </SegmentList>
      </Representation>
      <Representation id="h264-720p" codecs="avc1.64001f" bandwidth="2400000" width="1280" height="720" sar="1:1" frameRate="30000/1001">
        <BaseURL>media/h264-720p</BaseURL>
        <SegmentList timescale="1000000">
          <Initialization range="0-770"/>
          <SegmentTimeline>
            <S t="0" d="6000000"/>
            <S t="6000000" d="4000000"/>
          </SegmentTimeline>
          <SegmentURL mediaRange="771-1500770"/>
          <SegmentURL mediaRange="1500771-2700770"/>
        </SegmentList>
      </Representation>
    </AdaptationSet>
    <AdaptationSet id="1" contentType="audio" mimeType="audio/mp4" lang="en" segmentAlignment="true" startWithSAP="1">
      <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
      <Representation id="aac-128k" codecs="mp4a.40.2" bandwidth="128114">
        <BaseURL>media/aac-128k</BaseURL>
        <SegmentList timescale="1000000">
          <Initialization range="0-634"/>
          <SegmentTimeline>
            <S t="0" d="5994667"/>
            <S t="5994667" d="4005333"/>
          </SegmentTimeline>
          <SegmentURL mediaRange="635-96634"/>
          <SegmentURL mediaRange="96635-160634"/>
        </SegmentList>
      </Representation>
    </AdaptationSet>
    <AdaptationSet id="2" contentType="text" mimeType="text/vtt" lang="en">
      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="caption"/>
      <Representation id="01ARZ3NDEKTSV4RRFFQ69G5FAV" bandwidth="256">
        <BaseURL>captions/01ARZ3NDEKTSV4RRFFQ69G5FAV.vtt</BaseURL>
      </Representation>
    </AdaptationSet>
    <AdaptationSet id="3" contentType="image" mimeType="image/jpeg">
      <SegmentTemplate media="media/storyboard" timescale="1000" duration="20000" startNumber="1"/>
      <Representation id="storyboard" bandwidth="24000" width="320" height="180">
        <EssentialProperty schemeIdUri="http://dashif.org/guidelines/thumbnail_tile" value="2x2"/>
      </Representation>
    </AdaptationSet>
  </Period>
</MPD>
"#
    );
    assert_in_order(&Document::parse(&text).unwrap());
}

#[test]
fn codecs_channels_and_tracks_are_sets_of_their_own_and_bit_rates_are_not() {
    let index = |bytes| laid_out(635, &[(bytes, 6_000_000)]);
    let mut renditions = polyglot();
    renditions.extend([
        sound("aac-64k", Some("en"), index(48_000)),
        rung("av1-720p", "av01.0.05M.08", 1280, 720, index(500_000)),
        rung("h264-360p", "avc1.64001e", 640, 360, index(600_000)),
    ]);
    let text = mpd(&renditions, &[], None).unwrap();
    let document = Document::parse(&text).unwrap();
    assert_in_order(&document);
    let sets: Vec<(Vec<&str>, Option<&str>, &str)> = all(document.root(), "AdaptationSet")
        .map(|set| {
            let ids = all(set, "Representation").map(|representation| representation.attribute("id").unwrap()).collect();
            (ids, set.attribute("lang"), all(set, "Role").next().unwrap().attribute("value").unwrap())
        })
        .collect();
    assert_eq!(
        sets,
        [
            (vec!["av1-720p"], None, "main"),
            (vec!["h264-360p", "h264-720p"], None, "main"),
            (vec!["aac-64k", "aac-128k"], Some("en"), "main"),
            (vec!["aac-384k"], Some("en"), "main"),
            (vec!["opus-96k"], Some("en"), "main"),
            (vec!["aac-128k-t2"], Some("en"), "alternate"),
            (vec!["aac-128k-t3"], None, "alternate"),
        ]
    );
}

#[test]
fn nothing_to_play_is_an_error() {
    assert_eq!(mpd(&[], &[], Some(&sheet())), Err(ManifestError::NothingToPlay));
}

#[test]
fn a_language_cannot_leave_its_attribute() {
    let hostile = "en\"/><Evil x=\"&\u{0}\n";
    let renditions = [sound("aac-128k", Some(hostile), laid_out(635, &[(96_000, 6_000_000)]))];
    let captions = [Caption { track: track(), language: hostile.to_owned(), kind: CaptionKind::Subtitles }];
    let text = mpd(&renditions, &captions, None).unwrap();
    let document = Document::parse(&text).unwrap();
    let languages: Vec<_> = all(document.root(), "AdaptationSet").map(|set| set.attribute("lang").unwrap().to_owned()).collect();
    assert_eq!(languages, ["en\"/><Evil x=\"&", "en\"/><Evil x=\"&"]);
}

proptest! {
    #[test]
    fn ranges_cover_the_object_and_the_timeline_is_that_of_the_index(index in any_index()) {
        let text = mpd(&[rung("h264-360p", "avc1.64001e", 640, 360, index.clone())], &[], None).unwrap();
        let document = Document::parse(&text).unwrap();
        let mut end = range(all(document.root(), "Initialization").next().unwrap(), "range").1 + 1;
        prop_assert_eq!(end, index.init_bytes());
        for segment in all(document.root(), "SegmentURL") {
            let (first, last) = range(segment, "mediaRange");
            prop_assert_eq!(first, end);
            end = last + 1;
        }
        prop_assert_eq!(end, index.object_bytes());
        let number = |node: Node<'_, '_>, name| node.attribute(name).map(|text| text.parse::<u64>().unwrap());
        let mut listed = Vec::new();
        for run in all(document.root(), "S") {
            prop_assert_eq!(number(run, "t").unwrap(), listed.iter().sum::<u64>());
            prop_assert!(run.attribute("r").is_none(), "dash.js takes the wrong range after a repeat");
            listed.push(number(run, "d").unwrap());
        }
        prop_assert_eq!(listed, index.fragments().iter().map(|fragment| fragment.duration_us).collect::<Vec<_>>());
    }
}
