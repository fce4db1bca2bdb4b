//! Words with times made into cues as broadcasters make them: two lines at most, long enough to be read, broken where speech pauses.
//!
//! The numbers are those of Netflix's timed text style guides (42 characters a line, two lines, up to 7 s, 20 characters a second for
//! adults) with the BBC's slower reading speed (160 to 180 words a minute, about 17 characters a second) as the aim.

use crate::Cue;

/// How much a viewer can read, and how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Characters of a line; a cue has at most two lines.
    pub line_chars_max: usize,
    /// A cue stays at least this long, if the next does not come sooner.
    pub cue_ms_min: u64,
    /// And never longer than this.
    pub cue_ms_max: u64,
    /// A cue stays on in a following silence until it can be read at this speed.
    pub chars_per_second: u64,
}

impl Default for Reading {
    fn default() -> Self {
        Self { line_chars_max: 42, cue_ms_min: 1_000, cue_ms_max: 7_000, chars_per_second: 17 }
    }
}

/// A word that was heard, with its punctuation, in milliseconds from the start of the medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedWord {
    pub start_ms: u64,
    pub end_ms: u64,
    pub text: String,
}

/// A silence inside which no cue stays together.
const PAUSE_MS: u64 = 1_500;
/// A silence that is heard as a break.
const BREATH_MS: u64 = 400;

/// Costs of a division into cues; the cheapest wins. Only their proportions matter.
mod cost {
    /// Of every cue, so that there are few.
    pub const CUE: f32 = 12.0;
    /// Of a cue that must go before it can be read, or before its least time: times the part of the time that it lacks.
    pub const TOO_FAST: f32 = 60.0;
    pub const TOO_SHORT: f32 = 80.0;
    /// Of ending a cue after a comma, at a breath, in mid-phrase. After a sentence it costs nothing.
    pub const AT_CLAUSE: f32 = 10.0;
    pub const AT_BREATH: f32 = 15.0;
    pub const IN_PHRASE: f32 = 45.0;
    /// Of leaving a short word, mostly an article or a preposition, at the end.
    pub const AFTER_SHORT_WORD: f32 = 12.0;
    /// Of going on after a sentence's end or a breath.
    pub const SENTENCE_INSIDE: f32 = 18.0;
    pub const BREATH_INSIDE: f32 = 20.0;
}

/// Makes cues of words. All words appear, in their order; cues end after they start and never overlap. A word longer than a line
/// is divided over lines.
pub fn segment(words: &[TimedWord], reading: &Reading) -> Vec<Cue> {
    let speech = Speech::new(words, reading);
    let groups = speech.cheapest_groups();
    let mut starts: Vec<u64> = Vec::with_capacity(groups.len());
    for &(from, _) in &groups {
        let earliest = starts.last().map_or(0, |last| last + 1);
        starts.push(speech.words[from].start_ms.max(earliest));
    }
    let cues = groups.iter().zip(&starts).enumerate().map(|(index, (&(from, to), &start_ms))| {
        let next_ms = starts.get(index + 1).copied().unwrap_or(u64::MAX);
        let wanted =
            speech.words[to - 1].end_ms.max(start_ms + reading.cue_ms_min).max(start_ms + speech.reading_ms(from, to)).max(start_ms + 1);
        let end_ms = wanted.min(start_ms + reading.cue_ms_max.max(1)).min(next_ms);
        Cue::new(start_ms, end_ms, None, &speech.text(from, to))
    });
    // A cue with words, two lines and a time is refused only when it is later than any cue can be: after 416 days.
    cues.filter_map(Result::ok).collect()
}

/// The words of a text that is known to be spoken from `start_ms` to `end_ms`, each given time by its length.
pub fn spread(text: &str, start_ms: u64, end_ms: u64) -> Vec<TimedWord> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let chars_all: u64 = words.iter().map(|word| word.chars().count() as u64).sum::<u64>().max(1);
    let length_ms = end_ms.saturating_sub(start_ms);
    let mut chars_before = 0;
    let at = |chars: u64| start_ms + length_ms * chars / chars_all;
    words
        .into_iter()
        .map(|word| {
            let word_start_ms = at(chars_before);
            chars_before += word.chars().count() as u64;
            TimedWord { start_ms: word_start_ms, end_ms: at(chars_before), text: word.to_owned() }
        })
        .collect()
}

/// Words fit to be put into lines: none empty, none longer than a line, none that starts before the one in front of it.
struct Speech<'a> {
    words: Vec<TimedWord>,
    /// Characters of all words before each, and of all.
    chars_before: Vec<usize>,
    reading: &'a Reading,
    line_chars_max: usize,
}

impl<'a> Speech<'a> {
    fn new(words: &[TimedWord], reading: &'a Reading) -> Self {
        let line_chars_max = reading.line_chars_max.max(1);
        let mut fit: Vec<TimedWord> = Vec::with_capacity(words.len());
        for word in words {
            let pieces = pieces(&word.text, line_chars_max).join(" ");
            for mut piece in spread(&pieces, word.start_ms, word.end_ms) {
                piece.start_ms = piece.start_ms.max(fit.last().map_or(0, |last| last.start_ms));
                piece.end_ms = piece.end_ms.max(piece.start_ms);
                fit.push(piece);
            }
        }
        let mut chars_before = vec![0];
        for word in &fit {
            chars_before.push(chars_before[chars_before.len() - 1] + word.text.chars().count());
        }
        Self { words: fit, chars_before, reading, line_chars_max }
    }

    /// Characters of the words in one line.
    fn chars(&self, from: usize, to: usize) -> usize {
        self.chars_before[to] - self.chars_before[from] + (to - from).saturating_sub(1)
    }

    fn reading_ms(&self, from: usize, to: usize) -> u64 {
        self.chars(from, to) as u64 * 1_000 / self.reading.chars_per_second.max(1)
    }

    fn gap_ms(&self, after: usize) -> u64 {
        self.words.get(after + 1).map_or(u64::MAX, |next| next.start_ms.saturating_sub(self.words[after].end_ms))
    }

    /// The division into cues that costs least, each as the first word and the one behind the last.
    fn cheapest_groups(&self) -> Vec<(usize, usize)> {
        let count = self.words.len();
        // For each end: the cost up to it and where its last cue begins. A cue of one word is always allowed, so each end is reached.
        let mut best: Vec<(f32, usize)> = vec![(f32::INFINITY, 0); count + 1];
        best[0].0 = 0.0;
        for from in 0..count {
            let mut inside = 0.0;
            for to in from + 1..=count {
                let cost = best[from].0 + inside + self.cue_cost(from, to);
                if cost < best[to].0 {
                    best[to] = (cost, from);
                }
                let fits = to < count && self.line_break(from, to + 1).is_some();
                let too_long = to < count && self.words[to].end_ms.saturating_sub(self.words[from].start_ms) > self.reading.cue_ms_max;
                if !fits || too_long || self.gap_ms(to - 1) >= PAUSE_MS {
                    break;
                }
                inside += self.inside_cost(to - 1);
            }
        }
        let mut groups = Vec::new();
        let mut to = count;
        while to > 0 {
            let from = best[to].1;
            groups.push((from, to));
            to = from;
        }
        groups.reverse();
        groups
    }

    /// Of a cue with these words, for its haste and for where it ends.
    fn cue_cost(&self, from: usize, to: usize) -> f32 {
        let start_ms = self.words[from].start_ms;
        let last = to - 1;
        let free_ms =
            self.words.get(to).map_or(self.reading.cue_ms_max, |next| next.start_ms.saturating_sub(start_ms)).min(self.reading.cue_ms_max);
        let lack = |wanted_ms: u64| wanted_ms.saturating_sub(free_ms) as f32 / wanted_ms.max(1) as f32;
        let haste = cost::TOO_FAST * lack(self.reading_ms(from, to)) + cost::TOO_SHORT * lack(self.reading.cue_ms_min);
        let text = &self.words[last].text;
        let end = if to == self.words.len() || ends_sentence(text) {
            0.0
        } else if ends_clause(text) {
            cost::AT_CLAUSE
        } else if self.gap_ms(last) >= BREATH_MS {
            cost::AT_BREATH
        } else if is_short(text) {
            cost::IN_PHRASE + cost::AFTER_SHORT_WORD
        } else {
            cost::IN_PHRASE
        };
        cost::CUE + haste + end
    }

    /// Of not ending a cue after this word.
    fn inside_cost(&self, after: usize) -> f32 {
        let sentence = if ends_sentence(&self.words[after].text) { cost::SENTENCE_INSIDE } else { 0.0 };
        let breath = self.gap_ms(after) as f32 / BREATH_MS as f32;
        sentence + if breath >= 1.0 { cost::BREATH_INSIDE * breath.min(3.0) } else { 0.0 }
    }

    /// Where the second line of a cue begins: `to` if one line is enough, `None` if two are not.
    fn line_break(&self, from: usize, to: usize) -> Option<usize> {
        if self.chars(from, to) <= self.line_chars_max {
            return Some(to);
        }
        let fits = |at: &usize| self.chars(from, *at) <= self.line_chars_max && self.chars(*at, to) <= self.line_chars_max;
        (from + 1..to).filter(fits).min_by_key(|at| {
            let (upper, lower) = (self.chars(from, *at), self.chars(*at, to));
            let text = &self.words[at - 1].text;
            let place = if ends_sentence(text) || ends_clause(text) {
                0
            } else if is_short(text) {
                20
            } else {
                12
            };
            // Of two uneven lines the longer stands below.
            upper.abs_diff(lower) + place + if upper > lower { 2 } else { 0 }
        })
    }

    fn text(&self, from: usize, to: usize) -> String {
        let line = |from: usize, to: usize| self.words[from..to].iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        match self.line_break(from, to) {
            Some(at) if at < to => format!("{}\n{}", line(from, at), line(at, to)),
            _ => line(from, to),
        }
    }
}

/// A word cut so that each piece fits a line. Scripts without blanks come as one long word.
fn pieces(text: &str, chars_max: usize) -> Vec<String> {
    text.split_whitespace()
        .flat_map(|word| word.chars().collect::<Vec<_>>().chunks(chars_max).map(|piece| piece.iter().collect()).collect::<Vec<String>>())
        .collect()
}

fn last_char(text: &str) -> Option<char> {
    text.trim_end_matches(['"', '\'', '”', '’', ')', ']', '»']).chars().next_back()
}

fn ends_sentence(text: &str) -> bool {
    last_char(text).is_some_and(|c| matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？'))
}

fn ends_clause(text: &str) -> bool {
    last_char(text).is_some_and(|c| matches!(c, ',' | ';' | ':' | '—' | '–' | '、' | '，'))
}

fn is_short(text: &str) -> bool {
    text.chars().count() <= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words spoken evenly, `word_ms` each, with a silence after those that end with `|`.
    fn spoken(text: &str, word_ms: u64) -> Vec<TimedWord> {
        let mut now = 0;
        text.split(' ')
            .map(|word| {
                let start_ms = now;
                now += word_ms;
                let end_ms = now;
                if word.ends_with('|') {
                    now += 2_000;
                }
                TimedWord { start_ms, end_ms, text: word.trim_end_matches('|').to_owned() }
            })
            .collect()
    }

    fn texts(words: &[TimedWord]) -> Vec<String> {
        segment(words, &Reading::default()).iter().map(|cue| cue.text().to_owned()).collect()
    }

    #[test]
    fn cues_end_with_sentences_and_lines_with_clauses() {
        let words =
            spoken("It was the best of times, it was the worst of times. It was the age of wisdom, it was the age of foolishness.", 300);
        assert_eq!(
            texts(&words),
            ["It was the best of times,\nit was the worst of times.", "It was the age of wisdom,\nit was the age of foolishness."]
        );
    }

    #[test]
    fn a_pause_ends_a_cue() {
        assert_eq!(texts(&spoken("so then| we waited", 300)), ["so then", "we waited"]);
    }

    #[test]
    fn a_short_cue_stays_on_in_the_silence_that_follows_it() {
        let cues = segment(&spoken("Yes.| Extraordinarily uncharacteristic misunderstandings", 300), &Reading::default());
        assert_eq!((cues[0].start_ms(), cues[0].end_ms()), (0, 1_000));
        assert_eq!(cues[1].start_ms(), 2_300);
        assert!(cues[1].end_ms() - cues[1].start_ms() >= 50 * 1_000 / 17, "{cues:?}");
    }

    #[test]
    fn a_cue_that_would_stay_on_gives_way_to_the_next() {
        let words = [("One.", 0, 200), ("Two", 2_000, 2_100), ("and", 2_100, 2_200), ("three.", 2_200, 9_900)]
            .map(|(text, start_ms, end_ms)| TimedWord { start_ms, end_ms, text: text.to_owned() });
        let cues = segment(&words, &Reading { cue_ms_min: 3_000, ..Reading::default() });
        assert_eq!(cues[0].end_ms(), cues[1].start_ms());
        assert!(cues.iter().all(|cue| cue.end_ms() - cue.start_ms() <= 7_000), "{cues:?}");
    }

    #[test]
    fn a_lone_last_word_is_not_left_for_a_cue_of_its_own() {
        let words = spoken("we went down to the harbour in the early morning and looked for the boat that had brought them over", 250);
        let cues = texts(&words);
        assert!(cues.iter().all(|text| text.split_whitespace().count() >= 4), "{cues:?}");
    }

    #[test]
    fn words_said_at_one_instant_still_follow_each_other() {
        let words: Vec<TimedWord> = (0..200).map(|n| TimedWord { start_ms: 5, end_ms: 5, text: format!("word{n}") }).collect();
        let cues = segment(&words, &Reading::default());
        assert!(cues.len() > 5 && cues.windows(2).all(|pair| pair[0].end_ms() <= pair[1].start_ms()));
    }

    #[test]
    fn ordinary_speech_can_be_read_in_its_time() {
        let text = "The ship sailed at dawn with a full crew. Nobody on the shore knew where it was going, and nobody asked. \
                    When the storm came, three days later, the captain turned back to the north. They were not seen again.";
        for cue in segment(&spoken(text, 380), &Reading::default()) {
            let speed = cue.text().chars().count() as u64 * 1_000 / (cue.end_ms() - cue.start_ms());
            assert!(speed <= 20 && cue.end_ms() - cue.start_ms() >= 1_000, "{cue:?}");
        }
    }
}
