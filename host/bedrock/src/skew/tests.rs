//! Tests of clocks.

use super::*;

const DATE: &str = "Mon, 30 Nov 2026 12:00:00 GMT";

fn at(offset: i64) -> SystemTime {
    let theirs = httpdate::parse_http_date(DATE).unwrap();
    let amount = Duration::from_secs(offset.unsigned_abs());
    if offset < 0 {
        theirs - amount
    } else {
        theirs + amount
    }
}

#[test]
fn a_wrong_clock_is_recognised_and_said_in_words() {
    let skew = Skew::of("InvalidSignatureException", Some(DATE), at(-412)).expect("a wrong clock");
    assert_eq!(
        skew.to_string(),
        "this machine's clock is 412 s behind AWS's, which refuses signatures more than 300 s off: set the clock",
        "with the side and the remedy"
    );
    assert_eq!(skew.0.corrected(at(-412)), Some(at(0)), "AWS's time");
    let ahead = Skew::of("RequestExpired", Some(DATE), at(3600));
    assert_eq!(
        ahead,
        Some(Skew(witgate_dialect::Skew::Ahead(Duration::from_secs(
            3600
        )))),
        "the other side"
    );
}

#[test]
fn a_clock_that_is_right_is_not_blamed() {
    let name = "InvalidSignatureException";
    assert_eq!(
        Skew::of(name, Some(DATE), at(30)),
        None,
        "a small difference"
    );
    assert_eq!(Skew::of(name, None, at(3600)), None, "no date");
    assert_eq!(
        Skew::of(name, Some("yesterday"), at(3600)),
        None,
        "no such date"
    );
    assert_eq!(
        Skew::of("ThrottlingException", Some(DATE), at(3600)),
        None,
        "another error"
    );
}
