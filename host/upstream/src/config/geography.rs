//! `geography`: the regions that serve a request to Amazon Bedrock.

use serde::Deserialize;
use witgate_bedrock::model::Geography;
use witgate_config_file::Check;

/// `geography` as it is written.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) enum GeographyFile {
    #[serde(rename = "region")]
    Region,
    #[serde(rename = "us")]
    Us,
    #[serde(rename = "eu")]
    Eu,
    #[serde(rename = "jp")]
    Japan,
    #[serde(rename = "au")]
    Australia,
    #[serde(rename = "apac")]
    AsiaPacific,
    #[serde(rename = "us-gov")]
    UsGovernment,
    #[serde(rename = "global")]
    Global,
}

/// Returns the geography of a region, where there is no choice.
pub(super) fn of_region(region: &str, check: &mut Check<'_>) -> Option<Geography> {
    let of = |prefix| region.starts_with(prefix);
    if of("us-gov-") {
        Some(Geography::UsGovernment)
    } else if of("us-") {
        Some(Geography::Us)
    } else if of("eu-") {
        Some(Geography::Eu)
    } else {
        if !check.has_problem("geography") {
            check.problem(
                "geography",
                format!(
                    "is missing, and `{region}` leaves a choice: set \"apac\", \"jp\" or \"au\" for the inference profiles of these regions, \
                     \"global\" for all commercial regions, or \"region\" to use no profile"
                ),
            );
        }
        None
    }
}

// === impl GeographyFile ===

impl From<GeographyFile> for Geography {
    fn from(file: GeographyFile) -> Self {
        match file {
            GeographyFile::Region => Self::Region,
            GeographyFile::Us => Self::Us,
            GeographyFile::Eu => Self::Eu,
            GeographyFile::Japan => Self::Japan,
            GeographyFile::Australia => Self::Australia,
            GeographyFile::AsiaPacific => Self::AsiaPacific,
            GeographyFile::UsGovernment => Self::UsGovernment,
            GeographyFile::Global => Self::Global,
        }
    }
}
