//! Misbehaving servers: the result is either the correct bytes or an error.

use crate::sandbox::{Sandbox, noise};
use crate::server::{Reply, Request, Server};
use crate::{sha256, source};
use std::time::{Duration, Instant};

const BYTES: usize = 100_000;

/// The offsets at which connections break, in the head and in the body.
fn cuts(head: usize) -> Vec<usize> {
    let in_body = [0, 1, 2, BYTES / 2, BYTES - 1].map(|bytes| head + bytes);
    [&[0, 1, 12, head / 2, head - 1][..], &in_body].concat()
}

#[test]
fn broken_connections_are_resumed() {
    let body = noise(BYTES, 1);
    let head =
        Reply::whole(&body).header("ETag", "\"one\"").header("Accept-Ranges", "bytes").head().len();
    for cut in cuts(head) {
        let content = body.clone();
        let server = Server::start(move |number, request| {
            let reply = Reply::file(request, &content, "\"one\"");
            if number == 0 { Reply { cut: Some(cut), ..reply } } else { reply }
        });
        let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
        sandbox.fetch();
        assert_eq!(sandbox.content(), body, "cut at {cut}");
        let requests = server.requests();
        assert_eq!(requests.len(), 2, "cut at {cut}");
        // Received bytes are not requested again.
        let expected = cut.checked_sub(head).filter(|&bytes| bytes > 0);
        assert_eq!(requests[1].range(), expected, "cut at {cut}");
        assert_eq!(
            requests[1].headers.get("if-range").map(String::as_str),
            expected.map(|_| "\"one\"")
        );
    }
}

#[test]
fn broken_connections_without_ranges_restart() {
    let body = noise(BYTES, 2);
    let head = Reply::whole(&body).head().len();
    for cut in cuts(head) {
        let content = body.clone();
        let server = Server::start(move |number, _| {
            let reply = Reply::whole(&content);
            if number == 0 { Reply { cut: Some(cut), ..reply } } else { reply }
        });
        let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
        sandbox.fetch();
        assert_eq!(sandbox.content(), body, "cut at {cut}");
    }
}

#[test]
fn endlessly_broken_connections_are_an_error() {
    let body = noise(BYTES, 3);
    let head = Reply::whole(&body).head().len();
    for cut in cuts(head) {
        let content = body.clone();
        let server = Server::start(move |_, _| Reply { cut: Some(cut), ..Reply::whole(&content) });
        let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
        sandbox.refused(&["--attempts", "3"], "abandoned after 3 tries");
        assert_eq!(server.requests().len(), 3);
    }
}

#[test]
fn every_run_resumes_where_the_last_one_stopped() {
    let body = noise(BYTES, 4);
    let content = body.clone();
    let server = Server::start(move |_, request| {
        Reply::file(request, &content, "\"one\"").cut_body(BYTES / 4)
    });
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    for _ in 0..3 {
        sandbox.refused(&["--attempts", "1"], "interrupted after");
    }
    sandbox.fetch();
    assert_eq!(sandbox.content(), body);
    let ranges: Vec<_> = server.requests().iter().map(Request::range).collect();
    assert_eq!(ranges, [None, Some(25_000), Some(50_000), Some(75_000)]);
}

#[test]
fn sizes_are_compared_with_the_list() {
    let body = noise(BYTES, 5);
    let longer = [&body[..], b"more"].concat();
    for content in [&longer[..], &body[..BYTES - 1]] {
        let server = Server::of(content);
        let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
        let text = sandbox.refused(&[], &format!("{} bytes, expected {BYTES}", content.len()));
        assert!(text.contains("set: f"), "{text}");
        assert_eq!(server.requests().len(), 1, "a retry does not help");
    }
    // Without a length, the end of the connection is the end of the file.
    let content = longer.clone();
    let server = Server::start(move |_, _| Reply { headers: Vec::new(), ..Reply::whole(&content) });
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    sandbox.refused(&[], &format!("more than {BYTES} bytes"));
    assert!(!sandbox.own("f.part").exists());
}

#[test]
fn an_early_end_is_an_error() {
    let body = noise(BYTES, 6);
    // The server promises the whole length, but closes the connection cleanly before the end.
    let content = body.clone();
    let server = Server::start(move |_, request| {
        Reply::file(request, &content, "\"one\"").cut_body(BYTES / 2)
    });
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    sandbox.fetch();
    assert_eq!(sandbox.content(), body);
    // The server promises no length, but the list states it.
    let content = body[..BYTES / 2].to_vec();
    let server = Server::start(move |_, _| Reply { headers: Vec::new(), ..Reply::whole(&content) });
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    sandbox.refused(&["--attempts", "2"], "the server stopped after 50000 of 100000 bytes");
}

#[test]
fn wrong_checksums_are_rejected() {
    let (body, other) = (noise(BYTES, 7), noise(BYTES, 8));
    let server = Server::of(&other);
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    let text = sandbox.refused(&[], &sha256(&body));
    assert!(text.contains(&sha256(&other)), "{text}");
    assert_eq!(server.requests().len(), 1);
    assert!(!sandbox.own("f.part").exists() && !sandbox.own("f").exists(), "wrong bytes are kept");
    let md5 = format!(
        "urls = ['{}']\nkind = 'file'\nmd5 = '900150983cd24fb0d6963f7d28e17f72'",
        server.url("f")
    );
    sandbox.manifest("", &md5);
    sandbox.refused(&[], "MD5 sum: expected 900150983cd24fb0d6963f7d28e17f72");
    sandbox.manifest(
        "",
        &format!("urls = ['{}']\nkind = 'file'\nsha256-prefix = '0123abcd'", server.url("f")),
    );
    sandbox.refused(&[], "SHA-256 sum: expected 0123abcd...");
    let right = &sha256(&other)[..8];
    sandbox.manifest(
        "",
        &format!("urls = ['{}']\nkind = 'file'\nsha256-prefix = '{right}'", server.url("f")),
    );
    sandbox.fetch();
    assert_eq!(sandbox.content(), other);
}

#[test]
fn other_mirrors_are_tried() {
    let body = noise(BYTES, 9);
    let wrong = Server::of(&noise(BYTES, 10));
    let missing = Server::start(|_, _| Reply::status(404));
    let right = Server::of(&body);
    let urls = [wrong.url("f"), missing.url("f"), right.url("f")];
    let sandbox = Sandbox::of("", &source(&urls.join("', '"), &body));
    let text = sandbox.fetch();
    assert_eq!(sandbox.content(), body);
    assert!(text.contains("SHA-256 sum: expected") && text.contains("404"), "{text}");
    assert_eq!([wrong.requests().len(), missing.requests().len(), right.requests().len()], [1; 3]);
}

#[test]
fn part_of_one_mirror_is_not_continued_at_another() {
    let body = noise(BYTES, 11);
    let content = body.clone();
    let broken =
        Server::start(move |_, request| Reply::file(request, &content, "\"one\"").cut_body(10));
    let content = body.clone();
    let right = Server::start(move |_, request| Reply::file(request, &content, "\"one\""));
    let sandbox = Sandbox::of("", &source(&[broken.url("f"), right.url("f")].join("', '"), &body));
    let run = sandbox.run(&["--attempts", "1"]);
    assert!(run.is_right, "{}", run.text);
    assert_eq!(sandbox.content(), body);
    assert_eq!(right.requests()[0].range(), None);
}

#[test]
fn statuses_decide_whether_to_try_again() {
    let body = noise(BYTES, 12);
    for (status, tries) in [(404, 1), (403, 1), (410, 1), (500, 3), (503, 3), (429, 3), (408, 3)] {
        let server = Server::start(move |_, _| Reply::status(status));
        let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
        sandbox.refused(&["--attempts", "3"], &format!("the server responded with {status}"));
        assert_eq!(server.requests().len(), tries, "{status}");
        let content = body.clone();
        let server = Server::start(move |number, request| match number {
            0 => Reply::status(status),
            _ => Reply::file(request, &content, "\"one\""),
        });
        let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
        assert_eq!(sandbox.run(&[]).is_right, tries > 1, "{status}");
    }
}

#[test]
fn the_retry_after_header_is_respected() {
    let body = noise(BYTES, 13);
    let content = body.clone();
    let server = Server::start(move |number, request| match number {
        0 => Reply::status(503).header("Retry-After", 1),
        _ => Reply::file(request, &content, "\"one\""),
    });
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    let start = Instant::now();
    sandbox.fetch();
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn silent_servers_time_out() {
    let body = noise(BYTES, 14);
    let head = Reply::file(&request(), &body, "\"one\"").head().len();
    // Silence within the head, before the body, and within it.
    for stall in [0, head / 2, head, head + BYTES / 2] {
        let content = body.clone();
        let server = Server::start(move |number, request| {
            let reply = Reply::file(request, &content, "\"one\"");
            if number == 0 { Reply { stall: Some(stall), ..reply } } else { reply }
        });
        let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
        let run = sandbox.run(&["--timeout", "0.4"]);
        assert!(run.is_right, "stalled at {stall}: {}", run.text);
        assert!(run.text.contains("timeout"), "{}", run.text);
        assert_eq!(sandbox.content(), body);
    }
    let server = Server::start(|_, _| Reply { stall: Some(0), ..Reply::status(200) });
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    let start = Instant::now();
    sandbox.refused(&["--timeout", "0.4", "--attempts", "2"], "timeout");
    assert!(start.elapsed() < Duration::from_secs(10));
}

fn request() -> Request {
    Request { method: "GET".into(), path: "/f".into(), headers: Default::default() }
}

#[test]
fn slow_servers_do_not_time_out() {
    let body = noise(BYTES, 15);
    let content = body.clone();
    let server = Server::start(move |_, request| {
        let reply = Reply::file(request, &content, "\"one\"");
        Reply { drip: Some((BYTES / 8, Duration::from_millis(200))), ..reply }
    });
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    // Each read is in time, although the whole download takes longer.
    let run = sandbox.run(&["--timeout", "1", "--attempts", "1"]);
    assert!(run.is_right, "{}", run.text);
    assert_eq!(sandbox.content(), body);
}

#[test]
fn hosts_are_asked_for_one_file_at_a_time() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, peak) = (now, most.clone());
    let server = Server::start(move |_, request| {
        peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        count.fetch_sub(1, Ordering::SeqCst);
        Reply::whole(request.path.as_bytes())
    });
    let files: Vec<String> = (0..4)
        .map(|i| {
            format!("urls = ['{}']\nkind = 'file'\nname = '{i}'", server.url(&format!("file{i}")))
        })
        .collect();
    let sandbox =
        Sandbox::of("layout = [{ files = '*', count = 4 }]", &files.join("\n[[set.files]]\n"));
    sandbox.fetch();
    assert_eq!(most.load(Ordering::SeqCst), 1);
    assert_eq!(std::fs::read(sandbox.data("target/3")).unwrap(), b"/file3");
}

#[test]
fn proxies_of_the_environment_are_used() {
    let body = noise(BYTES, 16);
    let server = Server::of(&body);
    let proxy = Server::start(|_, _| Reply::status(403));
    let sandbox = Sandbox::of("", &source("http://example.invalid/f", &body));
    let mut command = sandbox.command(&["--attempts", "1"]);
    command.env("HTTP_PROXY", proxy.url(""));
    assert!(!crate::sandbox::Run::of(command).is_right);
    assert_eq!(proxy.requests()[0].method, "CONNECT");
    assert_eq!(proxy.requests()[0].path, "example.invalid:80");
    // Hosts in NO_PROXY are excluded.
    sandbox.manifest("", &source(&server.url("f"), &body));
    let mut command = sandbox.command(&[]);
    command.env("HTTP_PROXY", proxy.url("")).env("NO_PROXY", "127.0.0.1");
    assert!(crate::sandbox::Run::of(command).is_right);
    assert_eq!((proxy.requests().len(), server.requests().len()), (1, 1));
    // --no-proxy disables proxies.
    std::fs::remove_dir_all(sandbox.path("data")).unwrap();
    let mut command = sandbox.command(&["--no-proxy"]);
    command.env("HTTP_PROXY", proxy.url(""));
    assert!(crate::sandbox::Run::of(command).is_right);
    assert_eq!((proxy.requests().len(), server.requests().len()), (1, 2));
}
