//! Table of the pages that are answered without the application, by their paths. The table is empty
//! unless a server fills it; no path is known here.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use bytes::Bytes;

/// The pages of a server, by their paths.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pages(Vec<Page>);

/// A page at one path. GET and HEAD receive it with status 200, OPTIONS its methods; other methods
/// are refused.
///
/// A page whose fields cannot be sent becomes a 500
/// ([`AnswerError`](crate::proto::http::AnswerError)).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    path: Cow<'static, str>,
    fields: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    content: PageContent,
}

/// The name of a page that is rendered for each request, chosen by the server that declares it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PageId(pub u16);

/// The content of a page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PageContent {
    Fixed(Bytes),
    /// Rendered by the adapter for each request.
    Rendered(PageId),
    /// Whether the shard takes traffic.
    Readiness,
}

/// The place of a page in its table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageIndex(usize);

impl Page {
    /// Returns a page with this content.
    pub fn fixed(
        path: impl Into<Cow<'static, str>>,
        content_type: impl Into<Cow<'static, str>>,
        content: impl Into<Bytes>,
    ) -> Self {
        let content = PageContent::Fixed(content.into());
        Self::new(path.into(), content).field("Content-Type", content_type)
    }

    /// Returns a page that the adapter renders for each request
    /// ([`Output::Page`](crate::Output::Page)).
    pub fn rendered(path: impl Into<Cow<'static, str>>, id: PageId) -> Self {
        Self::new(path.into(), PageContent::Rendered(id))
    }

    /// Returns a page that says whether the server takes traffic: with status 503 while it is about to
    /// end or is short of memory, with status 200 otherwise.
    pub fn readiness(
        path: impl Into<Cow<'static, str>>,
        content_type: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(path.into(), PageContent::Readiness).field("Content-Type", content_type)
    }

    fn new(path: Cow<'static, str>, content: PageContent) -> Self {
        Self {
            path,
            fields: Vec::new(),
            content,
        }
    }

    /// Adds a field to its response.
    #[must_use]
    pub fn field(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Returns the path, without decoding.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the fields of its response.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let fields = self.fields.iter();
        fields.map(|(name, value)| (&**name, value.as_bytes()))
    }

    pub(crate) const fn content(&self) -> &PageContent {
        &self.content
    }
}

impl Pages {
    /// Returns a table without pages.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a page. It replaces one at the same path.
    pub fn insert(&mut self, page: Page) {
        match self.0.iter_mut().find(|other| other.path == page.path) {
            Some(other) => *other = page,
            None => self.0.push(page),
        }
    }

    /// Returns the page at this path. Paths are compared as they are.
    pub fn at(&self, path: &str) -> Option<&Page> {
        self.0.iter().find(|page| page.path == path)
    }

    /// Returns the pages that the adapter renders.
    pub fn rendered(&self) -> impl Iterator<Item = PageId> {
        self.0.iter().filter_map(|page| match page.content {
            PageContent::Rendered(id) => Some(id),
            PageContent::Fixed(_) | PageContent::Readiness => None,
        })
    }

    pub(crate) fn index_of(&self, path: &str) -> Option<PageIndex> {
        let index = self.0.iter().position(|page| page.path == path);
        index.map(PageIndex)
    }

    /// Returns the page at this place, which is one of this table.
    pub(crate) fn get(&self, index: PageIndex) -> Option<&Page> {
        self.0.get(index.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_page_that_was_added_last() {
        let mut pages = Pages::new();
        assert_eq!(pages.index_of("/a"), None);
        pages.insert(Page::fixed("/a", "text/plain", "one").field("X-A", "b"));
        pages.insert(Page::rendered("/b", PageId(7)));
        pages.insert(Page::rendered("/a", PageId(8)));
        let [a, b] = ["/a", "/b"].map(|path| pages.index_of(path).expect("added"));
        assert_ne!(a, b);
        for (index, path, id) in [(a, "/a", 8), (b, "/b", 7)] {
            let page = pages.get(index).expect("in the table");
            assert_eq!(page.path(), path);
            assert_eq!(page.content(), &PageContent::Rendered(PageId(id)));
            assert_eq!(page.fields().count(), 0);
            assert_eq!(pages.at(path), Some(page));
        }
        for other in ["", "/", "/a/", "/A", "a", "/a?"] {
            assert_eq!(pages.at(other), None, "{other:?}");
        }
    }

    #[test]
    fn the_fields_of_a_page_begin_with_its_media_type() {
        let page = Page::fixed("/", "text/html", "<p>").field("X-A", "b");
        let fields: Vec<_> = page.fields().collect();
        assert_eq!(fields, [("Content-Type", &b"text/html"[..]), ("X-A", b"b")]);
    }
}
