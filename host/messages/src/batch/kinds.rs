//! Groups of equivalent requests in a batch: a decision about one of them applies to all.
//!
//! A batch has up to a hundred thousand requests, most of which differ in their texts only. Which differences matter depends
//! on how much of a request plugins may see.

use std::collections::HashMap;

use bytes::Bytes;

use crate::head::{Head, Unread};

/// The criterion by which two requests are equivalent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// The head: members, sizes and counts that policy reads, members that it cannot read, all models named, and the names
    /// of the tools.
    Head,
    /// Every byte of `params`.
    Bytes,
}

/// A group of equivalent requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alike {
    /// The index of the first one.
    pub first: usize,
    /// The number of requests.
    pub count: u64,
}

/// Requests grouped by kind in the order of arrival.
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

/// The contents of a head.
#[derive(PartialEq, Eq, Hash)]
struct Looks {
    model: Option<Box<str>>,
    other_models: Box<[Box<str>]>,
    leaves_model_open: bool,
    unread: Box<[Unread]>,
    user_id: Option<Box<str>>,
    thinking: Option<Box<str>>,
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

    /// Adds a request to its group and returns the group's index.
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
            thinking: head.member("thinking").map(Into::into),
            tools: head.tools().map(Into::into).collect(),
            stream: head.stream(),
            max_tokens: head.max_tokens(),
            counts: (head.message_count(), head.tool_count()),
            prompt_tokens: head.prompt_tokens(),
            len: head.body().len(),
        }
    }
}
