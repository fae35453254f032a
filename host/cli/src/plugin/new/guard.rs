//! NAME: hides a word in what the model writes.

use serde::Deserialize;
use witgate_plugin::prelude::*;

/// The `[settings]` of NAME.toml.
#[derive(Deserialize)]
struct Settings {
    /// Word to hide.
    word: String,
}

witgate_plugin::plugin!(Settings => Guard(Text): inspect);

fn inspect(settings: &Settings, _: &Request, piece: &Piece) -> Verdict {
    // A text arrives in pieces. If the word may begin at the end of this one, its bytes come again with the next piece.
    let held = piece.beginning_of(&settings.word);
    let passing = &piece.text[..piece.text.len() - held as usize];
    match passing.contains(&settings.word) {
        true => Verdict::replace_and_hold(passing.replace(&settings.word, "***"), held),
        false => Verdict::Hold(held),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use witgate_plugin::testing::{RequestBuilder, configure, inspect};

    #[test]
    fn the_word_is_hidden_wherever_it_is_split() {
        // The plugin, with settings that are checked as strictly as the host does.
        let plugin: FunctionsPlugin = configure(r#"{"word": "nightingale"}"#).unwrap();
        let request = RequestBuilder::messages().build();
        for pieces in [["a nightingale sings", ""], ["a night", "ingale sings"]] {
            let text = inspect(&plugin, &request, ContentKind::Text, &pieces);
            assert_eq!(text.unwrap(), "a *** sings");
        }
    }
}
