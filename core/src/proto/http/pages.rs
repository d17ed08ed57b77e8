//! Pages of the server besides `/ws`. The application provides the index page, the adapter the text
//! of the metrics page.

/// The pages that a server may have besides `/healthz`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pages {
    /// The page at `/`; without one, `/` is 404.
    pub index: Option<&'static IndexPage>,
    /// Whether `/metrics` is served.
    pub metrics: bool,
}

/// A page besides `/ws`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Page {
    /// `/`: the page of the application.
    Index(&'static IndexPage),
    /// `/metrics`: the counters, rendered by the adapter.
    Metrics,
    /// `/healthz`: answers while the server answers requests.
    Health,
}

/// The page of an application at `/`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexPage {
    /// The document.
    pub html: &'static str,
    /// The `Content-Security-Policy` of the document.
    pub policy: &'static str,
}

impl Page {
    /// Returns the page at this path.
    pub(crate) fn at(path: &str, pages: Pages) -> Option<Self> {
        match path {
            "/" => pages.index.map(Self::Index),
            "/metrics" => pages.metrics.then_some(Self::Metrics),
            "/healthz" => Some(Self::Health),
            _ => None,
        }
    }

    /// Returns the content of the page.
    pub const fn content(self) -> PageContent {
        match self {
            Self::Index(page) => PageContent::Fixed {
                content_type: "text/html; charset=utf-8",
                policy: Some(page.policy),
                body: page.html,
            },
            Self::Metrics => PageContent::Metrics,
            Self::Health => PageContent::Fixed {
                content_type: "text/plain; charset=utf-8",
                policy: None,
                body: "ok\n",
            },
        }
    }
}

/// The content of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PageContent {
    /// A constant.
    Fixed {
        /// The media type.
        content_type: &'static str,
        /// The `Content-Security-Policy`.
        policy: Option<&'static str>,
        /// The text.
        body: &'static str,
    },
    /// The counters, rendered by the adapter.
    Metrics,
}
