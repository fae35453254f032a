//! The members of an object, each of which is taken or refused.

use witgate_plugin::json::Json;

use crate::place::Place;
use crate::refused::Refused;

/// The members of an object that nobody has taken yet. A `null` counts as absent.
#[derive(Debug)]
pub(crate) struct Members<'p, 'j> {
    place: Place<'p>,
    rest: Vec<(&'j str, &'j Json<'j>)>,
    ignored: &'j [String],
}

// === impl Members ===

impl<'p, 'j> Members<'p, 'j> {
    /// Reads an object. Members whose names are in `ignored` may stay untaken.
    ///
    /// # Errors
    ///
    /// The value is no object.
    pub(crate) fn of(
        value: &'j Json<'j>,
        place: Place<'p>,
        ignored: &'j [String],
    ) -> Result<Self, Refused> {
        let Json::Table(members) = value else {
            return Err(Refused::invalid(place, "an object"));
        };
        let rest = members.iter().filter(|(_, value)| *value != Json::Null);
        Ok(Self {
            place,
            rest: rest.map(|(name, value)| (&**name, value)).collect(),
            ignored,
        })
    }

    pub(crate) const fn place(&self) -> Place<'p> {
        self.place
    }

    pub(crate) fn ignored(&self) -> &'j [String] {
        self.ignored
    }

    /// Takes a member. If it is there twice, the last one counts.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'j Json<'j>> {
        let mut taken = None;
        self.rest.retain(|(known, value)| {
            let is_it = *known == name;
            if is_it {
                taken = Some(*value);
            }
            !is_it
        });
        taken
    }

    /// Takes a text.
    ///
    /// # Errors
    ///
    /// The member is something else.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<&'j str>, Refused> {
        self.typed(name, "a string", Json::as_str)
    }

    /// Takes a whole number.
    ///
    /// # Errors
    ///
    /// The member is something else.
    pub(crate) fn whole(&mut self, name: &str) -> Result<Option<u64>, Refused> {
        self.typed(name, "a whole number", Json::as_u64)
    }

    /// Takes a boolean.
    ///
    /// # Errors
    ///
    /// The member is something else.
    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, Refused> {
        self.typed(name, "true or false", |value| match value {
            Json::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    /// Takes a number as it is written.
    ///
    /// # Errors
    ///
    /// The member is something else.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<&'j str>, Refused> {
        self.typed(name, "a number", |value| match value {
            Json::Number(number) => Some(*number),
            _ => None,
        })
    }

    /// Takes a list.
    ///
    /// # Errors
    ///
    /// The member is something else.
    pub(crate) fn list(&mut self, name: &str) -> Result<Option<&'j [Json<'j>]>, Refused> {
        self.typed(name, "an array", |value| match value {
            Json::List(elements) => Some(&**elements),
            _ => None,
        })
    }

    /// Takes a text that has to be there.
    ///
    /// # Errors
    ///
    /// The member is absent, or something else.
    pub(crate) fn required_text(&mut self, name: &str) -> Result<&'j str, Refused> {
        let text = self.text(name)?;
        text.ok_or_else(|| Refused::invalid(self.place.member(name), "a string, and is missing"))
    }

    fn typed<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'j Json<'j>) -> Option<T>,
    ) -> Result<Option<T>, Refused> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let read = read(value);
        let read = read.ok_or_else(|| Refused::invalid(self.place.member(name), expected))?;
        Ok(Some(read))
    }

    /// Refuses a value of a member that was taken, unless the operator lets it be ignored.
    ///
    /// # Errors
    ///
    /// The operator does not.
    pub(crate) fn unsupported(&self, name: &str, why: &str) -> Result<(), Refused> {
        let place = self.place.member(name);
        let kind = place.kind();
        if self.ignored.contains(&kind) {
            return Ok(());
        }
        Err(Refused::unsupported(place, why))
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    ///
    /// There is such a member, and the operator does not let it be ignored.
    pub(crate) fn end(self) -> Result<(), Refused> {
        let why = "the Messages API behind it has nothing that says the same; leave it out";
        self.rest
            .iter()
            .try_for_each(|(name, _)| self.unsupported(name, why))
    }
}
