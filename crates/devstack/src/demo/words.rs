//! Which of the spoken words were written down, and beside which.

/// Spoken words, each with whether it was found, and the written ones beside which they stand.
#[derive(Debug, PartialEq)]
pub struct Beside {
    pub spoken: Vec<(String, bool)>,
    pub written: String,
}

/// Lays a text beside what was written down, piece by piece. A word is found where it stands in the longest row of words that both
/// have in the same order; letters' case and punctuation do not count.
pub fn beside(spoken: &str, written: &[String]) -> Vec<Beside> {
    let said: Vec<&str> = spoken.split_whitespace().collect();
    let pieces: Vec<Vec<&str>> = written.iter().map(|piece| piece.split_whitespace().collect()).collect();
    let heard: Vec<&str> = pieces.iter().flatten().copied().collect();
    let partner = partners(&said, &heard);
    let (mut next_said, mut end_heard) = (0, 0);
    let mut rows = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        end_heard += piece.len();
        let is_last = number + 1 == pieces.len();
        let last_match = partner.iter().rposition(|heard| heard.is_some_and(|heard| heard < end_heard));
        let end_said = if is_last { said.len() } else { last_match.map_or(next_said, |last| last + 1).max(next_said) };
        let words = (next_said..end_said).map(|word| (said[word].to_owned(), partner[word].is_some())).collect();
        rows.push(Beside { spoken: words, written: piece.join(" ") });
        next_said = end_said;
    }
    if pieces.is_empty() {
        rows.push(Beside { spoken: said.iter().map(|word| ((*word).to_owned(), false)).collect(), written: String::new() });
    }
    rows
}

/// How many of how many words were found.
pub fn found(rows: &[Beside]) -> (usize, usize) {
    let words = || rows.iter().flat_map(|row| &row.spoken);
    (words().filter(|(_, found)| *found).count(), words().count())
}

/// For each word that was said, the word that was heard for it: the longest common subsequence.
fn partners(said: &[&str], heard: &[&str]) -> Vec<Option<usize>> {
    let (said, heard) = (plain(said), plain(heard));
    let mut longest = vec![vec![0_usize; heard.len() + 1]; said.len() + 1];
    for s in (0..said.len()).rev() {
        for h in (0..heard.len()).rev() {
            longest[s][h] = if said[s] == heard[h] { longest[s + 1][h + 1] + 1 } else { longest[s + 1][h].max(longest[s][h + 1]) };
        }
    }
    let mut partner = vec![None; said.len()];
    let (mut s, mut h) = (0, 0);
    while s < said.len() && h < heard.len() {
        if said[s] == heard[h] {
            partner[s] = Some(h);
            (s, h) = (s + 1, h + 1);
        } else if longest[s + 1][h] >= longest[s][h + 1] {
            s += 1;
        } else {
            h += 1;
        }
    }
    partner
}

fn plain(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_was_not_heard_is_marked_and_the_rest_stands_beside_its_piece() {
        let rows = beside("Open the window, and close the door.", &["open a window".into(), "And close the door!".into()]);
        assert_eq!(found(&rows), (6, 7));
        assert_eq!(rows[0].spoken, [("Open".into(), true), ("the".into(), false), ("window,".into(), true)]);
        assert_eq!(rows[1].spoken.len(), 4);
    }

    #[test]
    fn words_in_another_order_are_not_all_found_and_none_of_them_is_lost() {
        assert_eq!(found(&beside("one two three", &["three two one".into()])), (1, 3));
        assert_eq!(found(&beside("one two three", &[])), (0, 3));
    }
}
