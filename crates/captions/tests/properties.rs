//! What holds for every file and every list of words.

use media_captions::{Cue, Reading, TimedWord, parse_srt, parse_vtt, segment, spread, write_srt, write_vtt};
use proptest::prelude::*;

/// Text with a liking for what has a meaning in a caption file.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "\\PC{0,12}",
        prop::sample::select(vec![
            "-->",
            "<v Ann>",
            "</v>",
            "<i>",
            "&amp;",
            "&lt",
            "&#10;",
            "\n",
            "\r\n",
            "\r",
            "\0",
            "42",
            "NOTE",
            "STYLE",
            "WEBVTT",
            "{\\an8}",
            "<",
            ">",
            "&",
            ";",
            "00:00:01,000 --> 00:00:02,000"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 1..8).prop_map(|parts| parts.concat())
}

/// Cues in order, none over the next.
fn cues(speakers: bool) -> impl Strategy<Value = Vec<Cue>> {
    let speaker = prop::option::of("\\PC{0,8}").prop_map(move |name| name.filter(|_| speakers));
    prop::collection::vec((0_u64..10_000_000, 1_u64..10_000_000, speaker, text()), 0..12).prop_map(|parts| {
        let mut now = 0;
        let mut cues = Vec::new();
        for (gap, length, speaker, text) in parts {
            now += gap;
            if let Ok(cue) = Cue::new(now, now + length, speaker.as_deref(), &text)
                && cues.last().is_none_or(|last: &Cue| last.start_ms() < cue.start_ms())
            {
                cues.push(cue);
            }
            now += length;
        }
        cues
    })
}

fn words() -> impl Strategy<Value = Vec<TimedWord>> {
    let word = prop_oneof!["[a-z]{1,12}[.,?!]?", "[a-z]{30,120}", "\\PC{0,6}"];
    prop::collection::vec((word, 0_u64..1_500, 0_u64..3_000, any::<bool>()), 0..120).prop_map(|parts| {
        let mut now = 0;
        parts
            .into_iter()
            .map(|(text, gap, length, together)| {
                now += if together { 0 } else { gap };
                TimedWord { start_ms: now, end_ms: now + length, text }
            })
            .collect()
    })
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

proptest! {
    #[test]
    fn webvtt_that_was_written_reads_back_the_same(cues in cues(true)) {
        prop_assert_eq!(parse_vtt(write_vtt(&cues).as_bytes()).unwrap().strictly().unwrap(), cues);
    }

    #[test]
    fn srt_that_was_written_reads_back_the_same(cues in cues(false)) {
        prop_assert_eq!(parse_srt(write_srt(&cues).as_bytes()).unwrap().strictly().unwrap(), cues);
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), body in text()) {
        drop(parse_vtt(&bytes));
        drop(parse_srt(&bytes));
        let vtt = [&b"WEBVTT\n\n00:01.000 --> 00:02.000\n"[..], &bytes, body.as_bytes()].concat();
        drop(parse_vtt(&vtt));
        drop(parse_srt(&[b"1\n00:00:01,000 --> 00:00:02,000\n", body.as_bytes(), &bytes].concat()));
    }

    #[test]
    fn what_was_read_from_anything_can_be_written_and_read_strictly(body in prop::collection::vec(text(), 1..6)) {
        let file = format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{}", body.join("\n\n00:01.500 --> 00:03.000\n"));
        if let Ok(parsed) = parse_vtt(file.as_bytes()) {
            prop_assert!(parse_vtt(write_vtt(&parsed.cues).as_bytes()).unwrap().strictly().is_ok());
        }
    }

    #[test]
    fn segmenting_loses_no_word_keeps_the_order_and_never_overlaps(words in words()) {
        let cues = segment(&words, &Reading::default());
        let said: String = words.iter().map(|word| letters(&word.text)).collect();
        let shown: String = cues.iter().map(|cue| letters(cue.text())).collect();
        prop_assert_eq!(shown, said);
        for cue in &cues {
            prop_assert!(cue.end_ms() > cue.start_ms());
            let lines: Vec<&str> = cue.text().split('\n').collect();
            prop_assert!(lines.len() <= 2 && lines.iter().all(|line| line.chars().count() <= 42), "{:?}", cue.text());
            prop_assert!(cue.end_ms() - cue.start_ms() <= 7_000);
        }
        for pair in cues.windows(2) {
            prop_assert!(pair[0].end_ms() <= pair[1].start_ms());
        }
    }

    #[test]
    fn spreading_a_text_keeps_its_words_inside_its_time(text in "\\PC{0,80}", start in 0_u64..10_000, length in 0_u64..9_000) {
        let words = spread(&text, start, start + length);
        prop_assert_eq!(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        prop_assert!(words.iter().all(|word| word.start_ms >= start && word.end_ms <= start + length && word.start_ms <= word.end_ms));
    }
}
