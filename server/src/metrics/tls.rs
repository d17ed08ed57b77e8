//! Metrics of certificates.

use super::exposition::Exposition;
use crate::Settings;

pub(super) fn certificates(page: &mut Exposition, settings: &Settings) {
    #[cfg(feature = "tls")]
    let status = settings.tls.as_ref().map(|tls| tls.certificates().status());
    #[cfg(feature = "tls")]
    let (expires, reloads, failures) = status.map_or((0, 0, 0), |status| {
        (
            status.expires.max(0) as u64,
            status.reloads,
            status.failures,
        )
    });
    #[cfg(not(feature = "tls"))]
    let (expires, reloads, failures) = {
        let _ = settings;
        (0, 0, 0)
    };
    let help = "Time at which the first certificate expires, in seconds since the Unix epoch; 0 without TLS.";
    page.gauge("stentor_tls_certificate_expires_seconds", help, expires);
    let help = "Changes of the files of certificates, by whether they could be used.";
    let results = [("used", reloads), ("refused", failures)];
    page.counters("stentor_tls_reloads_total", help, "result", results);
}
