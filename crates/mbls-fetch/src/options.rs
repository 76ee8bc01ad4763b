//! The arguments of `fetch-data`.

use clap::Parser;
use std::path::PathBuf;
use std::time::Duration;

/// The command that runs the program.
pub(crate) const COMMAND: &str = "cargo xtask fetch-data";

/// Downloads data sets and pretrained weights to the data folder; existing ones are left unchanged.
#[derive(Debug, Parser)]
#[command(name = COMMAND, bin_name = COMMAND)]
pub(crate) struct Options {
    /// Names of data sets, or all; without names, those that the benchmarks need.
    pub(crate) names: Vec<String>,
    /// The data folder.
    #[arg(long, value_name = "DIR", env = "MBLS_DATA_DIR", default_value = "data")]
    pub(crate) data: PathBuf,
    /// A list of sources to use instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// The checksums of first downloads for which the list of sources has none [default:
    /// fetch-data.lock in the data folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
    /// Shows the state, size and terms of all data sets, and downloads nothing.
    #[arg(long, conflicts_with_all = ["verify", "offline", "keep"])]
    pub(crate) list: bool,
    /// Reads and verifies all existing files, and downloads nothing.
    #[arg(long, conflicts_with_all = ["offline", "keep"])]
    pub(crate) verify: bool,
    /// Opens no connection: unpacks files that were downloaded before or put into DIR/.fetch/NAME
    /// by hand.
    #[arg(long)]
    pub(crate) offline: bool,
    /// Keeps downloads in DIR/.fetch/NAME after unpacking.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Permits servers to redirect from https to http.
    #[arg(long)]
    pub(crate) allow_downgrade: bool,
    /// Connects to servers directly, ignoring ALL_PROXY, HTTPS_PROXY and HTTP_PROXY.
    #[arg(long)]
    pub(crate) no_proxy: bool,
    /// Timeout in seconds for connecting, for the response, and for each read of the body.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    timeout: f64,
    /// Number of tries without progress before an address is abandoned.
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempts: u32,
    /// Delay in seconds before the second try; it doubles with each further one.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    retry_delay: f64,
}

impl Options {
    /// Returns the timeout of a server.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout)
    }

    /// Returns the delay before the second try.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_secs_f64(self.retry_delay)
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    // Libraries interpret a timeout of zero differently.
    if (0.001..=86_400.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("expected 0.001 to 86400".to_owned())
    }
}
