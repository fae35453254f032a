//! Settings of the environment. The variables are those of Google's libraries and of Anthropic's SDKs.

/// The name of the file that `gcloud auth application-default login` writes.
const WELL_KNOWN: &str = "application_default_credentials.json";

/// The settings of the environment, in the order in which Google's libraries look for credentials: a file that is named, the file of
/// gcloud if it exists, and the machine. A variable that is set to nothing is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The file that `GOOGLE_APPLICATION_CREDENTIALS` names.
    pub file: Option<String>,
    /// The file of gcloud, which need not exist; `None` without a home.
    pub gcloud_file: Option<String>,
    /// Another metadata server than the usual one.
    pub metadata_host: Option<String>,
    /// The project.
    pub project: Option<String>,
    /// The location.
    pub location: Option<String>,
}

// === impl Environment ===

impl Environment {
    /// Reads the settings through a function that returns a variable.
    pub fn read(variable: impl Fn(&'static str) -> Option<String>) -> Self {
        let get = |name| {
            let value = variable(name)?;
            let value = value.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let home = || get("HOME").map(|home| format!("{home}/.config/gcloud"));
        let folder = get("CLOUDSDK_CONFIG").or_else(home);
        Self {
            file: get("GOOGLE_APPLICATION_CREDENTIALS"),
            gcloud_file: folder.map(|folder| format!("{folder}/{WELL_KNOWN}")),
            metadata_host: get("GCE_METADATA_HOST"),
            project: get("ANTHROPIC_VERTEX_PROJECT_ID").or_else(|| get("GOOGLE_CLOUD_PROJECT")),
            location: get("CLOUD_ML_REGION"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_names_files_the_project_and_the_location() {
        let read = read(&[
            ("GOOGLE_APPLICATION_CREDENTIALS", "/run/key.json\n"),
            ("HOME", "/home/gate"),
            ("GOOGLE_CLOUD_PROJECT", "other"),
            ("ANTHROPIC_VERTEX_PROJECT_ID", "my-project"),
            ("CLOUD_ML_REGION", "global"),
        ]);
        let gcloud = "/home/gate/.config/gcloud/application_default_credentials.json";
        assert_eq!(read.file.as_deref(), Some("/run/key.json"), "named");
        assert_eq!(read.gcloud_file.as_deref(), Some(gcloud), "gcloud's");
        assert_eq!(read.project.as_deref(), Some("my-project"), "Anthropic's");
        assert_eq!(read.location.as_deref(), Some("global"), "a location");
    }

    #[test]
    fn a_blank_variable_is_not_set() {
        let read = read(&[
            ("GOOGLE_APPLICATION_CREDENTIALS", " "),
            ("CLOUDSDK_CONFIG", "/etc/gcloud"),
            ("GCE_METADATA_HOST", "127.0.0.1:8080"),
        ]);
        assert_eq!((read.file, read.project), (None, None), "nothing");
        let gcloud = "/etc/gcloud/application_default_credentials.json";
        assert_eq!(read.gcloud_file.as_deref(), Some(gcloud), "moved");
        assert_eq!(
            read.metadata_host.as_deref(),
            Some("127.0.0.1:8080"),
            "moved"
        );
    }
}
