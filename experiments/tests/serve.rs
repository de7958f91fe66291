//! The server, over real connections.
#![cfg(feature = "serve")]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use common::{experiments, stderr};
use tempfile::TempDir;

/// A running server, which ends with this value.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(dir: &TempDir) -> Self {
        let arguments = ["serve", "--port", "0"];
        let mut process = Command::new(env!("CARGO_BIN_EXE_experiments"))
            .args(arguments)
            .arg(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("http://").and_then(|line| line.split('/').next()).unwrap().to_string();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        Self { process, address }
    }

    fn connect(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// The status and all that follows.
    fn get(&self, path: &str) -> (u16, String) {
        let mut answer = Vec::new();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        self.connect(&request).read_to_end(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer).into_owned();
        (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder with a suite of two planned runs, of which one is finished.
fn folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    let suite = dir.path().join("heads");
    for part in ["runs", "checkpoints", "weights"] {
        fs::create_dir_all(suite.join(part)).unwrap();
    }
    fs::write(suite.join("plan.json"), r#"{"hash":"0","seeds":{"0123456789abcdef":[0,1]}}"#).unwrap();
    fs::write(suite.join("runs/mnist.nin.gap.seed0.01234567.json"), "{}").unwrap();
    fs::write(suite.join("checkpoints/mnist.nin.gap.seed1.01234567.safetensors"), "").unwrap();
    fs::write(suite.join("report.html"), "<!DOCTYPE html><title>heads</title>").unwrap();
    fs::write(suite.join("weights/no network.safetensors"), "no network").unwrap();
    dir
}

#[test]
fn pages_and_files_are_served_and_nothing_else() {
    let dir = folder();
    fs::write(dir.path().join("secret.key"), "secret").unwrap();
    fs::write(dir.path().join(".hidden.html"), "secret").unwrap();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("outside.html"), "secret").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path().join("outside.html"), dir.path().join("link.html")).unwrap();
    let server = Server::start(&dir);

    let (status, page) = server.get("/");
    assert!(status == 200 && page.contains("EventSource"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'self'"), "{page}");
    let (status, page) = server.get("/heads/report.html");
    assert!(status == 200 && page.contains("<title>heads") && page.contains("text/html"), "{page}");
    let (status, page) = server.get("/heads");
    assert!(status == 307 && page.contains("location: /heads/report.html"), "{page}");

    for (path, expected) in [
        ("/nothing.html", 404),
        ("/secret.key", 404),
        ("/.hidden.html", 400),
        ("/link.html", 404),
        ("/../../../../etc/passwd", 400),
        ("/%2e%2e/%2e%2e/etc/passwd", 400),
        ("/heads/..%2f..%2fetc%2fpasswd", 400),
        ("/%ff", 400),
        ("/%00", 404),
        ("/heads/runs", 404),
        ("/playground/heads/nothing", 404),
        ("/playground/heads/no%20network", 422),
        ("/playground/..%2f..%2fetc/passwd", 400),
        ("/playground/heads/a,b,c,d,e", 400),
    ] {
        let (status, answer) = server.get(path);
        assert!(status == expected && !answer.contains("secret\n"), "{path}: {answer}");
        assert!(answer.lines().last().unwrap().len() > 10, "{path} is refused without a word: {answer}");
    }
    let mut answer = String::new();
    let request = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\nConnection: close\r\n\r\n123456789";
    server.connect(request).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

#[test]
fn no_more_than_64_pages_follow_a_sweep_at_a_time() {
    let dir = folder();
    let server = Server::start(&dir);
    let follow = || {
        let mut news = BufReader::new(server.connect("GET /events HTTP/1.1\r\nHost: test\r\n\r\n"));
        let mut status = String::new();
        news.read_line(&mut status).unwrap();
        (status, news)
    };
    let pages: Vec<_> = (0..64).map(|_| follow()).collect();
    assert!(pages.iter().all(|(status, _)| status.starts_with("HTTP/1.1 200")));
    let (status, answer) = server.get("/events");
    assert!(status == 503 && answer.contains("64 pages follow the sweep already"), "{answer}");
    // Everything else is answered nevertheless.
    assert_eq!(server.get("/progress.json").0, 200);
}

#[test]
fn a_page_hears_of_a_run_that_finishes() {
    let dir = folder();
    let server = Server::start(&dir);
    let mut news = BufReader::new(server.connect("GET /events HTTP/1.1\r\nHost: test\r\n\r\n"));
    let mut next = || -> serde_json::Value {
        loop {
            let mut line = String::new();
            assert!(news.read_line(&mut line).unwrap() > 0, "the connection was closed");
            if let Some(data) = line.strip_prefix("data:") {
                return serde_json::from_str(data).unwrap();
            }
        }
    };
    let first = next();
    assert_eq!(
        (&first[0]["name"], &first[0]["planned"], &first[0]["finished"]),
        (&"heads".into(), &2.into(), &1.into())
    );
    assert_eq!(first[0]["started"][0], "mnist.nin.gap.seed1.01234567");
    fs::write(dir.path().join("heads/runs/mnist.nin.gap.seed1.01234567.json"), "{}").unwrap();
    // A look at the folder may fall between the creation of the file and what is written into it.
    let second = std::iter::repeat_with(&mut next).find(|news| news[0]["finished"] == 2).unwrap();
    assert_eq!(
        (&second[0]["started"], &second[0]["last"]),
        (&serde_json::json!([]), &"mnist.nin.gap.seed1.01234567".into())
    );
}

#[test]
fn what_cannot_be_served_is_said() {
    let message = stderr(&mut experiments(&["serve", "/no/such/folder"]), 2);
    assert!(message.contains("/no/such/folder"), "{message}");
    let dir = folder();
    let server = Server::start(&dir);
    let port = server.address.split(':').nth(1).unwrap();
    let message = stderr(experiments(&["serve", "--port", port]).arg(dir.path()), 1);
    assert!(message.contains("cannot listen at 127.0.0.1"), "{message}");
}
