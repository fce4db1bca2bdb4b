//! What the reader of the demo sees: headings, lines, columns and marks.

use std::time::Duration;

const WIDTH: usize = 96;
const KIB: f64 = 1024.0;

/// What was claimed and found true or not, in the order in which it was shown.
#[derive(Debug, Default)]
pub struct Checks {
    made: usize,
    failed: Vec<String>,
}

impl Checks {
    /// Shows a claim with its mark; `found` says what was seen.
    pub fn claim(&mut self, claim: &str, is_true: bool, found: impl AsRef<str>) {
        let found = found.as_ref();
        let told = if found.is_empty() { claim.to_owned() } else { format!("{claim}: {found}") };
        println!("  {} {told}", if is_true { '✓' } else { '✗' });
        self.made += 1;
        if !is_true {
            self.failed.push(told);
        }
    }

    /// A claim that holds where something could be done at all.
    pub fn done<T>(&mut self, claim: &str, outcome: anyhow::Result<T>) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.claim(claim, true, "");
                Some(value)
            }
            Err(error) => {
                self.claim(claim, false, format!("{error:#}"));
                None
            }
        }
    }

    pub fn all_hold(&self) -> bool {
        self.failed.is_empty()
    }

    /// The verdict on everything.
    pub fn sum_up(&self) {
        heading("In short");
        if self.all_hold() {
            println!("  All {} checks hold.", self.made);
            return;
        }
        println!("  {} of {} checks failed:", self.failed.len(), self.made);
        for told in &self.failed {
            println!("  ✗ {told}");
        }
    }
}

pub fn heading(title: &str) {
    println!("\n── {title} {}", "─".repeat(WIDTH.saturating_sub(title.chars().count() + 4)));
}

/// Two texts side by side, each broken between words.
pub fn columns(left: &str, right: &str, left_width: usize, right_width: usize) {
    let (left, right) = (wrap(left, left_width), wrap(right, right_width));
    for row in 0..left.len().max(right.len()) {
        let cell = |column: &[String]| column.get(row).cloned().unwrap_or_default();
        println!("  {}  {}", padded(&cell(&left), left_width), cell(&right));
    }
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())))
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().filter(|line| line.is_empty() || line.chars().count() + 1 + word.chars().count() <= width);
        match last {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => line.extend([" ", word]),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "a size for a person, with two digits after the point")]
pub fn bytes(bytes: u64) -> String {
    let count = bytes as f64;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", count / KIB),
        1_048_576..1_073_741_824 => format!("{:.2} MiB", count / KIB / KIB),
        _ => format!("{:.2} GiB", count / KIB / KIB / KIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_between_words_and_a_long_word_is_left_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a interminable b", 4), ["a", "interminable", "b"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn one_claim_that_is_not_true_is_enough() {
        let mut checks = Checks::default();
        checks.claim("it is so", true, "");
        assert!(checks.all_hold());
        checks.claim("it is so, too", false, "it is not");
        assert!(!checks.all_hold());
        assert_eq!(checks.failed, ["it is so, too: it is not"]);
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        assert_eq!([bytes(7), bytes(1536), bytes(5 << 20)], ["7 B", "1.5 KiB", "5.00 MiB"]);
    }
}
