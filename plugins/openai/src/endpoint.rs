//! The endpoints of OpenAI's API that are served.

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Responses,
    Models,
    /// A model by its name in the path.
    Model(String),
}

// === impl Endpoint ===

impl Endpoint {
    /// Returns the endpoint of a path, which may have a query.
    pub(crate) fn of(path: &str, bases: &[String]) -> Option<Self> {
        let path = path.split('?').next()?;
        let behind = bases
            .iter()
            .filter_map(|base| path.strip_prefix(base.as_str()));
        behind.into_iter().find_map(|behind| match behind {
            "/chat/completions" => Some(Self::Chat),
            "/responses" => Some(Self::Responses),
            "/models" => Some(Self::Models),
            _ => {
                let name = behind.strip_prefix("/models/")?;
                (!name.is_empty() && !name.contains('/')).then(|| Self::Model(name.to_owned()))
            }
        })
    }

    /// Returns a note that [`recall`](Self::recall) reads.
    pub(crate) fn note(&self) -> String {
        match self {
            Self::Chat => "chat".to_owned(),
            Self::Responses => "responses".to_owned(),
            Self::Models => "models".to_owned(),
            Self::Model(name) => format!("model {name}"),
        }
    }

    pub(crate) fn recall(note: &str) -> Option<Self> {
        match note.split_once(' ') {
            Some(("model", name)) => Some(Self::Model(name.to_owned())),
            Some(_) => None,
            None if note == "chat" => Some(Self::Chat),
            None if note == "responses" => Some(Self::Responses),
            None if note == "models" => Some(Self::Models),
            None => None,
        }
    }
}
