//! Paths of a server: of its pages, and of its WebSockets. They are declared here only; the core
//! knows none.

use stentor_core::config::{ConfigBuilder, Page, PageId};
use stentor_gateway::{INDEX_PAGE, INDEX_POLICY};

/// The metrics page, the only one that the adapter renders.
pub const METRICS: PageId = PageId(0);

/// The media type of text for people.
pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";

/// The fields of every page besides its media type: what it shows changes, and is what it says.
pub(crate) const FIELDS: [(&str, &str); 2] = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
];

/// Declares the pages of a server and the paths of its WebSockets.
pub(crate) fn declare(
    builder: ConfigBuilder,
    websocket_paths: &[&'static str],
    has_metrics: bool,
) -> ConfigBuilder {
    let paths = websocket_paths.iter();
    let builder = paths.fold(builder, |builder, path| builder.websocket_path(*path));
    let index = Page::fixed("/", "text/html; charset=utf-8", INDEX_PAGE)
        .field("Content-Security-Policy", INDEX_POLICY);
    let health = Page::fixed("/healthz", PLAIN, "ok\n");
    let metrics = has_metrics.then(|| Page::rendered("/metrics", METRICS));
    let ready = Page::readiness("/readyz", PLAIN);
    let pages = [index, health, ready].into_iter().chain(metrics);
    pages.fold(builder, |builder, page| builder.page(with_fields(page)))
}

fn with_fields(page: Page) -> Page {
    let add = |page: Page, (name, value)| page.field(name, value);
    FIELDS.into_iter().fold(page, add)
}
