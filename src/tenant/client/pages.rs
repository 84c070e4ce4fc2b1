//! Lists in pages: every link stays on its host, leads somewhere new, and there is an end.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::de::{Error as _, IgnoredAny};

use super::{Call, Client};
use crate::http::{Address, Answered as _};
use crate::rows;
use crate::tenant::TenantError;

/// One page. Its items are told apart by their extent and read one by one, so that one bad item does not spoil the
/// others.
#[derive(Debug, Default)]
struct Page<'a> {
    value: Vec<&'a [u8]>,
    next: Option<String>,
    /// How many there are on all pages, if it was asked.
    count: Option<u64>,
}

impl<'a> Page<'a> {
    fn read(body: &'a [u8]) -> serde_json::Result<Self> {
        let mut page = Self::default();
        let mut known = BTreeSet::new();
        for (key, value) in rows::members(body).ok_or_else(|| malformed(body))? {
            let key: String = serde_json::from_slice(key)?;
            match key.as_str() {
                "value" => page.value = rows::items(value).ok_or_else(|| malformed(value))?,
                "@odata.nextLink" => page.next = serde_json::from_slice(value)?,
                "@odata.count" => page.count = serde_json::from_slice(value)?,
                _other => continue,
            }
            if !known.insert(key) {
                return Err(serde_json::Error::custom("a member comes twice"));
            }
        }
        if known.contains("value") { Ok(page) } else { Err(serde_json::Error::missing_field("value")) }
    }
}

/// What is wrong with what is no page, or no list of items.
fn malformed(json: &[u8]) -> serde_json::Error {
    let wrong = serde_json::from_slice::<IgnoredAny>(json).err();
    wrong.unwrap_or_else(|| serde_json::Error::custom("it is not a list"))
}

/// What one page says of the list it is of.
pub(super) struct Turned {
    /// Whether it is not all of the list.
    pub(super) more: bool,
    /// When the service answered, by its own clock.
    pub(super) asked: Option<Timestamp>,
}

/// Whether the reader of a list wants more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    /// The next item.
    Wanted,
    /// Enough.
    Enough,
}

/// Whether a list was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Yes.
    Reached,
    /// The reader had enough, or the pages did.
    Cut,
}

impl Client {
    /// Hands every item of one page to `on_item`, in order. There is more if the page says where, and also if it
    /// only says that there are more items than it has: a link can get lost.
    pub(super) async fn one_page(
        &self,
        call: &Call<'_>,
        on_item: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Turned, TenantError> {
        let operation = call.asked.operation;
        let answer = self.send(call).await?;
        let page = Page::read(&answer.body).map_err(|source| TenantError::Shape { operation, source })?;
        if let Some(link) = &page.next {
            follow(operation, call.request.address(), link)?;
        }
        let items = u64::try_from(page.value.len()).unwrap_or(u64::MAX);
        page.value.into_iter().for_each(on_item);
        let more = page.next.is_some() || page.count.is_some_and(|count| items < count);
        Ok(Turned { more, asked: answer.answered_at() })
    }

    /// Hands every item of a list to `on_item`, in order.
    pub(super) async fn each_item(
        &self,
        mut call: Call<'_>,
        pages_max: usize,
        on_item: &mut (dyn FnMut(&[u8]) -> Result<More, TenantError> + Send),
    ) -> Result<End, TenantError> {
        let operation = call.asked.operation;
        let mut seen: BTreeSet<[u8; 32]> = BTreeSet::from([call.request.address().fingerprint()]);
        let mut read: u64 = 0;
        for _page in 0..pages_max {
            let answer = self.send(&call).await?;
            let page = Page::read(&answer.body).map_err(|source| TenantError::Shape { operation, source })?;
            read = read.saturating_add(u64::try_from(page.value.len()).unwrap_or(u64::MAX));
            let short = page.next.is_none() && page.count.is_some_and(|count| read < count);
            if short {
                return Err(TenantError::Paging { operation, reason: "it ends before all of it was there" });
            }
            let mut items = page.value.into_iter();
            for item in items.by_ref() {
                if on_item(item)? == More::Enough {
                    let rest = items.next().is_some() || page.next.is_some();
                    return Ok(if rest { End::Cut } else { End::Reached });
                }
            }
            let Some(link) = page.next else { return Ok(End::Reached) };
            let next = follow(operation, call.request.address(), &link)?;
            if !seen.insert(next.fingerprint()) {
                return Err(TenantError::Paging { operation, reason: "it goes in circles" });
            }
            call.request = call.request.to(next);
        }
        Ok(End::Cut)
    }
}

fn follow(operation: &'static str, from: &Address, link: &str) -> Result<Address, TenantError> {
    from.follow(link).map_err(|_refused| TenantError::Paging {
        operation,
        reason: "its next page is not on the same host",
    })
}
