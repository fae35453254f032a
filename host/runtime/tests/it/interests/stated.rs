//! Conditions, as a guest states them.

use crate::layout::{Layout, Words};

/// A condition, as a guest states it.
#[derive(Clone, Debug, Default)]
pub(super) struct Interest {
    pub(super) hook: u32,
    pub(super) endpoints: Option<&'static [&'static str]>,
    pub(super) except_endpoints: Option<&'static [&'static str]>,
    pub(super) models: Option<&'static [&'static str]>,
    pub(super) headers: Option<&'static [&'static str]>,
    pub(super) tiers: Option<&'static [&'static str]>,
    pub(super) attributes: Option<&'static [&'static str]>,
    pub(super) secondary_index: bool,
    pub(super) members: Option<&'static [&'static str]>,
}

// === impl Interest ===

impl Interest {
    pub(super) fn route() -> Self {
        Self {
            hook: super::ROUTE,
            ..Self::default()
        }
    }

    pub(super) fn words(&self, layout: &mut Layout) -> Words {
        let mut words = vec![self.hook];
        for endpoints in [self.endpoints, self.except_endpoints] {
            words.extend(match endpoints {
                None => [0; 3],
                Some(codes) => {
                    let cases: Vec<Words> = codes.iter().map(|code| case(code, layout)).collect();
                    let [at, len] = layout.list(&cases);
                    [1, at, len]
                }
            });
        }
        for texts in [self.models, self.headers, self.tiers, self.attributes] {
            words.extend(optional(texts, layout));
        }
        words.push(u32::from(self.secondary_index));
        words.extend(optional(self.members, layout));
        words
    }
}

fn optional(texts: Option<&[&str]>, layout: &mut Layout) -> [u32; 3] {
    match texts {
        None => [0; 3],
        Some(texts) => {
            let [at, len] = layout.texts(texts);
            [1, at, len]
        }
    }
}

fn case(code: &str, layout: &mut Layout) -> Words {
    let cases = ["messages", "count-tokens", "models", "model", "batches"];
    match cases.iter().position(|known| *known == code) {
        Some(case) => vec![u32::try_from(case).unwrap(), 0, 0],
        None => {
            let [at, len] = layout.text(code);
            vec![5, at, len]
        }
    }
}
