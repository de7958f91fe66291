//! The options of `serve`.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;

use crate::commands::Command;

#[derive(Args)]
pub struct ServeArguments {
    /// The folder of results
    #[arg(default_value = "results")]
    dir: PathBuf,
    /// The address to listen at. Only this machine can reach the default; with 0.0.0.0, every machine of the network can read
    /// the folder
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// The port; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

impl ServeArguments {
    #[cfg(feature = "serve")]
    pub fn command(self) -> Command {
        let Self { dir, host, port } = self;
        Command::Serve(crate::serve::ServeOptions { dir, host, port })
    }

    #[cfg(not(feature = "serve"))]
    pub fn command(self) -> Command {
        Command::Refuse("this program was built without its server; build it with `--features serve`")
    }
}
