//! What is found of a credential: the credential itself, or the endpoint that gives one.

use std::path::PathBuf;

use witgate_bedrock::credentials::container::Container;
use witgate_dialect::{Lease, Secret};
use witgate_foundry::Entra;
use witgate_vertex::Credentials;

use crate::config::BaseUrl;

/// A credential, or the endpoint that gives one.
pub(super) enum Found {
    /// A credential, with the place where it was found in words.
    Access(Access, String),
    At(Place),
}

/// A credential of a cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// Keys that sign, or an API key of Bedrock.
    Aws(witgate_bedrock::Access),
    /// A header.
    Header {
        name: &'static str,
        value: Secret,
        lease: Lease,
    },
}

/// An endpoint that gives credentials.
pub(crate) enum Place {
    /// AWS's endpoint of a container.
    Container(Box<Container>),
    /// AWS's endpoint of an instance, at another address than the usual one.
    Instance(Option<BaseUrl>),
    Google(Box<GooglePlace>),
    Entra(Box<EntraPlace>),
}

/// The way to a token of Google's.
pub(crate) struct GooglePlace {
    pub(crate) credentials: Credentials,
    /// The place of the credentials in words.
    pub(crate) origin: String,
    /// CA certificates to trust, in place of the system's.
    pub(crate) ca_file: Option<PathBuf>,
}

/// The way to a token of Microsoft Entra.
pub(crate) struct EntraPlace {
    pub(crate) entra: Entra,
    /// The place of the credentials in words.
    pub(crate) origin: String,
    /// The machine's metadata service, at another address than the usual one.
    pub(crate) machine: Option<BaseUrl>,
    /// CA certificates to trust, in place of the system's.
    pub(crate) ca_file: Option<PathBuf>,
}

// === impl Access ===

impl Access {
    pub(super) fn lease(&self) -> Lease {
        match self {
            Self::Aws(witgate_bedrock::Access::Keys(keys)) => keys.lease(),
            Self::Aws(witgate_bedrock::Access::ApiKey(_)) => Lease::until(None),
            Self::Header { lease, .. } => *lease,
        }
    }

    /// Returns the public half of keys.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Aws(witgate_bedrock::Access::Keys(keys)) => Some(keys.id()),
            Self::Aws(witgate_bedrock::Access::ApiKey(_)) | Self::Header { .. } => None,
        }
    }
}

// === impl Place ===

impl Place {
    /// Returns what is asked when the gateway runs, in words.
    pub(super) fn said(&self) -> String {
        match self {
            Self::Container(_) => {
                "the container's endpoint, which is asked when the gateway runs".to_owned()
            }
            Self::Instance(_) => {
                "the instance's endpoint, which is asked when the gateway runs".to_owned()
            }
            Self::Google(place) => place.origin.clone(),
            Self::Entra(place) => place.origin.clone(),
        }
    }
}
