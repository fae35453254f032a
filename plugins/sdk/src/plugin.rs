//! The traits that a plugin implements: [`Plugin`], and one for each of its hooks.

use crate::settings::Typed;
use crate::types::{
    self, Asked, Charge, ContentKind, Dialect, Estimate, Interest, Piece, Plan, ReceiptEdits,
    Refusal, Remedy, Response, Rest, Verdict, Window,
};
use crate::{Problems, Receipts, Request};

/// A plugin, made once per instance from its settings.
pub trait Plugin: Sized + 'static {
    /// Type of the `[settings]` table of the sidecar, which serde or [`settings!`](crate::settings!) reads, or
    /// [`NoSettings`](crate::NoSettings) for a plugin without settings.
    type Settings: Typed;

    /// Makes the plugin from settings whose keys and types are right.
    ///
    /// # Errors
    ///
    /// Returns all remaining problems. The host refuses the plugin and shows the operator each problem with its file and
    /// line.
    fn configure(settings: Self::Settings) -> Result<Self, Problems>;

    /// Returns the conditions for calling the hooks. A hook is called if one of its conditions holds, or if it has none.
    ///
    /// A call that is not made is the cheapest one. The default has no conditions.
    fn interests(&self) -> Vec<Interest> {
        Vec::new()
    }

    /// Returns the name of a response header in which the host returns the correlation id of each request, also of those that
    /// [`interests`](Self::interests) leave out of the envelope hook. The default is none.
    fn correlation_header(&self) -> Option<&str> {
        None
    }

    /// Returns the kinds of texts that the hook [`Guard`] is called for. The sidecar has to grant their sides, `request` and
    /// `response`.
    ///
    /// The default has none, so that the hook is never called.
    fn content(&self) -> Vec<ContentKind> {
        Vec::new()
    }

    /// Returns the windows of the charges that the hook `budget` will return, as far as they come from settings, so that the host
    /// can refuse those that it does not know. Asked once, after `configure`.
    ///
    /// The default has none.
    fn windows(&self) -> Vec<Window> {
        Vec::new()
    }

    /// Returns the paths that the hook [`Translate`] serves, and the names of headers in its dialect. The sidecar has to grant
    /// the paths.
    ///
    /// The default has none, so that the hook is never called.
    fn dialect(&self) -> Option<Dialect> {
        None
    }
}

/// The hook on dialects: requests of another API at the paths that the plugin claims, in front of all other hooks.
///
/// [`notes`](crate::notes) keep what one call has to tell a later one of the same exchange, which another instance may serve.
pub trait Translate: Plugin {
    /// Returns the request to ask in place of the client's. `body` is empty if there is none.
    ///
    /// # Errors
    ///
    /// Returns the refusal of the request, which reaches the client through [`answer`](Self::answer).
    fn request(&self, request: &Request<'_>, body: &str) -> Result<Asked, Refusal>;

    /// Returns a response that is no stream in the client's dialect: that of the request that was asked, or an error of an upstream or
    /// of the host, which may come even before [`request`](Self::request).
    fn answer(&self, response: Response) -> Response;

    /// Returns what the client gets for an event of a stream, whose data is `data`, or an empty text.
    fn event(&self, data: &str) -> String;
}

/// The first hook of a request, which identifies the caller and the purpose of the request.
pub trait Envelope: Plugin {
    /// Returns what is different from the host's own knowledge. If several plugins have this hook, the host takes the first
    /// value given for a field and joins lists.
    ///
    /// # Errors
    ///
    /// Returns the refusal that the host sends to the client instead of forwarding the request.
    fn read(&self, request: &Request<'_>) -> Result<types::Envelope, Refusal>;
}

/// The hook on content: the texts of a request before it is forwarded, and those of its response before the client gets them.
pub trait Guard: Plugin {
    /// Returns the decision about a piece of a text. If several plugins have this hook, each one gets what those before pass.
    ///
    /// A text arrives in pieces that may end anywhere between two characters. If a match could still be going on at the end of a
    /// piece, hold its bytes back with [`Verdict::Hold`]: they come again at the start of the next piece.
    fn inspect(&self, request: &Request<'_>, piece: &Piece) -> Verdict;
}

/// The second hook of a request, which chooses its upstreams.
pub trait Route: Plugin {
    /// Returns a plan, or `None` to leave the choice to the next plugin. If no plugin has a plan, the request goes to the
    /// host's default upstream with its own model.
    ///
    /// # Errors
    ///
    /// Returns the refusal that the host sends to the client instead of forwarding the request.
    fn decide(&self, request: &Request<'_>) -> Result<Option<Plan>, Refusal>;
}

/// The third hook of a request, which charges it to accounts.
pub trait Budget: Plugin {
    /// Returns the charges of a request. The host reserves all of them or none. After a downgrade it calls this once more,
    /// with the plan and the estimate for the other model.
    ///
    /// # Errors
    ///
    /// Returns the refusal that the host sends to the client instead of forwarding the request.
    fn charges(&self, request: &Request<'_>, estimate: &Estimate) -> Result<Vec<Charge>, Refusal>;

    /// Returns the remedy for a charge that does not fit its limit.
    ///
    /// The default is a 429 that names the account's kind, the unit and the window.
    fn exhausted(&self, request: &Request<'_>, charge: &Charge, rest: Rest) -> Remedy {
        let _ = (request, rest);
        Remedy::Refuse(Refusal::exhausted(charge))
    }
}

/// The last hook, off the request path, which edits the receipts of finished exchanges.
pub trait Audit: Plugin {
    /// Returns the edits of the receipts, in order. Without edits, the host writes them as they are.
    fn edit(&self, receipts: &Receipts<'_>) -> Vec<ReceiptEdits>;
}
