//! Redirects, and files that change during a download.

use crate::sandbox::{Sandbox, noise};
use crate::server::{Reply, Request, Server};
use crate::{sha256, source};

const BYTES: usize = 50_000;

fn redirect(to: &str) -> Reply {
    Reply::status(302).header("Location", to)
}

#[test]
fn redirects_are_followed() {
    let body = noise(BYTES, 1);
    let server = Server::of(&body);
    for to in ["/other", "other"] {
        let content = body.clone();
        let server = Server::start(move |_, request| match request.path.as_str() {
            "/f" => redirect(to),
            "/other" => Reply::file(request, &content, "\"one\""),
            _ => Reply::status(404),
        });
        let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
        sandbox.fetch();
        assert_eq!(sandbox.content(), body);
    }
    let to = server.url("other");
    let other = Server::start(move |_, _| redirect(&to));
    let sandbox = Sandbox::of("", &source(&other.url("f"), &body));
    sandbox.fetch();
    assert_eq!(sandbox.content(), body);
}

#[test]
fn downloads_are_resumed_after_redirects_too() {
    let body = noise(BYTES, 2);
    let content = body.clone();
    let server = Server::start(move |number, request| match (request.path.as_str(), number) {
        ("/f", _) => redirect("/other"),
        (_, 1) => Reply::file(request, &content, "\"one\"").cut_body(BYTES / 2),
        _ => Reply::file(request, &content, "\"one\""),
    });
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    sandbox.fetch();
    assert_eq!(sandbox.content(), body);
    assert_eq!(server.requests()[3].range(), Some(BYTES / 2));
}

#[test]
fn other_schemes_and_redirect_loops_are_rejected() {
    let body = noise(BYTES, 3);
    for to in ["ftp://127.0.0.1/f", "file:///etc/passwd", "/f", "http://"] {
        let server = Server::start(move |_, _| redirect(to));
        let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
        sandbox.refused(&["--attempts", "2"], &server.url("f"));
        assert!(server.requests().len() < 30);
    }
}

/// A source without a checksum: only the server's headers distinguish versions.
fn unknown(url: &str) -> String {
    format!("urls = ['{url}']\nkind = 'file'")
}

/// The first request receives half of one version; `later` answers the other requests.
fn changed(
    mark: (&'static str, &'static str),
    later: impl Fn(&Request, &[u8]) -> Reply + Send + Sync + 'static,
) {
    let (old, new) = (noise(BYTES, 4), noise(BYTES, 5));
    let content = new.clone();
    let server = Server::start(move |number, request| match number {
        0 => Reply::whole(&old).header(mark.0, mark.1).cut_body(BYTES / 2),
        _ => later(request, &content),
    });
    let sandbox = Sandbox::of("", &unknown(&server.url("f")));
    let run = sandbox.run(&[]);
    assert!(run.is_right, "{}", run.text);
    assert!(sandbox.content() == new, "bytes of two versions");
}

#[test]
fn downloads_of_changed_files_restart() {
    const ONE: (&str, &str) = ("ETag", "\"one\"");
    // A server that supports If-Range.
    changed(ONE, |request, new| Reply::file(request, new, "\"two\""));
    // A server that does not, but identifies the version it sends.
    let rest = |request: &Request, new: &[u8], name: &str, value: &str| match request.range() {
        Some(begin) => {
            let range = format!("bytes {begin}-{}/{}", new.len() - 1, new.len());
            Reply { status: 206, ..Reply::whole(&new[begin..]) }
                .header("Content-Range", range)
                .header(name, value)
        }
        None => Reply::whole(new).header(name, value),
    };
    changed(ONE, move |request, new| rest(request, new, "ETag", "\"two\""));
    let date = |second: u32| format!("Fri, 27 Nov 2026 10:00:0{second} GMT");
    changed(("Last-Modified", "Fri, 27 Nov 2026 10:00:00 GMT"), move |request, new| {
        rest(request, new, "Last-Modified", &date(1))
    });
    // A weak entity tag, and none at all: the client does not try to resume.
    changed(("ETag", "W/\"one\""), move |request, new| rest(request, new, "ETag", "W/\"one\""));
    changed(("Server", "x"), move |request, new| rest(request, new, "Server", "x"));
    // A range other than the requested one.
    changed(ONE, |request, new| match request.range() {
        Some(_) => {
            let range = format!("bytes 10-{}/{}", new.len() - 1, new.len());
            Reply { status: 206, ..Reply::whole(&new[10..]) }
                .header("Content-Range", range)
                .header("ETag", "\"one\"")
        }
        None => Reply::whole(new).header("ETag", "\"one\""),
    });
    // The file has become shorter than the received part.
    changed(ONE, |request, new| match request.range() {
        Some(_) => Reply::status(416).header("Content-Range", "bytes */3"),
        None => Reply::whole(new),
    });
}

#[test]
fn wrong_entity_tags_are_detected_by_the_checksum() {
    let (old, new) = (noise(BYTES, 6), noise(BYTES, 7));
    let content = new.clone();
    let server = Server::start(move |number, request| match number {
        0 => Reply::file(request, &old, "\"one\"").cut_body(BYTES / 2),
        _ => Reply::file(request, &content, "\"one\""),
    });
    let sandbox = Sandbox::of("", &source(&server.url("f"), &new));
    let text = sandbox.fetch();
    assert_eq!(sandbox.content(), new);
    assert!(text.contains("restarting from the first byte"), "{text}");
    let ranges: Vec<_> = server.requests().iter().map(Request::range).collect();
    assert_eq!(ranges, [None, Some(BYTES / 2), None]);
}

#[test]
fn content_encodings_are_ignored() {
    // Some servers declare an archive as a content encoding.
    let body = noise(BYTES, 8);
    let content = body.clone();
    let server = Server::start(move |_, request| {
        Reply::file(request, &content, "\"a\"").header("Content-Encoding", "x-gzip")
    });
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    sandbox.fetch();
    assert_eq!(sha256(&sandbox.content()), sha256(&body));
    assert_eq!(server.requests()[0].headers["accept-encoding"], "identity");
}
