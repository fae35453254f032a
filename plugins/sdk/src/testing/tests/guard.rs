//! Guards made of functions, and texts that pass through them.

use crate::Plugin;
use crate::prelude::*;
use crate::testing::{RequestBuilder, configure, inspect};

crate::plugin!(Guard(Text, ToolInput): hide);

fn hide(request: &Request, piece: &Piece) -> Verdict {
    if piece.text.contains("stop") {
        return Verdict::stop("house", request.id());
    }
    let held = piece.beginning_of("über");
    let passing = &piece.text[..piece.text.len() - held as usize];
    Verdict::replace_and_hold(passing.replace("über", "*"), held)
}

fn passes(pieces: &[&str]) -> Result<String, crate::types::Stop> {
    let plugin: FunctionsPlugin = configure("{}").expect("no settings");
    let request = RequestBuilder::messages().build();
    inspect(&plugin, &request, ContentKind::Text, pieces)
}

#[test]
fn a_guard_of_functions_subscribes_to_the_kinds_that_it_names() {
    let plugin: FunctionsPlugin = configure("{}").expect("no settings");
    assert_eq!(
        plugin.content(),
        [ContentKind::Text, ContentKind::ToolInput],
        "its kinds"
    );
}

#[test]
fn what_a_guard_holds_back_comes_again_with_the_next_piece() {
    for pieces in [
        &["an über", "ü", " end"][..],
        &["an ", "übe", "rü end"],
        &["a", "n üb", "", "erü end", ""],
    ] {
        assert_eq!(passes(pieces).as_deref(), Ok("an *ü end"), "{pieces:?}");
    }
}

#[test]
fn a_stop_ends_the_text() {
    let stop = passes(&["and ", "stop", " it"]).expect_err("a stop");
    assert_eq!((&*stop.rule, stop.quietly), ("house", false), "the stop");
}

#[test]
#[should_panic(expected = "the guard holds back 2 bytes of the last piece")]
fn holding_back_the_last_piece_is_a_fault() {
    struct Holds;
    impl Plugin for Holds {
        type Settings = crate::NoSettings;
        fn configure(_: crate::NoSettings) -> Result<Self, crate::Problems> {
            Ok(Self)
        }
    }
    impl crate::Guard for Holds {
        fn inspect(&self, _: &Request<'_>, _: &Piece) -> Verdict {
            Verdict::Hold(2)
        }
    }
    let request = RequestBuilder::messages().build();
    drop(inspect(&Holds, &request, ContentKind::Text, &["abc"]));
}

#[test]
fn a_word_may_begin_at_the_end_of_a_piece() {
    for (text, held) in [
        ("", 0),
        ("aba", 1),
        ("ab", 2),
        ("xab", 2),
        ("abc", 0),
        ("abcab", 2),
        ("ac", 0),
    ] {
        let piece = Piece::begin(ContentKind::Text, text);
        assert_eq!(piece.beginning_of("abc"), held, "{text}");
        let whole = Piece::whole(ContentKind::Text, text);
        assert_eq!(whole.beginning_of("abc"), 0, "{text}, which ends");
    }
    let piece = Piece::begin(ContentKind::Text, "abab");
    assert_eq!(piece.beginning_of("abab"), 0, "a whole word");
    assert_eq!(piece.beginning_of(""), 0, "no word");
}
