//! Places: a project and a location.
//!
//! A location is a region, a multi-region (`us`, `eu`) or `global`, and each has a host of its own.

use std::fmt;

/// The place that serves a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    project: String,
    location: String,
}

/// The error of a text that is no project or no location. The operator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what} of Google Cloud: {form}")]
pub struct BadPlace {
    /// The text.
    pub text: String,
    /// `project` or `location`.
    pub what: &'static str,
    /// The form that it should have.
    pub form: &'static str,
}

// === impl Place ===

impl Place {
    /// Checks a project's id or number, and a location.
    ///
    /// # Errors
    /// [`BadPlace`] for a text that Google would refuse, or that would be another path or host.
    pub fn try_new(project: &str, location: &str) -> Result<Self, BadPlace> {
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        // Ids of old projects begin with a domain: `example.com:project`.
        let of_project = |byte: u8| lower(byte) || matches!(byte, b'.' | b':');
        let is = |text: &str, allowed: &dyn Fn(u8) -> bool| {
            let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
            text.bytes().all(allowed)
                && text.len() <= 63
                && edge(text.bytes().next())
                && edge(text.bytes().last())
        };
        let bad = |text: &str, what, form| BadPlace {
            text: text.chars().take(100).collect(),
            what,
            form,
        };
        if !is(project, &of_project) {
            let form = "a project is named by its id (`my-project`) or its number";
            return Err(bad(project, "project", form));
        }
        if !is(location, &lower) {
            let form = "a location is `global`, `us`, `eu` or a region such as `europe-west1`";
            return Err(bad(location, "location", form));
        }
        Ok(Self {
            project: project.to_owned(),
            location: location.to_owned(),
        })
    }

    /// Returns the host, as Anthropic's SDKs choose it.
    pub fn host(&self) -> String {
        match self.location.as_str() {
            "global" => "aiplatform.googleapis.com".to_owned(),
            "us" | "eu" => format!("aiplatform.{}.rep.googleapis.com", self.location),
            region => format!("{region}-aiplatform.googleapis.com"),
        }
    }

    /// Returns the project.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Returns the location.
    pub fn location(&self) -> &str {
        &self.location
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of project {}", self.location, self.project)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_location_has_its_host() {
        let host = |location| Place::try_new("my-project", location).unwrap().host();
        assert_eq!(host("global"), "aiplatform.googleapis.com", "global");
        assert_eq!(host("us"), "aiplatform.us.rep.googleapis.com", "multi");
        assert_eq!(
            host("europe-west1"),
            "europe-west1-aiplatform.googleapis.com",
            "a region"
        );
    }

    #[test]
    fn a_text_that_would_be_another_host_or_path_is_refused() {
        for location in ["", "evil.example/", "us.", "a@b", "-", "Europe-West1"] {
            let error = Place::try_new("p", location).unwrap_err().to_string();
            assert!(error.contains("europe-west1"), "{location}: {error}");
        }
        for project in ["", "..", "a/b", "a?b", "My Project"] {
            let error = Place::try_new(project, "us").unwrap_err().to_string();
            assert!(error.contains("my-project"), "{project}: {error}");
        }
        for project in ["my-project", "example.com:gate", "123456789012"] {
            assert!(Place::try_new(project, "us").is_ok(), "{project}");
        }
    }
}
