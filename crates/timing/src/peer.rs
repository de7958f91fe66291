use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, de::DeserializeOwned};

use crate::protocol::Request;

/// Another program, which answers requests line by line. `experiments/peers/README.md` describes the protocol.
pub struct Peer {
    command: String,
    name: String,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
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
    /// A command that does not start or whose first line is not in the protocol.
    pub fn start(command: &str) -> Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.spawn().with_context(|| format!("cannot start `{command}`"))?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("cannot connect to `{command}`")
        };
        let answers = BufReader::new(answers);
        let mut peer =
            Self { command: command.into(), name: String::new(), child, requests, answers, refused: HashSet::new() };
        let Hello { name, version } = peer.read()?;
        peer.name = format!("{name} {version}");
        Ok(peer)
    }

    fn read<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.is_empty() {
            bail!("`{}` ended without an answer", self.command)
        }
        serde_json::from_str(&line)
            .with_context(|| format!("`{}` answered `{}`, which is not in the protocol", self.command, line.trim_end()))
    }

    /// The program's name and version.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The images per second that the program reaches; `None` if it does not have the network.
    ///
    /// # Errors
    /// A program that has ended or whose answer is not in the protocol.
    pub fn samples_per_sec(&mut self, request: &Request) -> Result<Option<f64>> {
        let request = serde_json::to_string(request)?;
        if self.refused.contains(&request) {
            return Ok(None);
        }
        writeln!(self.requests, "{request}").with_context(|| format!("`{}` does not accept requests", self.command))?;
        match self.read()? {
            Answer::SamplesPerSec(rate) if rate > 0. => Ok(Some(rate)),
            Answer::SamplesPerSec(rate) => bail!("`{}` answered a rate of {rate}", self.command),
            Answer::Error(error) => {
                // Nobody may be listening.
                let _ = writeln!(std::io::stderr(), "{}: {error}: {request}", self.name);
                self.refused.insert(request);
                Ok(None)
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both fail only if the shell has already ended. The program that the shell started ends with its standard input.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
