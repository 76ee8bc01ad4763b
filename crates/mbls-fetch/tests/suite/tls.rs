//! Certificates, and redirects from https to http. On systems whose certificates come from a file
//! (`SSL_CERT_FILE`), a test can provide its own.
#![cfg(target_os = "linux")]

use crate::sandbox::{Run, Sandbox, noise};
use crate::server::{Reply, Server};
use crate::source;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;

/// Starts a server for `https://127.0.0.1` whose certificate is signed by an authority known only
/// to this test. Returns its port and the authority.
fn secure_server(reply: impl Fn() -> Reply + Send + 'static) -> (u16, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            // A client that does not trust the certificate disconnects here.
            let head = BufReader::new(&mut stream)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .count();
            if head > 0 {
                let reply = reply();
                let sent = stream.write_all(&[reply.head(), reply.body].concat());
                stream.conn.send_close_notify();
                sent.and_then(|()| stream.flush()).unwrap();
            }
        }
    });
    (port, authority.pem())
}

fn run(sandbox: &Sandbox, authority: &str, arguments: &[&str]) -> Run {
    std::fs::write(sandbox.path("authority.pem"), authority).unwrap();
    let mut command = sandbox.command(arguments);
    command.env("SSL_CERT_FILE", sandbox.path("authority.pem")).env_remove("SSL_CERT_DIR");
    Run::of(command)
}

#[test]
fn certificates_of_the_system_are_used() {
    let body = noise(100_000, 1);
    let content = body.clone();
    let (port, authority) = secure_server(move || Reply::whole(&content));
    let sandbox = Sandbox::of("", &source(&format!("https://127.0.0.1:{port}/f"), &body));
    let (_, stranger) = secure_server(|| Reply::status(404));
    let refused = run(&sandbox, &stranger, &["--attempts", "2"]);
    assert!(!refused.is_right && refused.text.contains("certificate"), "{}", refused.text);
    let taken = run(&sandbox, &authority, &[]);
    assert!(taken.is_right, "{}", taken.text);
    assert_eq!(sandbox.content(), body);
    // A certificate for another host name.
    let sandbox = Sandbox::of("", &source(&format!("https://localhost:{port}/f"), &body));
    let refused = run(&sandbox, &authority, &["--attempts", "2"]);
    assert!(!refused.is_right && refused.text.contains("certificate"), "{}", refused.text);
}

#[test]
fn https_is_not_redirected_to_http() {
    let body = noise(1000, 2);
    let open = Server::of(&body);
    let to = open.url("f");
    let (port, authority) = secure_server(move || Reply::status(302).header("Location", &to));
    let sandbox = Sandbox::of("", &source(&format!("https://127.0.0.1:{port}/f"), &body));
    let refused = run(&sandbox, &authority, &[]);
    assert!(
        !refused.is_right && refused.text.contains("redirected from https"),
        "{}",
        refused.text
    );
    assert!(open.requests().is_empty());
    assert!(run(&sandbox, &authority, &["--allow-downgrade"]).is_right);
    assert_eq!(sandbox.content(), body);
    // Redirects from http to https are always permitted.
    let content = body.clone();
    let (port, authority) = secure_server(move || Reply::whole(&content));
    let open = Server::start(move |_, _| {
        Reply::status(301).header("Location", format!("https://127.0.0.1:{port}/f"))
    });
    let sandbox = Sandbox::of("", &source(&open.url("f"), &body));
    let taken = run(&sandbox, &authority, &[]);
    assert!(taken.is_right, "{}", taken.text);
}
