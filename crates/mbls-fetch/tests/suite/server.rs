//! A small HTTP server on the loopback interface that can misbehave like real ones.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The request of a client.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Headers by their lower-case names.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Request {
    /// Returns the start of the requested range.
    pub(crate) fn range(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// The behaviour of the server.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Closes the connection after this many bytes of head and body.
    pub(crate) cut: Option<usize>,
    /// Stops sending after this many bytes, but keeps the connection open.
    pub(crate) stall: Option<usize>,
    /// The number of bytes sent at a time, and the delay after each.
    pub(crate) drip: Option<(usize, Duration)>,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        let headers = vec![("Content-Length".to_owned(), "0".to_owned())];
        Self { status, headers, body: Vec::new(), cut: None, stall: None, drip: None }
    }

    pub(crate) fn whole(body: &[u8]) -> Self {
        Self { body: body.to_vec(), headers: Vec::new(), ..Self::status(200) }
            .header("Content-Length", body.len())
    }

    /// Returns the file, or the requested range if the client's entity tag matches.
    pub(crate) fn file(request: &Request, body: &[u8], etag: &str) -> Self {
        let is_same = request.headers.get("if-range").is_none_or(|mark| mark == etag);
        let reply = match request.range().filter(|_| is_same) {
            Some(begin) if begin >= body.len() => {
                Self::status(416).header("Content-Range", format!("bytes */{}", body.len()))
            }
            Some(begin) => {
                let range = format!("bytes {begin}-{}/{}", body.len() - 1, body.len());
                let rest = Self::whole(&body[begin..]);
                Self { status: 206, ..rest }.header("Content-Range", range)
            }
            None => Self::whole(body),
        };
        reply.header("ETag", etag).header("Accept-Ranges", "bytes")
    }

    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Closes the connection after this many bytes of the body.
    pub(crate) fn cut_body(self, bytes: usize) -> Self {
        let head = self.head().len();
        Self { cut: Some(head + bytes), ..self }
    }

    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Whatever\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        (head + "Connection: close\r\n\r\n").into_bytes()
    }
}

type Handler = dyn Fn(usize, &Request) -> Reply + Send + Sync;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
}

impl Server {
    /// Starts a server that answers with `handler`, which receives the index of the request, from
    /// 0.
    pub(crate) fn start(
        handler: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, stopped) =
            (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, stop, handler): (_, _, Arc<Handler>) =
            (requests.clone(), stopped.clone(), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, stop, handler) = (seen.clone(), stop.clone(), handler.clone());
                // A client that was killed leaves a broken pipe.
                std::thread::spawn(move || {
                    stream.and_then(|stream| answer(stream, &seen, &stop, &*handler))
                });
            }
        });
        Self { port, requests, stopped }
    }

    /// Starts a server that returns the same file for every path.
    pub(crate) fn of(body: &[u8]) -> Self {
        let body = body.to_vec();
        Self::start(move |_, request| Reply::file(request, &body, "\"one\""))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn answer(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Request>>,
    stop: &AtomicBool,
    handler: &Handler,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let Some(first) = lines.next().transpose()? else { return Ok(()) };
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let request = Request { method, path, headers };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    let reply = handler(number, &request);
    let mut bytes = [reply.head(), reply.body.clone()].concat();
    bytes.truncate(reply.cut.or(reply.stall).unwrap_or(bytes.len()));
    match reply.drip {
        None => stream.write_all(&bytes)?,
        Some((size, wait)) => {
            for piece in bytes.chunks(size) {
                stream.write_all(piece)?;
                std::thread::sleep(wait);
            }
        }
    }
    while reply.stall.is_some() && !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(10));
    }
    stream.shutdown(Shutdown::Both)
}
