//! Conditions that a plugin may not state.

use witgate_runtime::AdmissionCause;

use super::interested;
use super::stated::Interest;
use crate::request::{PATIENT, runtime, source};

#[test]
fn a_condition_on_a_header_that_is_not_granted_is_a_problem_with_the_line_that_grants_it() {
    let guest = interested(&[Interest {
        headers: Some(&["x-team", "x-else"]),
        ..Interest::route()
    }]);
    for mode in ["reused", "fresh"] {
        let sidecar =
            format!("instances = \"{mode}\"\n{PATIENT}[grants]\nheaders = [\"x-team\"]\n");
        let refused = runtime().admit(&source(guest.build(), &sidecar));
        match refused.expect_err("it is refused").cause {
            cause @ AdmissionCause::Settings(_) => {
                let text = cause.to_string();
                assert!(
                    text.contains("`x-else`, which is not granted")
                        && text.contains("set `headers = [\"x-else\"]` in [grants]"),
                    "{mode}: {text}"
                );
                assert!(
                    !text.contains("`x-team`"),
                    "{mode}: that is granted: {text}"
                );
            }
            other => panic!("{mode}: a problem was expected, not {other}"),
        }
    }
}

/// Returns the problem for which the host refuses these conditions.
fn refused(interests: &[Interest], sidecar: &str) -> String {
    let source = source(interested(interests).build(), sidecar);
    let refused = runtime().admit(&source).expect_err("it is refused");
    assert!(
        matches!(refused.cause, AdmissionCause::Settings(_)),
        "{refused}"
    );
    refused.to_string()
}

#[test]
fn a_condition_on_models_needs_the_grant_to_read_them() {
    let interest = Interest {
        models: Some(&["claude-*"]),
        ..Interest::route()
    };
    let none = format!("{PATIENT}[grants]\nbody = \"none\"\n");
    let text = refused(std::slice::from_ref(&interest), &none);
    assert!(text.contains("set `body = \"head\"` in [grants]"), "{text}");
    let head = format!("{PATIENT}[grants]\nbody = \"head\"\n");
    let granted = source(interested(&[interest]).build(), &head);
    runtime().admit(&granted).expect("with the grant it serves");
}

#[test]
fn more_conditions_than_the_limit_are_refused_with_their_number() {
    const TIERS: [&str; 1023] = ["t"; 1023];
    let interest = Interest {
        tiers: Some(&TIERS),
        ..Interest::route()
    };
    let most = source(interested(std::slice::from_ref(&interest)).build(), PATIENT);
    runtime()
        .admit(&most)
        .expect("a condition with 1,023 values is at the limit");
    let text = refused(&[interest, Interest::route()], PATIENT);
    assert!(
        text.contains("states 1025 conditions") && text.contains("1024"),
        "{text}"
    );
}
