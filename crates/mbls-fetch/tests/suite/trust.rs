//! Trust on first use for sources without published checksums.

use crate::sandbox::{Sandbox, noise};
use crate::server::Server;
use crate::sha256;
use std::fs;

#[test]
fn only_the_first_download_is_trusted() {
    let (first, second) = (noise(1000, 1), noise(1000, 2));
    let server = {
        let (first, second) = (first.clone(), second.clone());
        Server::start(move |number, _| {
            crate::server::Reply::whole(if number == 0 { &first } else { &second })
        })
    };
    let sandbox = Sandbox::of("", &format!("urls = ['{}']\nkind = 'file'", server.url("f")));
    sandbox.fetch();
    let lock = fs::read_to_string(sandbox.data("fetch-data.lock")).unwrap();
    assert!(lock.contains(&sha256(&first)) && lock.contains(&server.url("f")), "{lock}");
    fs::remove_file(sandbox.data("target")).unwrap();
    sandbox.refused(&[], "as at the first download");
    assert_eq!(fs::read_to_string(sandbox.data("fetch-data.lock")).unwrap(), lock);
    // The user removes the lock file to accept the new file.
    fs::remove_file(sandbox.data("fetch-data.lock")).unwrap();
    sandbox.fetch();
    assert_eq!(sandbox.content(), second);
}

#[test]
fn shared_lock_files_are_used() {
    let body = noise(1000, 3);
    let server = Server::of(&body);
    let sandbox = Sandbox::of("", &format!("urls = ['{}']\nkind = 'file'", server.url("f")));
    let lock = sandbox.path("shared.lock");
    let entry = |sum: &str| format!("['{}']\nbytes = 1000\nsha256 = '{sum}'\n", server.url("f"));
    fs::write(&lock, entry(&sha256(b"other"))).unwrap();
    let lock = lock.to_str().unwrap();
    sandbox.refused(&["--lock", lock], "as at the first download");
    fs::write(lock, entry(&sha256(&body))).unwrap();
    assert!(sandbox.run(&["--lock", lock]).is_right);
    fs::remove_file(sandbox.data("target")).unwrap();
    fs::write(lock, "no toml").unwrap();
    sandbox.refused(&["--lock", lock], "cannot read");
}

#[test]
fn checksums_of_the_list_need_no_trust() {
    let body = noise(1000, 4);
    let server = Server::of(&body);
    let sandbox = Sandbox::of("", &crate::source(&server.url("f"), &body));
    sandbox.fetch();
    assert!(!sandbox.data("fetch-data.lock").exists());
}

#[test]
fn user_supplied_downloads_are_compared_with_the_first_download() {
    let (body, other) = (noise(1000, 5), noise(1000, 6));
    let server = Server::of(&body);
    let sandbox = Sandbox::of("", &format!("urls = ['{}']\nkind = 'file'", server.url("f")));
    sandbox.fetch();
    fs::remove_file(sandbox.data("target")).unwrap();
    fs::write(sandbox.own("f"), &other).unwrap();
    sandbox.refused(&["--offline"], "as at the first download");
    fs::write(sandbox.own("f"), &body).unwrap();
    assert!(sandbox.run(&["--offline"]).is_right);
    assert_eq!((sandbox.content(), server.requests().len()), (body, 1));
}
