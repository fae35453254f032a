//! The API of limits, in the shapes of the vendor's Admin API for spend limits, so that tools for that one work here.
//!
//! Known of the vendor's: the resource, its members and its paging, `effective`, and upserts by scope and period
//! (<https://platform.claude.com/docs/en/manage-claude/spend-limits-api>); the list and `audit`
//! (<https://code.claude.com/docs/en/claude-apps-gateway-spend-limits>). Units besides dollars, other windows and accounts, `top_up`,
//! `reset` and `override` are this gateway's own, in the same style (`docs/budgets.md`).
//!
//! Every request needs a key of an operator. A browser sends none by itself, and the check of hosts and sites of all admin pages applies
//! here, too. Bodies and wrong keys are bounded.

mod asked;
mod body;
mod effective;
mod failed;
mod query;
mod route;
mod shown;
mod words;
mod wrong_keys;

use std::sync::Arc;

use http::Method;
use serde_json::json;
use sha2::{Digest, Sha256};
use witgate_http::Headers;

use self::asked::{Asked, Kind};
use self::body::{body, expected, once};
use self::failed::Failed;
use self::query::Query;
use self::route::Route;
use super::access::{Access, Denied};
use super::keyring::{AdminKey, Role};
use super::page::Page;
use crate::budgets::live::change::{Change, Done, Refusal, Request, Target};
use crate::budgets::live::limit::Live;
use crate::budgets::live::resets::Made;
use crate::budgets::live::table::Table;
use crate::clock::now;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::listen::session::HttpSession;

pub(super) use self::route::is_below;
pub(super) use self::wrong_keys::WrongKeys;

const WRITE: &str = "requires write:spend_limits";

/// Access to the API for one request.
pub(super) struct Api<'a> {
    pub(super) gateway: &'a Arc<Gateway>,
    pub(super) wrong_keys: &'a WrongKeys,
}

// === impl Api ===

impl Api<'_> {
    /// Returns the answer to a request.
    pub(super) async fn answer(&self, session: &mut HttpSession, config: &Config) -> Page {
        let id = format!("req_wg{:032x}", rand::random::<u128>());
        let mut page = match self.try_answer(session, config).await {
            Ok(page) => page,
            Err(failed) => failed.page(&id),
        };
        page.headers.push(("request-id", id));
        page
    }

    async fn try_answer(&self, session: &mut HttpSession, config: &Config) -> Result<Page, Failed> {
        let head = session.request();
        let admin = config.admin.as_ref();
        let hosts = admin.map_or(&[][..], |admin| &admin.hosts);
        match Access::of(&head.headers, hosts) {
            Ok(Access::Full) => {}
            Ok(Access::ProbesOnly) => {
                return Err(Failed::new(
                    421,
                    "unknown host name: use an IP address or localhost, or list the name in [admin] hosts",
                ));
            }
            Err(Denied::CrossSite | Denied::Method) => {
                return Err(Failed::new(
                    403,
                    "the request comes from a page of another site",
                ));
            }
        }
        let key = self.key(&head.headers)?;
        let path = head.path_only().to_owned();
        let route = Route::of(&path)?;
        let query = head.query().unwrap_or_default().to_owned();
        let method = match &head.method {
            &Method::HEAD => Method::GET,
            method => method.clone(),
        };
        if method != Method::GET && key.role != Role::Write {
            return Err(Failed::new(403, WRITE));
        }
        match (method, route) {
            (Method::GET, route) => self.read(&route, &query).await,
            (Method::DELETE, Route::Limit(id)) => {
                let change = (Target::Id(id.to_owned()), Change::Delete);
                self.change(session, key.id, change, None, None).await
            }
            (Method::DELETE, Route::Override(id)) => {
                let change = (Target::Id(id.to_owned()), Change::EndOverride);
                self.change(session, key.id, change, None, None).await
            }
            (Method::POST, route) => {
                let (kind, target) = match route {
                    Route::List => (Kind::Set, None),
                    Route::Act(kind) => (kind, None),
                    Route::Limit(id) => {
                        let table = self.gateway.budgets.live.table();
                        let unit = find(&table, id)?.key.unit;
                        (Kind::Update(unit), Some(id.to_owned()))
                    }
                    Route::Effective | Route::Audit | Route::Override(_) => {
                        return Err(Failed::method("GET, HEAD"));
                    }
                };
                let body = body(session).await?;
                let Asked {
                    key: on,
                    change,
                    reason,
                } = Asked::read(kind, &body, now())
                    .map_err(|problems| Failed::new(400, problems))?;
                let target = match (target, on) {
                    (Some(id), _) => Target::Id(id),
                    (None, Some(on)) => Target::Key(on),
                    (None, None) => return Err(Failed::new(400, "scope: Required")),
                };
                let digest = Sha256::new()
                    .chain_update(path.as_bytes())
                    .chain_update([0])
                    .chain_update(&body)
                    .finalize();
                let digest = Some(hex::encode(digest));
                let change = (target, change);
                self.change(session, key.id, change, reason, digest).await
            }
            (_, Route::List) => Err(Failed::method("GET, HEAD, POST")),
            (_, Route::Limit(_)) => Err(Failed::method("GET, HEAD, POST, DELETE")),
            (_, Route::Override(_)) => Err(Failed::method("DELETE")),
            (_, Route::Act(_)) => Err(Failed::method("POST")),
            (_, Route::Effective | Route::Audit) => Err(Failed::method("GET, HEAD")),
        }
    }

    /// Returns the key of a request.
    fn key(&self, headers: &Headers) -> Result<AdminKey, Failed> {
        let snapshot = self.gateway.snapshot();
        let Some(keys) = &snapshot.admin_keys else {
            return Err(Failed::new(
                404,
                "limits can't be read or changed here, because this gateway has no keys for operators: make one with `witgate key new --role write`, and name its file in [admin] keys",
            ));
        };
        let bearer = || {
            let value = headers.get("authorization")?;
            value.as_bytes().strip_prefix(b"Bearer ")
        };
        let given = headers.get("x-api-key").map(|value| value.as_bytes());
        let known = given
            .or_else(bearer)
            .and_then(|secret| keys.find(secret, now()));
        match known {
            Some(key) => Ok(key.clone()),
            None if self.wrong_keys.count(now().0 / 60_000) => {
                tracing::warn!("a request for limits on the admin listener had no valid key");
                Err(Failed::new(401, "missing or invalid admin credentials"))
            }
            None => Err(Failed {
                headers: vec![("retry-after", "60".into())],
                ..Failed::new(
                    429,
                    "many requests came without valid admin credentials: wait a minute",
                )
            }),
        }
    }

    async fn read(&self, route: &Route<'_>, query: &str) -> Result<Page, Failed> {
        let wrong = |problems: String| Failed::new(400, problems);
        let live = &self.gateway.budgets.live;
        let durable = live.is_durable();
        match route {
            Route::List => {
                let mut query = Query::read(query).map_err(wrong)?;
                let asked = query.list();
                query.done().map_err(wrong)?;
                let page = shown::list(&live.table(), &asked, now(), durable);
                Ok(Page::json(200, &page))
            }
            Route::Effective => {
                let mut query = Query::read(query).map_err(wrong)?;
                let asked = query.effective();
                query.done().map_err(wrong)?;
                let page = effective::page(&self.gateway.ledger, live, &asked, now());
                Ok(Page::json(200, &page))
            }
            Route::Audit => {
                let mut query = Query::read(query).map_err(wrong)?;
                let asked = query.audit();
                query.done().map_err(wrong)?;
                let answer = live
                    .audit(asked)
                    .await
                    .map_err(|error| Failed::unwritten(&error))?;
                Ok(Page::json(200, &shown::audit(&answer, durable)))
            }
            Route::Limit(id) => {
                let table = live.table();
                let limit = find(&table, id)?;
                let version = limit.version;
                let page = shown::limit(limit, now(), durable);
                Ok(with_version(Page::json(200, &page), version))
            }
            Route::Override(_) => Err(Failed::method("DELETE")),
            Route::Act(_) => Err(Failed::method("POST")),
        }
    }

    async fn change(
        &self,
        session: &HttpSession,
        actor: String,
        (target, change): (Target, Change),
        reason: Option<String>,
        digest: Option<String>,
    ) -> Result<Page, Failed> {
        let headers = &session.request().headers;
        let request = Request {
            actor: format!("admin-key:{actor}"),
            reason,
            target,
            change,
            expected: expected(headers)?,
            once: digest
                .map(|digest| once(headers, digest))
                .transpose()?
                .flatten(),
        };
        let action = change.name();
        let ledger = &self.gateway.ledger;
        let live = &self.gateway.budgets.live;
        let (done, made) = live
            .change(ledger, request, now())
            .await
            .map_err(|error| Failed::unwritten(&error))?
            .map_err(|refusal| Failed::of(&refusal))?;
        let Done {
            seen, is_repeated, ..
        } = done;
        let taken_off = made.as_ref().map(Made::used);
        if let Some(made) = made {
            self.note_reset(made).await;
        }
        if !is_repeated {
            tracing::info!(
                action,
                actor,
                account = seen.account,
                "a live limit was changed"
            );
        }
        let durable = live.is_durable();
        let page = match change {
            Change::Delete => json!({"type": "spend_limit_deleted", "id": seen.id}),
            Change::Reset => shown::reset(&seen, taken_off, durable),
            Change::Set(_) | Change::TopUp(_) | Change::Override(..) | Change::EndOverride => {
                shown::seen(&seen, durable)
            }
        };
        let mut page = with_version(Page::json(200, &page), seen.version);
        if is_repeated {
            page.headers.push(("idempotent-replayed", "true".into()));
        }
        Ok(page)
    }

    /// Notes a reset once the journal has it. Until then the next start makes it, if the gateway is killed.
    async fn note_reset(&self, made: Made) {
        let noted = match self.gateway.journal.written(made.position()).await {
            Ok(()) => self.gateway.budgets.live.note_reset(made).await,
            Err(failing) => {
                tracing::warn!(%failing, "a reset is not in the ledger's journal yet, which can't be written now");
                return;
            }
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "a reset was made and can't be noted now; the next start does");
        }
    }
}

/// Returns the limit with an id.
fn find<'a>(table: &'a Table, id: &str) -> Result<&'a Live, Failed> {
    let found = table.all().iter().find(|live| *live.id == *id);
    let missing = || Failed::of(&Refusal::NotFound);
    found.map(AsRef::as_ref).ok_or_else(missing)
}

fn with_version(mut page: Page, version: i64) -> Page {
    page.headers.push(("etag", format!("\"{version}\"")));
    page
}
