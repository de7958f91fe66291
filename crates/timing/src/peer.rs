use std::{
    collections::HashSet,
    io::{self, BufRead, BufReader, Read, Write},
    mem,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, de::DeserializeOwned};

use crate::protocol::Request;

/// How long a program may take until it is ready.
const READY: Duration = Duration::from_secs(90);
/// How long a program may take for an answer, which includes the compilation of a network.
const ANSWER: Duration = Duration::from_secs(600);
/// The largest size of an answer in bytes.
const MAX_ANSWER: u64 = 1 << 16;

/// Another program, which answers requests line by line. `experiments/peers/README.md` describes the protocol.
pub struct Peer {
    command: String,
    name: String,
    child: Child,
    requests: ChildStdin,
    /// The lines that the program writes. They are read by a thread, as reading cannot be given up after a time.
    answers: Receiver<io::Result<String>>,
    patience: Duration,
    /// True if it no longer takes requests or gives answers.
    has_ended: bool,
    /// The requests that the program has declined, as JSON.
    refused: HashSet<String>,
}

#[derive(Deserialize)]
struct Hello {
    name: String,
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    SamplesPerSec(f64),
    Error(String),
}

impl Peer {
    /// Starts a command line in a shell and waits until the program is ready.
    ///
    /// # Errors
    /// A command that does not start, whose first line is not in the protocol or does not come within 90 seconds.
    pub fn start(command: &str) -> Result<Self> {
        let mut peer = Self::start_within(command, READY)?;
        peer.patience = ANSWER;
        Ok(peer)
    }

    fn start_within(command: &str, patience: Duration) -> Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // This process may have set it for itself. A peer that uses candle has its default.
        shell.env_remove("CANDLE_NUM_THREADS");
        let mut child = shell.spawn().with_context(|| format!("cannot start `{command}`"))?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("cannot connect to `{command}`")
        };
        let (command, name, answers) = (command.to_string(), String::new(), lines(answers));
        let mut peer =
            Self { command, name, child, requests, answers, patience, has_ended: false, refused: HashSet::new() };
        let Hello { name, version } = peer.read()?;
        peer.name = format!("{name} {version}");
        Ok(peer)
    }

    fn read<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = match self.answers.recv_timeout(self.patience) {
            Ok(line) => line.with_context(|| format!("cannot read the answer of `{}`", self.command))?,
            Err(RecvTimeoutError::Disconnected) => {
                self.has_ended = true;
                bail!("`{}` ended without an answer", self.command)
            }
            Err(RecvTimeoutError::Timeout) => bail!(
                "`{}` gave no answer within {} seconds; it must write a line when it is ready, and one for each request",
                self.command,
                self.patience.as_secs_f32()
            ),
        };
        serde_json::from_str(&line)
            .with_context(|| format!("`{}` answered `{}`, which is not in the protocol", self.command, line.trim_end()))
    }

    fn restart(&mut self) -> Result<()> {
        let mut again = Self::start(&self.command)?;
        again.refused = mem::take(&mut self.refused);
        *self = again;
        Ok(())
    }

    fn ask(&mut self, request: &str) -> Result<Answer> {
        let sent = writeln!(self.requests, "{request}");
        self.has_ended |= sent.is_err();
        sent.with_context(|| format!("`{}` does not accept requests", self.command))?;
        self.read()
    }

    /// The program's name and version.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The images per second that the program reaches; `None` if it does not have the network, or ends instead of an answer
    /// although it is started again, which happens once for a request.
    ///
    /// # Errors
    /// A program whose answer is not in the protocol or does not come within ten minutes.
    pub fn samples_per_sec(&mut self, request: &Request) -> Result<Option<f64>> {
        let request = serde_json::to_string(request)?;
        if self.refused.contains(&request) {
            return Ok(None);
        }
        let answer = match self.ask(&request) {
            Err(error) if self.has_ended => {
                // Nobody may be listening.
                let _ = writeln!(io::stderr(), "{}: {error:#}; it is started again: {request}", self.name);
                self.restart().and_then(|()| self.ask(&request))
            }
            answer => answer,
        };
        let answer = match answer {
            // What has been measured so far is not given up for it.
            Err(error) if self.has_ended => Answer::Error(format!("{error:#}")),
            answer => answer?,
        };
        match answer {
            Answer::SamplesPerSec(rate) if rate > 0. => Ok(Some(rate)),
            Answer::SamplesPerSec(rate) => bail!("`{}` answered a rate of {rate}", self.command),
            Answer::Error(error) => {
                // Nobody may be listening.
                let _ = writeln!(io::stderr(), "{}: {error}: {request}", self.name);
                self.refused.insert(request);
                Ok(None)
            }
        }
    }
}

/// Reads lines in a thread until the output ends.
fn lines(output: ChildStdout) -> Receiver<io::Result<String>> {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        loop {
            let mut line = String::new();
            let read = output.by_ref().take(MAX_ANSWER).read_line(&mut line);
            // The receiver is gone once the peer is dropped.
            if matches!(read, Ok(0)) || sender.send(read.map(|_| line)).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both fail only if the shell has already ended. The program that the shell started ends with its standard input.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::protocol::Task;
    use std::time::Instant;

    fn request() -> Request {
        Request {
            model: "two-conv".into(),
            head: "fc".into(),
            input: [1, 28, 28],
            classes: 10,
            task: Task::Infer,
            batch: 1,
            threads: 1,
        }
    }

    #[test]
    fn a_program_that_ends_is_started_again_once_for_a_request_and_then_counts_as_one_without_the_network() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("ran");
        // It ends at its first request, and answers all later ones.
        let (mark, hello) = (mark.display(), r#"echo '{"name": "Fickle", "version": "1"}'"#);
        let once = format!(
            r#"{hello}; while read line; do [ -e {mark} ] || {{ touch {mark}; exit 1; }}; echo '{{"samples_per_sec": 5}}'; done"#
        );
        let mut peer = Peer::start(&once).unwrap();
        assert_eq!([0, 1].map(|_| peer.samples_per_sec(&request()).unwrap()), [Some(5.); 2]);
        // It ends at all requests for training only.
        let never = format!(
            r#"{hello}; while read line; do case $line in *train*) exit 1;; esac; echo '{{"samples_per_sec": 5}}'; done"#
        );
        let mut peer = Peer::start(&never).unwrap();
        let mut rate = |task| peer.samples_per_sec(&Request { task, ..request() }).unwrap();
        assert_eq!(
            [Task::Infer, Task::Train, Task::Train, Task::Infer].map(&mut rate),
            [Some(5.), None, None, Some(5.)]
        );
    }

    #[test]
    fn a_program_that_does_not_answer_is_given_up() {
        let start = Instant::now();
        let silent = r#"echo '{"name": "Snail", "version": "1"}'; exec sleep 60"#;
        let request = request();
        let patience = Duration::from_millis(300);
        let late = Peer::start_within("exec sleep 60", patience).err().unwrap().to_string();
        let mut peer = Peer::start_within(silent, Duration::from_secs(20)).unwrap();
        peer.patience = patience;
        let silent = peer.samples_per_sec(&request).unwrap_err().to_string();
        for message in [late, silent] {
            assert!(message.contains("sleep 60") && message.contains("within 0.3 seconds"), "{message}");
        }
        drop(peer);
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
