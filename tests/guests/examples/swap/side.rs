//! A plugin that signs each hook's answer with its letter: the response header `x-swap`, and the plan's rule and model.
//! An answer with two different letters was made by two lineups.

/// Export the plugin of this letter.
macro_rules! plugin {
    ($letter:literal) => {
        use witgate_plugin::types::{self, Plan, Refusal};
        use witgate_plugin::{Envelope, NoSettings, Plugin, Problems, Request, Route};

        struct Side;

        witgate_plugin::export!(Side: Envelope + Route);

        impl Plugin for Side {
            type Settings = NoSettings;

            fn configure(_: NoSettings) -> Result<Self, Problems> {
                Ok(Self)
            }
        }

        impl Envelope for Side {
            fn read(&self, _: &Request<'_>) -> Result<types::Envelope, Refusal> {
                Ok(types::Envelope::default().response_header("x-swap", $letter))
            }
        }

        impl Route for Side {
            fn decide(&self, _: &Request<'_>) -> Result<Option<Plan>, Refusal> {
                Ok(Some(Plan::to("default").model($letter).rule($letter)))
            }
        }
    };
}

pub(crate) use plugin;
