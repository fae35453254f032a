//! Requests of a batch that are alike: whoever decides about one of them has decided about all.
//!
//! A batch has up to a hundred thousand requests, and most of them differ in their texts only. How much of a request counts
//! depends on how much of it may be looked at.

use std::collections::HashMap;

use bytes::Bytes;

use crate::head::{Head, Unread};

/// What makes two requests the same to whoever looks at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// Everything that the head says: members, sizes and counts that policy reads, those that it can't read, all models that
    /// are named, and the names of the tools.
    Head,
    /// Every byte of the parameters.
    Bytes,
}

/// Requests that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alike {
    /// The first of them, counted from 0.
    pub first: usize,
    /// How many there are.
    pub count: u64,
}

/// Requests, sorted by kind as they come.
pub(super) struct Kinds {
    same: Same,
    places: HashMap<Key, usize>,
    list: Vec<Alike>,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Head(Looks),
    Bytes(Bytes),
}

/// What a head says.
#[derive(PartialEq, Eq, Hash)]
struct Looks {
    model: Option<Box<str>>,
    other_models: Box<[Box<str>]>,
    leaves_model_open: bool,
    unread: Box<[Unread]>,
    user_id: Option<Box<str>>,
    tools: Box<[Box<str>]>,
    stream: bool,
    max_tokens: Option<u64>,
    counts: (u32, u32),
    prompt_tokens: u64,
    len: usize,
}

// === impl Kinds ===

impl Kinds {
    pub(super) fn by(same: Same) -> Self {
        Self {
            same,
            places: HashMap::new(),
            list: Vec::new(),
        }
    }

    /// Puts a request with the ones like it, and returns the place of its kind.
    pub(super) fn sort(&mut self, index: usize, head: &Head) -> usize {
        let key = match self.same {
            Same::Head => Key::Head(Looks::of(head)),
            Same::Bytes => Key::Bytes(head.body().clone()),
        };
        let place = *self.places.entry(key).or_insert(self.list.len());
        match self.list.get_mut(place) {
            Some(alike) => alike.count += 1,
            None => self.list.push(Alike {
                first: index,
                count: 1,
            }),
        }
        place
    }

    pub(super) fn into_list(self) -> Vec<Alike> {
        self.list
    }
}

// === impl Looks ===

impl Looks {
    fn of(head: &Head) -> Self {
        Self {
            model: head.model().map(Into::into),
            other_models: head.other_models().map(Into::into).collect(),
            leaves_model_open: head.leaves_model_open(),
            unread: head.unread().into(),
            user_id: head.user_id().map(Into::into),
            tools: head.tools().map(Into::into).collect(),
            stream: head.stream(),
            max_tokens: head.max_tokens(),
            counts: (head.message_count(), head.tool_count()),
            prompt_tokens: head.prompt_tokens(),
            len: head.body().len(),
        }
    }
}
