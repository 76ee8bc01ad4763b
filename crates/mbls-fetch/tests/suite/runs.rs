//! Several runs: sequential, concurrent, offline, and with files that the user provided.

use crate::archives::{gz, put};
use crate::sandbox::{Run, Sandbox, noise, tree};
use crate::server::{Reply, Server};
use crate::{sha256, source};
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn existing_data_is_left_unchanged() {
    let body = noise(1000, 1);
    let server = Server::of(&body);
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    let text = sandbox.fetch();
    assert!(text.contains("some terms") && text.contains("Some set"), "{text}");
    let start = Instant::now();
    let text = sandbox.fetch();
    // Usually about 10 ms on an idle machine.
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(text.contains("already exists") && !text.contains("some terms"), "{text}");
    assert_eq!(server.requests().len(), 1);
    // Another address for the same bytes changes nothing, another checksum does.
    sandbox.manifest("", &source("http://other.invalid/f", &body));
    sandbox.fetch();
    let other = noise(1000, 2);
    let server = Server::of(&other);
    sandbox.manifest("", &source(&server.url("f"), &other));
    let text = sandbox.fetch();
    assert!(text.contains("created from another list"), "{text}");
    assert_eq!(sandbox.content(), other);
    assert!(!sandbox.own("old").exists());
}

#[test]
fn failures_keep_the_old_content() {
    let (body, other) = (noise(1000, 3), noise(1000, 4));
    let server = Server::of(&body);
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    sandbox.fetch();
    sandbox.manifest("", &source(&server.url("f"), &other));
    assert!(!sandbox.run(&[]).is_right);
    assert_eq!(sandbox.content(), body);
}

#[test]
fn layouts_are_checked() {
    let archive = {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, size) in [("a.jpg", 10), ("b.jpg", 20), ("d/c.jpg", 30)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(size);
            builder.append_data(&mut header, name, &noise(30, 5)[..size as usize]).unwrap();
        }
        builder.into_inner().unwrap()
    };
    let run = |rule: &str| put(&format!("layout = [{{ {rule} }}]"), "kind = 'tar'", &archive);
    assert!(run("files = '*.jpg', count = 2").run(&["--offline"]).is_right);
    assert!(run("files = '**/*.jpg', count = 3").run(&["--offline"]).is_right);
    run("files = '*.jpg', count = 3")
        .refused(&["--offline"], "number of files *.jpg: expected 3, found 2");
    // A target that is a file has an empty relative path.
    let file = |rule: &str| put(&format!("layout = [{{ {rule} }}]"), "kind = 'file'", b"abc");
    let sandbox = file("files = '', count = 1, bytes = 3");
    assert!(sandbox.run(&["--offline"]).is_right && sandbox.run(&["--verify"]).is_right);
    file("files = '', count = 1, bytes = 4").refused(&["--offline"], "expected 4 bytes, found 3");
    run("files = 'd/*', count = 1, bytes = 31")
        .refused(&["--offline"], "d/c.jpg: expected 31 bytes, found 30");
}

#[test]
fn nothing_is_fetched_offline() {
    let body = noise(1000, 6);
    let server = Server::of(&body);
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    sandbox.refused(&["--offline"], "found no such file");
    fs::write(sandbox.own("f"), &body[1..]).unwrap();
    sandbox.refused(&["--offline"], "expected 1000 bytes, found 999");
    fs::write(sandbox.own("f"), &body).unwrap();
    assert!(sandbox.run(&["--offline", "--keep"]).is_right);
    assert!(sandbox.own("f").exists() && server.requests().is_empty());
    // A damaged download is downloaded again if the network is available.
    fs::remove_file(sandbox.data("target")).unwrap();
    fs::remove_file(sandbox.own("f")).unwrap();
    fs::write(sandbox.own("f"), &body[1..]).unwrap();
    let text = sandbox.fetch();
    assert!(text.contains("downloading it again"), "{text}");
    assert_eq!(sandbox.content(), body);
}

#[test]
fn two_runs_share_the_work() {
    let body = noise(20_000, 7);
    let content = body.clone();
    let server = Server::start(move |_, request| {
        let reply = Reply::file(request, &content, "\"one\"");
        Reply { drip: Some((2000, Duration::from_millis(20))), ..reply }
    });
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| sandbox.run(&[]))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(runs.iter().all(|run| run.is_right), "{runs:?}");
    assert_eq!(
        runs.iter().filter(|run| run.text.contains("already exists")).count(),
        3,
        "{runs:?}"
    );
    assert!(runs.iter().any(|run| run.text.contains("another run is working on it")), "{runs:?}");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(sandbox.content(), body);
}

#[test]
fn foreign_files_are_kept() {
    let server = Server::start(|_, _| Reply::status(500));
    let files = format!("urls = ['{}']\nkind = 'tar.gz'", server.url("f"));
    let sandbox = Sandbox::of("layout = [{ files = '*.txt', count = 1 }]", &files);
    fs::create_dir_all(sandbox.data("target")).unwrap();
    fs::write(sandbox.data("target/a.txt"), b"mine").unwrap();
    let text = sandbox.fetch();
    assert!(text.contains("was not created by fetch-data"), "{text}");
    fs::write(sandbox.data("target/b.txt"), b"mine").unwrap();
    let run = sandbox.run(&[]);
    assert!(!run.is_right && run.text.contains("does not modify it"), "{}", run.text);
    assert!(run.text.contains("number of files *.txt: expected 1, found 2"), "{}", run.text);
    assert_eq!(tree(&sandbox.data("target")).len(), 2);
    assert!(server.requests().is_empty());
}

#[test]
fn verify_reads_everything_again() {
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["a", "d/b"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(1000);
        builder.append_data(&mut header, name, &noise(1000, 8)[..]).unwrap();
    }
    let archive = gz(&builder.into_inner().unwrap());
    let sandbox = put("", "kind = 'tar.gz'", &archive);
    sandbox.refused(&["--verify"], "not found");
    assert!(sandbox.run(&["--offline", "--keep"]).is_right);
    let verified = |expected: &str| {
        let run = sandbox.run(&["--verify"]);
        assert!(run.text.contains(expected), "expected {expected}, found {}", run.text);
        run.is_right
    };
    assert!(verified("set: verified"));
    let sums = fs::read_to_string(sandbox.own("files.sha256")).unwrap();
    assert_eq!(sums, format!("{0}  target/a\n{0}  target/d/b\n", sha256(&noise(1000, 8))));
    // One flipped bit, which sizes and layout do not detect.
    let file = sandbox.data("target/d/b");
    let mut content = fs::read(&file).unwrap();
    content[500] ^= 1;
    fs::write(&file, &content).unwrap();
    assert!(!verified("target/d/b: SHA-256 sum: expected"));
    content[500] ^= 1;
    fs::write(&file, &content).unwrap();
    fs::write(sandbox.data("target/d/c"), b"").unwrap();
    assert!(!verified("target/d/c: expected no such file"));
    fs::remove_file(sandbox.data("target/d/c")).unwrap();
    fs::remove_file(&file).unwrap();
    assert!(!verified("target/d/b: expected a file, found none"));
    // As the message says, the data set is restored after removing it.
    fs::remove_dir_all(sandbox.data("target")).unwrap();
    assert!(sandbox.run(&["--offline"]).is_right);
    assert!(verified("set: verified"));
}

#[test]
fn lists_show_states_and_terms() {
    let body = noise(1000, 9);
    let server = Server::of(&body);
    let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
    let text = sandbox.run(&["--list"]).text;
    assert!(
        ["some terms", "not found", "1.00 kB"].iter().all(|word| text.contains(word)),
        "{text}"
    );
    assert!(!sandbox.path("data").exists(), "a list writes nothing");
    sandbox.fetch();
    let text = sandbox.run(&["--list"]).text;
    assert!(text.contains("present, 1 files"), "{text}");
}

#[test]
fn wrong_arguments_are_reported() {
    let sandbox = Sandbox::of("", &source("http://host.invalid/f", b"1"));
    for (arguments, expected) in [
        (&["unknown"][..], "there is no data set \"unknown\"; expected all, set"),
        (&["--list", "--verify"], "cannot be used with"),
        (&["--timeout", "0"], "expected 0.001 to 86400"),
        (&["--attempts", "0"], "--attempts"),
        (&["--such"], "--such"),
    ] {
        let run = sandbox.run(arguments);
        assert!(!run.is_right && run.text.contains(expected), "{}", run.text);
    }
    fs::write(sandbox.path("manifest.toml"), "[set]\ntitle = 1").unwrap();
    assert!(sandbox.run(&[]).text.contains("manifest.toml"));
}
