//! The HTTP client, which requests a file or the rest of one.

use crate::part::Origin;
use anyhow::anyhow;
use std::time::Duration;
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

/// Sends requests, through a proxy if one is configured and does not exclude the host.
#[derive(Debug)]
pub(crate) struct Client {
    secure: Agent,
    open: Agent,
    may_downgrade: bool,
}

/// The reason for a missing or incomplete answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A retry may help, after the given time if the server specified one.
    Passing(anyhow::Error, Option<Duration>),
    /// A retry would not help.
    Lasting(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Lasting(error)
    }
}

/// The answer of a server.
pub(crate) struct Answer {
    /// The offset of the body within the file.
    pub(crate) begin: u64,
    pub(crate) origin: Origin,
    /// The bytes from `begin` to the end of the file.
    pub(crate) body: Body,
}

impl Client {
    /// Creates a client with the given timeout for connecting, for the response and for each read
    /// of the body. A redirect from https to http is an error unless it `may_downgrade`.
    pub(crate) fn new(timeout: Duration, may_downgrade: bool, proxy: Option<Proxy>) -> Self {
        // Fails if another client has already installed it, which is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let agent = |https_only| {
            let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
            Agent::new_with_config(
                Agent::config_builder()
                    .https_only(https_only)
                    .http_status_as_error(false)
                    .tls_config(tls)
                    .proxy(proxy.clone())
                    .timeout_connect(Some(timeout))
                    .timeout_resolve(Some(timeout))
                    .timeout_recv_response(Some(timeout))
                    .timeout_per_read(Some(timeout))
                    .timeout_per_write(Some(timeout))
                    .user_agent(concat!("mbls-fetch-data/", env!("CARGO_PKG_VERSION")))
                    .build(),
            )
        };
        Self { secure: agent(true), open: agent(false), may_downgrade }
    }

    /// Requests the file, or the bytes after the first `have` ones if the file is still the same
    /// version.
    ///
    /// # Errors
    ///
    /// If there is no such file or server, or the answer is malformed.
    pub(crate) fn get(&self, url: &str, have: Option<(u64, &Origin)>) -> Result<Answer, Failure> {
        let agent = if url.starts_with("https://") && !self.may_downgrade {
            &self.secure
        } else {
            &self.open
        };
        let mut request = agent.get(url).header(header::ACCEPT_ENCODING, "identity");
        let have = have.and_then(|(bytes, origin)| Some((bytes, origin, origin.validator()?)));
        if let Some((bytes, _, validator)) = have {
            request = request
                .header(header::RANGE, format!("bytes={bytes}-"))
                .header(header::IF_RANGE, validator);
        }
        let response = request.call().map_err(failure)?;
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let origin = |size| Origin {
            url: url.to_owned(),
            size,
            // A weak tag marks versions as equivalent, not as identical.
            etag: text(header::ETAG).filter(|etag| !etag.starts_with("W/")).map(str::to_owned),
            last_modified: text(header::LAST_MODIFIED).map(str::to_owned),
        };
        match (response.status(), have) {
            (StatusCode::OK, _) => {
                let size = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
                Ok(Answer { begin: 0, origin: origin(size), body: response.into_body() })
            }
            (StatusCode::PARTIAL_CONTENT, Some((bytes, before, _))) => {
                let range = text(header::CONTENT_RANGE).and_then(range);
                let origin = origin(range.and_then(|(_, size)| size));
                match range {
                    Some((begin, _)) if begin == bytes && is_same(before, &origin) => {
                        Ok(Answer { begin, origin: before.clone(), body: response.into_body() })
                    }
                    // The range is not the requested one: request the whole file.
                    _ => self.get(url, None),
                }
            }
            // The file has become shorter: request the whole file.
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => self.get(url, None),
            (status, _) => Err(status_failure(status, &response)),
        }
    }
}

/// Returns whether a later answer is about the same version.
fn is_same(before: &Origin, now: &Origin) -> bool {
    let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
    let sizes_differ = before.size.is_some() && now.size.is_some() && before.size != now.size;
    !differ(&before.etag, &now.etag)
        && !differ(&before.last_modified, &now.last_modified)
        && !sizes_differ
}

/// Parses `bytes 5-9/10` into the start of the range and the size of the file.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (begin, _) = range.split_once('-')?;
    Some((begin.trim().parse().ok()?, size.trim().parse().ok()))
}

fn status_failure(status: StatusCode, response: &Response<Body>) -> Failure {
    let error = anyhow!("the server responded with {status}");
    match status.as_u16() {
        408 | 425 | 429 | 500..=599 => {
            let wait =
                response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            Failure::Passing(
                error,
                wait.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
            )
        }
        _ => Failure::Lasting(error),
    }
}

fn failure(error: ureq::Error) -> Failure {
    use ureq::Error;
    match error {
        Error::RequireHttpsOnly(url) => Failure::Lasting(anyhow!(
            "redirected from https to {url}, which is not protected against modification in transit; --allow-downgrade permits it"
        )),
        error @ (Error::Io(_)
        | Error::Timeout(_)
        | Error::HostNotFound
        | Error::ConnectionFailed
        | Error::Protocol(_)) => Failure::Passing(error.into(), None),
        error => Failure::Lasting(error.into()),
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("begin", &self.begin)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(range("bytes */10"), None);
        assert_eq!(range("5-9/10"), None);
    }

    // Test only the rule, because there is no certificate for the loopback interface.
    #[test]
    fn https_stays_https() {
        let client = Client::new(Duration::from_secs(1), false, None);
        let error = client.secure.get("http://127.0.0.1:1/").call().unwrap_err();
        let Failure::Lasting(error) = failure(error) else { panic!("another try would not help") };
        assert!(error.to_string().contains("--allow-downgrade"), "{error}");
    }
}
