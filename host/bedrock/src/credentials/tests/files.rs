//! Tests of the shared files.

use super::super::profile::{BadProfile, find};
use super::shown;

const CREDENTIALS: &str = "\
# a comment
[default]
aws_access_key_id = AKDEFAULT
aws_secret_access_key = sd/+=  ; a comment behind

[work]
AWS_ACCESS_KEY_ID=AKWORK
aws_secret_access_key=sw
aws_session_token=tw
s3 =
  aws_session_token = of-something-else
";

const CONFIG: &str = "\
[default]
region = us-east-1
[profile work]
region = eu-central-1
aws_access_key_id = AKOTHER
[profile  spaced ]
aws_access_key_id = AKSPACED
aws_secret_access_key = ss
[work2]
region = none
[profile role]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = default
[profile sso]
sso_session = s
[profile half]
aws_access_key_id = AKHALF
[profile empty]
region = eu-west-1
";

fn found(name: &str) -> Result<(String, Option<String>), BadProfile> {
    let profile = find(name, CREDENTIALS, CONFIG)?;
    Ok((shown(profile.access.as_ref()), profile.region))
}

#[test]
fn a_profile_is_found_in_both_files_and_the_credentials_file_wins() {
    let region = |name: &str| Some(name.to_owned());
    assert_eq!(
        found("default").unwrap(),
        ("AKDEFAULT sd/+= -".to_owned(), region("us-east-1")),
        "without a name"
    );
    assert_eq!(
        found("work").unwrap(),
        ("AKWORK sw tw".to_owned(), region("eu-central-1")),
        "in both"
    );
    assert_eq!(
        found("spaced").unwrap().0,
        "AKSPACED ss -",
        "in the configuration alone"
    );
    assert_eq!(
        found("empty").unwrap(),
        ("none".to_owned(), region("eu-west-1")),
        "without keys"
    );
}

#[test]
fn a_profile_that_cannot_be_used_is_named_with_the_reason() {
    let rows = [
        ("role", "`role_arn`, which is not supported"),
        ("sso", "`sso_session`, which is not supported"),
        ("half", "no `aws_secret_access_key`"),
        ("absent", "neither shared file has a profile `absent`"),
        ("work2", "neither shared file has a profile `work2`"),
    ];
    for (name, words) in rows {
        let error = found(name).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(name), "{error}");
    }
}

#[test]
fn a_line_of_another_form_is_named_by_its_number_and_not_shown() {
    for text in [
        "[default]\naws_secret_access_key secret\n",
        "\nkey = secret\n",
        "[default]\n[secret\n",
    ] {
        let error = find("default", text, "").unwrap_err().to_string();
        assert!(
            error.starts_with("the credentials file cannot be read: line 2"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
}
