//! The choice of a credential for a request.
//!
//! A session stays where it is as long as that credential has room. A new one goes where its hash says, among the credentials
//! that have more left than their soft threshold; a request without a session goes where most is left. What is sent and not
//! answered is subtracted, so that requests at the same time don't all go to the one that looked free. An estimate orders the
//! credentials; only the word of the upstream, or the hard threshold, keeps a request from one.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::reading::Reading;
use super::standing::{Sending, Sentence, Shut, Standing};
use super::tried::Tried;
use super::wish::{Among, Wish};
use crate::affinity::Affinity;
use crate::sessions::Sessions;

/// The time after its last request for which a session keeps its place: the longest life of a prompt cache.
const LIFE: Duration = Duration::from_secs(3600);

/// The terms of a credential in its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) name: String,
    /// The share of new sessions, relative to the others'.
    pub(crate) weight: u32,
    /// The part of each limit, in thousandths, below which no new session comes.
    pub(crate) soft: u32,
    /// The part of each limit, in thousandths, below which no request comes.
    pub(crate) hard: u32,
}

/// The standings of the credentials, and the places of the sessions among them.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    terms: Vec<Terms>,
    standings: Vec<Standing>,
    /// The credentials of sessions, by their places in the pool.
    places: Sessions<usize>,
    /// Number of choices so far, which breaks ties.
    turn: usize,
}

/// A credential that was chosen, and counts a request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) credential: usize,
    pub(crate) sending: Sending,
    /// The credential that the session had before.
    pub(crate) moved_from: Option<usize>,
}

/// The absence of a credential for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nothing {
    /// The time until one of them may be used again, if that is known.
    pub(crate) wait: Option<Duration>,
    /// The reason of the one that may be used first.
    pub(crate) why: Option<Shut>,
}

/// A credential that may be used.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    index: usize,
    terms: &'a Terms,
    left: u32,
    has_room: bool,
    unanswered: u32,
}

// === impl Book ===

impl Book {
    pub(crate) fn new(terms: Vec<Terms>) -> Self {
        Self {
            standings: vec![Standing::default(); terms.len()],
            places: Sessions::new(LIFE),
            turn: 0,
            terms,
        }
    }

    /// Returns a book for other terms, with what is known of those credentials that `keeps` says are the same.
    pub(crate) fn with_terms(&self, terms: Vec<Terms>, keeps: impl Fn(&str) -> bool) -> Self {
        let before = |name: &str| {
            let index = self.terms.iter().position(|it| it.name == name)?;
            keeps(name).then_some(index)
        };
        let standings = terms.iter().map(|terms| {
            let known = before(&terms.name).and_then(|index| self.standings.get(index));
            known.cloned().unwrap_or_default().without_sendings()
        });
        let standings = standings.collect();
        let places = self.places.clone().changed(|index| {
            let name = &self.terms.get(*index)?.name;
            let kept = terms.iter().position(|terms| terms.name == *name)?;
            keeps(name).then_some(kept)
        });
        Self {
            terms,
            standings,
            places,
            turn: self.turn,
        }
    }

    /// Chooses a credential that was not tried, and counts the request.
    ///
    /// # Errors
    ///
    /// There is none that takes requests.
    pub(crate) fn choose(
        &mut self,
        wish: &Wish,
        tried: Tried,
        now: Instant,
    ) -> Result<Pick, Nothing> {
        let affinity = match wish.among {
            Among::All => wish.affinity,
            Among::First => None,
        };
        let place = affinity.and_then(|affinity| self.places.find(affinity, now).copied());
        let candidates = self.candidates(wish, tried, now);
        let stays = |place: usize| {
            let here = candidates.iter().find(|it| it.index == place)?;
            // Without room it may still be served, and nobody else would serve it better.
            let moves = !here.has_room && candidates.iter().any(|it| it.has_room);
            (!moves).then_some(place)
        };
        let chosen = match place.and_then(stays) {
            Some(place) => Some(place),
            None => best(&candidates, affinity, self.turn),
        };
        let Some(credential) = chosen else {
            return Err(self.nothing(wish, now));
        };
        self.turn = self.turn.wrapping_add(1);
        let moved_from = place.filter(|place| *place != credential);
        if let Some(affinity) = affinity
            && place != Some(credential)
        {
            self.places.put(affinity, credential, now);
        }
        if let Some(left) = moved_from.and_then(|from| self.standings.get_mut(from)) {
            left.moved += 1;
        }
        let Some(standing) = self.standings.get_mut(credential) else {
            return Err(self.nothing(wish, now));
        };
        Ok(Pick {
            credential,
            sending: standing.send(&wish.model, now),
            moved_from,
        })
    }

    /// Learns from the answer to a request.
    pub(crate) fn answered(
        &mut self,
        pick: Pick,
        status: u16,
        reading: &Reading,
        now: Instant,
    ) -> Sentence {
        match self.standings.get_mut(pick.credential) {
            Some(standing) => standing.answered(pick.sending, status, reading, now),
            None => Sentence::Served,
        }
    }

    /// Ends a request without an answer.
    pub(crate) fn give_up(&mut self, pick: Pick) {
        if let Some(standing) = self.standings.get_mut(pick.credential) {
            standing.give_up(pick.sending);
        }
    }

    /// Takes a doubtful refusal for the credential's own. Returns whether that is news.
    pub(crate) fn convict(&mut self, pick: Pick, status: u16, now: Instant) -> bool {
        let standing = self.standings.get_mut(pick.credential);
        standing.is_some_and(|standing| standing.convict(pick.sending, status, now))
    }

    /// Gives a session back the place that it had before a request that was refused everywhere.
    pub(crate) fn put_back(&mut self, affinity: Affinity, credential: usize, now: Instant) {
        self.places.put(affinity, credential, now);
    }

    /// Forgets that a credential was refused. Returns whether it was.
    pub(crate) fn renewed(&mut self, credential: usize) -> bool {
        let standing = self.standings.get_mut(credential);
        standing.is_some_and(Standing::renewed)
    }

    /// Forgets what is known of a credential whose secret is another one now. Returns whether the one before was refused.
    pub(crate) fn replaced(&mut self, credential: usize) -> bool {
        let standing = self.standings.get_mut(credential);
        standing.is_some_and(Standing::replaced)
    }

    /// Returns the credentials with their terms and their sessions.
    pub(crate) fn iter(&self, now: Instant) -> impl Iterator<Item = (&Terms, &Standing, usize)> {
        let both = self.terms.iter().zip(&self.standings).enumerate();
        both.map(move |(index, (terms, standing))| {
            let sessions = self.places.count(|place| *place == index, now);
            (terms, standing, sessions)
        })
    }

    /// Returns whether there is a credential that was not tried.
    pub(crate) fn has_another(&self, wish: &Wish, tried: Tried, now: Instant) -> bool {
        !self.candidates(wish, tried, now).is_empty()
    }

    /// Returns the absence of a credential, with the time until one may be used again.
    pub(crate) fn nothing(&self, wish: &Wish, now: Instant) -> Nothing {
        let shut = self.among(wish).filter_map(|(_, terms, standing)| {
            let (why, wait) = standing.shut(&wish.model, terms.hard, now)?;
            Some((why, wait))
        });
        // One that nobody knows the end of comes last.
        let first = shut.min_by_key(|(_, wait)| wait.unwrap_or(Duration::MAX));
        Nothing {
            wait: first.and_then(|(_, wait)| wait),
            why: first.map(|(why, _)| why),
        }
    }

    fn candidates(&self, wish: &Wish, tried: Tried, now: Instant) -> Vec<Candidate<'_>> {
        let shut = |terms: &Terms, standing: &Standing| {
            let (why, _) = standing.shut(&wish.model, terms.hard, now)?;
            Some(why)
        };
        // If the upstream refuses them all, it may have changed its mind, and says best what is wrong.
        let takes_refused = self
            .among(wish)
            .all(|(_, terms, standing)| matches!(shut(terms, standing), Some(Shut::Refused(_))));
        let open = self.among(wish).filter(|(index, terms, standing)| {
            let takes = match shut(terms, standing) {
                None => true,
                Some(Shut::Refused(_)) => takes_refused,
                Some(Shut::Cooling | Shut::Exhausted) => false,
            };
            takes && !tried.contains(*index)
        });
        open.map(|(index, terms, standing)| Candidate {
            index,
            terms,
            left: standing.left(&wish.model, now),
            has_room: standing.has_room(&wish.model, now),
            unanswered: standing.unanswered(),
        })
        .collect()
    }

    /// Returns the credentials that a request may be sent with.
    fn among(&self, wish: &Wish) -> impl Iterator<Item = (usize, &Terms, &Standing)> {
        let count = match wish.among {
            Among::First => 1,
            Among::All => self.terms.len(),
        };
        let all = self.terms.iter().zip(&self.standings).enumerate();
        all.map(|(index, (terms, standing))| (index, terms, standing))
            .take(count)
    }
}

/// Returns the best credential for a request that has no place.
fn best(candidates: &[Candidate<'_>], affinity: Option<Affinity>, turn: usize) -> Option<usize> {
    let fresh = candidates
        .iter()
        .filter(|it| it.has_room && it.left >= it.terms.soft);
    if let Some(affinity) = affinity {
        let hashed =
            fresh.max_by_key(|it| (affinity.score(&it.terms.name, it.terms.weight), it.index));
        if let Some(hashed) = hashed {
            return Some(hashed.index);
        }
    }
    let count = candidates.len().max(1);
    let by_what_is_left = candidates.iter().enumerate().max_by_key(|(place, it)| {
        let load = u64::from(it.unanswered) * 1000 / u64::from(it.terms.weight.max(1));
        let is_fresh = it.left >= it.terms.soft;
        (
            it.has_room,
            is_fresh,
            it.left,
            Reverse(load),
            Reverse((place + count - turn % count) % count),
        )
    });
    by_what_is_left.map(|(_, it)| it.index)
}

#[cfg(test)]
mod tests;
