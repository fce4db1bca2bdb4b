//! Files that broke other parsers: 18 of WebVTT, 4 of SRT, each read as a player reads it and as an author's upload is read.

use media_captions::{CaptionError, Cue, Fault, Limited, Parsed, parse_srt, parse_vtt, write_srt, write_vtt};

/// What is read leniently: start, end, text of each cue. And the line and fault with which it is refused strictly, if it is.
struct Case {
    name: &'static str,
    file: &'static str,
    cues: &'static [(u64, u64, &'static str)],
    refused: Option<(usize, Fault)>,
}

const VTT: &[Case] = &[
    Case { name: "byte order mark", file: "\u{feff}WEBVTT\n\n00:01.000 --> 00:02.000\na\n", cues: &[(1_000, 2_000, "a")], refused: None },
    Case {
        name: "CRLF, an id, two lines",
        file: "WEBVTT\r\n\r\nintro\r\n00:01.000 --> 00:02.000\r\na\r\nb\r\n\r\n00:03.000 --> 00:04.000\r\nc\r\n",
        cues: &[(1_000, 2_000, "a\nb"), (3_000, 4_000, "c")],
        refused: None,
    },
    Case {
        name: "CR only",
        file: "WEBVTT\r\r00:01.000 --> 00:02.000\ra\r\r00:03.000 --> 00:04.000\rb\r",
        cues: &[(1_000, 2_000, "a"), (3_000, 4_000, "b")],
        refused: None,
    },
    Case {
        name: "comments of many lines, and at the end",
        file: "WEBVTT\n\nNOTE\nmany\nlines\n\n00:01.000 --> 00:02.000\na\n\nNOTE one\n\n00:03.000 --> 00:04.000\nb\n\nNOTE end",
        cues: &[(1_000, 2_000, "a"), (3_000, 4_000, "b")],
        refused: None,
    },
    Case {
        name: "style",
        file: "WEBVTT\n\nSTYLE\n::cue {\n  color: red;\n}\n\n00:01.000 --> 00:02.000\na\n",
        cues: &[(1_000, 2_000, "a")],
        refused: None,
    },
    Case {
        name: "region and settings",
        file: "WEBVTT\n\nREGION\nid:fred\nwidth:40%\n\n00:01.000 --> 00:02.000 region:fred align:center position:10%,line-left line:-1\na\n",
        cues: &[(1_000, 2_000, "a")],
        refused: None,
    },
    Case {
        name: "a hundred hours",
        file: "WEBVTT\n\n100:00:01.000 --> 100:00:02.000\na\n",
        cues: &[(360_001_000, 360_002_000, "a")],
        refused: None,
    },
    Case {
        name: "no blank line between cues",
        file: "WEBVTT\n\n00:01.000 --> 00:02.000\na\n00:03.000 --> 00:04.000\nb\n",
        cues: &[(1_000, 2_000, "a"), (3_000, 4_000, "b")],
        refused: Some((5, Fault::NoBlankLine)),
    },
    Case {
        name: "an arrow in the text",
        file: "WEBVTT\n\n00:01.000 --> 00:02.000\na\nA --> B\nlost\n",
        cues: &[(1_000, 2_000, "a")],
        refused: Some((5, Fault::NoBlankLine)),
    },
    Case {
        name: "entities and a voice",
        file: "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Bob>1 &lt; 2 &amp; 3&lrm;</v>\n",
        cues: &[(1_000, 2_000, "1 < 2 & 3\u{200e}")],
        refused: None,
    },
    Case { name: "no newline at the end", file: "WEBVTT\n\n00:01.000 --> 00:02.000\na", cues: &[(1_000, 2_000, "a")], refused: None },
    Case {
        name: "comma before the milliseconds",
        file: "WEBVTT\n\n00:01,000 --> 00:02,000\na\n",
        cues: &[],
        refused: Some((3, Fault::VttTime)),
    },
    Case {
        name: "end before start",
        file: "WEBVTT\n\n00:02.000 --> 00:01.000\na\n\n00:03.000 --> 00:04.000\nb\n",
        cues: &[(3_000, 4_000, "b")],
        refused: Some((3, Fault::EndNotAfterStart)),
    },
    Case { name: "header only", file: "WEBVTT", cues: &[], refused: None },
    Case {
        name: "a cue right after the header line",
        file: "WEBVTT\n00:01.000 --> 00:02.000\na\n",
        cues: &[(1_000, 2_000, "a")],
        refused: Some((2, Fault::NoBlankLine)),
    },
    Case { name: "tabs around the arrow", file: "WEBVTT\n\n00:01.000\t-->\t00:02.000\na\n", cues: &[(1_000, 2_000, "a")], refused: None },
    Case { name: "minute 61", file: "WEBVTT\n\n00:61:00.000 --> 00:62:00.000\na\n", cues: &[], refused: Some((3, Fault::VttTime)) },
];

const SRT: &[Case] = &[
    Case {
        name: "byte order mark and CRLF",
        file: "\u{feff}1\r\n00:00:01,000 --> 00:00:02,000\r\na\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nb\r\n",
        cues: &[(1_000, 2_000, "a"), (3_000, 4_000, "b")],
        refused: None,
    },
    Case {
        name: "a blank line inside a cue",
        file: "1\n00:00:01,000 --> 00:00:02,000\na\n\nb\n\n2\n00:00:03,000 --> 00:00:04,000\nc\n",
        cues: &[(1_000, 2_000, "a\nb"), (3_000, 4_000, "c")],
        refused: None,
    },
    Case {
        name: "a hundred hours",
        file: "1\n100:00:01,000 --> 100:00:02,000\na\n",
        cues: &[(360_001_000, 360_002_000, "a")],
        refused: None,
    },
    Case {
        name: "an arrow that is none",
        file: "1\n00:00:01,000 --> 00:00:02,000\na\n\n2\n00:00:03,000 -> 00:00:04,000\nb\n",
        cues: &[(1_000, 2_000, "a\n2\n00:00:03,000 -> 00:00:04,000\nb")],
        refused: Some((6, Fault::SrtTime)),
    },
    Case {
        name: "points, no numbers, tags, and a text of digits",
        file: "00:00:01.000 --> 00:00:02.000 X1:1\n<i>a</i> & b\n42\n\n00:00:03.000 --> 00:00:04.000\nA --> B\n",
        cues: &[(1_000, 2_000, "a & b\n42"), (3_000, 4_000, "A --> B")],
        refused: None,
    },
];

fn check(case: &Case, parsed: Parsed) {
    let cues: Vec<(u64, u64, &str)> = parsed.cues.iter().map(|cue| (cue.start_ms(), cue.end_ms(), cue.text())).collect();
    assert_eq!(cues, case.cues, "{}", case.name);
    let refused = parsed.strictly().err();
    assert_eq!(refused, case.refused.map(|(line, fault)| CaptionError::Syntax { line, fault }), "{}", case.name);
}

#[test]
fn webvtt_that_broke_other_parsers_is_read_as_specified() {
    for case in VTT {
        check(case, parse_vtt(case.file.as_bytes()).unwrap());
    }
    assert_eq!(parse_vtt(b"WEBVTTX\n\n00:01.000 --> 00:02.000\na\n"), Err(CaptionError::NotVtt));
    assert_eq!(VTT.len() + 1, 18);
}

#[test]
fn srt_that_broke_other_parsers_is_read() {
    for case in SRT {
        check(case, parse_srt(case.file.as_bytes()).unwrap());
    }
    assert_eq!(SRT.len(), 5);
}

#[test]
fn two_times_without_a_text_between_them_are_two_cues_of_which_one_shows_nothing() {
    let parsed = parse_vtt(b"WEBVTT\n\n00:01.000 --> 00:02.000\n00:03.000 --> 00:04.000\nb\n").unwrap();
    assert_eq!(parsed.cues, [Cue::new(3_000, 4_000, None, "b").unwrap()]);
    assert_eq!(parsed.strictly(), Err(CaptionError::Syntax { line: 4, fault: Fault::NoBlankLine }));
}

#[test]
fn the_voice_becomes_the_speaker() {
    let parsed = parse_vtt(b"WEBVTT\n\n00:01.000 --> 00:02.000\n<v Bob>hi\n").unwrap();
    assert_eq!(parsed.cues[0].speaker(), Some("Bob"));
}

#[test]
fn what_is_no_caption_file_is_refused() {
    for file in [&b""[..], b"webvtt", b"WEBVT", b"1\n00:00:01,000 --> 00:00:02,000\na\n", b"\x00\xff\xfe"] {
        assert_eq!(parse_vtt(file), Err(CaptionError::NotVtt));
    }
    assert_eq!(parse_srt(b"just some words\n"), Err(CaptionError::NotSrt));
    assert_eq!(parse_srt(b"\n"), Ok(Parsed::default()));
}

#[test]
fn an_author_is_told_the_first_line_that_is_wrong_and_what_to_write() {
    let file =
        b"WEBVTT\n\n00:01.000 --> 00:02.000\na < b\n\n00:00.500 --> 00:02.000 colour:red\nb\n\nstray\n\n00:00:04,000 --> 00:00:05.000\nc\n";
    let parsed = parse_vtt(file).unwrap();
    let lines: Vec<usize> = parsed.faults.iter().map(|found| found.line).collect();
    assert_eq!(lines, [4, 6, 6, 9, 11]);
    assert_eq!(parsed.strictly().unwrap_err().to_string(), "line 4: a < that begins no tag is written &lt;");
    let error = parse_vtt(b"WEBVTT\n\n00:01.000 --> 00:02.000\n\xff\n").unwrap().strictly().unwrap_err();
    assert_eq!(error.to_string(), "line 4: the file must be UTF-8");
    let error = parse_srt(b"1\n00:00:01,00 --> 00:00:02,000\na\n").unwrap().strictly().unwrap_err();
    assert_eq!(error, CaptionError::Syntax { line: 2, fault: Fault::SrtTime });
}

#[test]
fn limits_are_named_with_their_line() {
    let too_many_bytes = vec![b'a'; 16 * 1024 * 1024 + 1];
    assert_eq!(parse_vtt(&too_many_bytes), Err(CaptionError::TooMuch { line: 1, what: Limited::Bytes, limit: 16 * 1024 * 1024 }));
    let text = format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{}\n", "a".repeat(2_001));
    let error = parse_vtt(text.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "line 3: the characters of a cue's text may be at most 2000");
    let text = format!("1\n00:00:01,000 --> 00:00:02,000\n{}", "a\n".repeat(41));
    assert!(matches!(parse_srt(text.as_bytes()), Err(CaptionError::TooMuch { line: 2, what: Limited::CueLines, limit: 40 })));
    let text = format!("WEBVTT\n\n{}", "00:01.000 --> 00:02.000\na\n\n".repeat(50_001));
    assert!(matches!(parse_vtt(text.as_bytes()), Err(CaptionError::TooMuch { line: 150_003, what: Limited::Cues, limit: 50_000 })));
    assert!(matches!(parse_vtt("WEBVTT\n".repeat(500_002).as_bytes()), Err(CaptionError::TooMuch { what: Limited::Lines, .. })));
}

#[test]
fn files_made_to_be_slow_are_read_at_once() {
    let began = std::time::Instant::now();
    for unit in ["<a", "<", "&", "{\\", "<v a>", "<i", "--", "00:00:00,000 --> "] {
        let text = unit.repeat(1024 * 1024 / unit.len());
        let cue = |head: &str| format!("{head}00:00:01.000 --> 00:00:02.000\n{text}>");
        drop(parse_vtt(cue("WEBVTT\n\n").as_bytes()));
        drop(parse_srt(cue("").as_bytes()));
    }
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

#[test]
fn what_is_written_is_escaped_and_in_order() {
    let cues =
        [Cue::new(3_723_004, 3_724_000, Some("A & B"), "x --> y <i>").unwrap(), Cue::new(500, 4_000_000, None, "AT&T\n\n<3").unwrap()];
    assert_eq!(
        write_vtt(&cues),
        "WEBVTT\n\n00:00:00.500 --> 01:02:03.004\nAT&amp;T\n&lt;3\n\n01:02:03.004 --> 01:02:04.000\n<v A &amp; B>x --&gt; y &lt;i&gt;\n"
    );
    assert_eq!(
        write_srt(&cues),
        "1\n00:00:00,500 --> 01:02:03,004\nAT&T\n<3\n\n2\n01:02:03,004 --> 01:02:04,000\nA & B: x --&gt; y &lt;i>\n"
    );
    assert_eq!(write_vtt(&[]), "WEBVTT\n");
}
