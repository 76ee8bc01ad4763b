//! SIGKILL at any moment: nothing incorrect is in place, and the next run ends with the correct
//! bytes.

use crate::archives::gz;
use crate::sandbox::{Sandbox, noise, tree};
use crate::server::{Reply, Server};
use crate::source;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const FILES: usize = 40;
/// Number of kills, two in each data folder.
const TIMES: usize = 50;

fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for i in 0..FILES {
        let mut header = tar::Header::new_gnu();
        header.set_size(1000);
        builder
            .append_data(&mut header, format!("{}/{i}", i % 3), &noise(1000, i as u64)[..])
            .unwrap();
    }
    gz(&builder.into_inner().unwrap())
}

fn content() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> =
        (0..FILES).map(|i| (format!("{}/{i}", i % 3), noise(1000, i as u64))).collect();
    files.sort();
    files
}

/// Returns the phase in which the process was killed.
fn moment(sandbox: &Sandbox) -> usize {
    match () {
        () if sandbox.data("target").exists() => 3,
        () if sandbox.own("new").exists() || sandbox.own("f.tar.gz").exists() => 2,
        () if sandbox.own("f.tar.gz.part").exists() => 1,
        () => 0,
    }
}

fn wait_for(child: &mut Child, path: &std::path::Path) {
    let start = Instant::now();
    while !path.exists()
        && child.try_wait().unwrap().is_none()
        && start.elapsed() < Duration::from_secs(5)
    {
        std::thread::sleep(Duration::from_micros(100));
    }
}

#[test]
fn killed_runs_do_no_harm() {
    let (archive, expected) = (archive(), content());
    let body = archive.clone();
    // Sends 40 kB in about 60 ms.
    let server = Server::start(move |_, request| {
        let reply = Reply::file(request, &body, "\"one\"");
        Reply { drip: Some((2000, Duration::from_millis(3))), ..reply }
    });
    let set = format!("layout = [{{ files = '*/*', count = {FILES} }}]");
    let source = source(&server.url("f.tar.gz"), &archive).replace("'file'", "'tar.gz'");
    let moments = [const { AtomicUsize::new(0) }; 4];
    let next = AtomicUsize::new(0);
    let kill = |i: usize| {
        let sandbox = Sandbox::of(&set, &source);
        // Two kills in each data folder.
        for death in 0..2 {
            let mut command = sandbox.command(&[]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let random = u64::from(noise(1, (2 * i + death) as u64)[0]);
            // Some kills at any time, some while unpacking, some while placing the files.
            match i % 4 {
                0 | 1 => {}
                2 => wait_for(&mut child, &sandbox.own("new")),
                _ => wait_for(&mut child, &sandbox.own("files.sha256")),
            }
            std::thread::sleep(Duration::from_micros(random * if i % 4 < 2 { 400 } else { 60 }));
            let _ = child.kill();
            child.wait().unwrap();
            moments[moment(&sandbox)].fetch_add(1, Ordering::SeqCst);
            if sandbox.data("target").exists() {
                assert_eq!(tree(&sandbox.data("target")), expected, "a part is in place");
            }
        }
        sandbox.fetch();
        assert_eq!(tree(&sandbox.data("target")), expected);
        assert!(sandbox.run(&["--verify"]).is_right);
        let left: Vec<String> = tree(&sandbox.own("")).into_iter().map(|(name, _)| name).collect();
        assert_eq!(left, ["files.sha256", "lock", "stamp.toml"]);
    };
    std::thread::scope(|scope| {
        let work = || {
            loop {
                match next.fetch_add(1, Ordering::SeqCst) {
                    i if i < TIMES / 2 => kill(i),
                    _ => break,
                }
            }
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let moments = moments.map(AtomicUsize::into_inner);
    assert_eq!(moments.iter().sum::<usize>(), TIMES);
    // Before the start, while downloading, while unpacking, at the end.
    eprintln!("killed at {moments:?}");
}

/// A crash between two steps of placing the files, which random kills rarely hit.
#[test]
fn nothing_is_in_place_without_its_stamp() {
    let (body, other) = (noise(1000, 1), noise(1000, 2));
    let server = Server::start({
        let (body, other) = (body.clone(), other.clone());
        move |_, request| Reply::whole(if request.path == "/f" { &body } else { &other })
    });
    for obstacle in ["files.sha256.tmp", "stamp.toml.tmp"] {
        let sandbox = Sandbox::of("", &source(&server.url("f"), &body));
        std::fs::create_dir_all(sandbox.own(obstacle)).unwrap();
        sandbox.refused(&[], obstacle.strip_suffix(".tmp").unwrap());
        std::fs::remove_dir(sandbox.own(obstacle)).unwrap();
        sandbox.fetch();
        // The older content is either gone or unchanged.
        sandbox.manifest("", &source(&server.url("g"), &other));
        std::fs::create_dir_all(sandbox.own(obstacle)).unwrap();
        assert!(!sandbox.run(&[]).is_right);
        assert!(!sandbox.data("target").exists() || sandbox.content() == body);
        std::fs::remove_dir(sandbox.own(obstacle)).unwrap();
        sandbox.fetch();
        assert_eq!(sandbox.content(), other);
        assert!(sandbox.run(&["--verify"]).is_right);
    }
}
