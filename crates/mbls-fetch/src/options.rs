//! The arguments of `fetch-data`.

use clap::Parser;
use std::path::PathBuf;
use std::time::Duration;

/// How it is called.
pub(crate) const COMMAND: &str = "cargo xtask fetch-data";

/// Brings data sets and pretrained weights to the data folder; what is there is left alone.
#[derive(Debug, Parser)]
#[command(name = COMMAND, bin_name = COMMAND)]
pub(crate) struct Options {
    /// Names of data sets, or all; without names, those that the benchmarks need.
    pub(crate) names: Vec<String>,
    /// The data folder.
    #[arg(long, value_name = "DIR", env = "MBLS_DATA_DIR", default_value = "data")]
    pub(crate) data: PathBuf,
    /// Another list of sources than the one that comes with the program.
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// The sums of what was downloaded first where the list of sources has none [default:
    /// fetch-data.lock in the data folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
    /// Shows what is there, sizes and terms of all data sets, and fetches nothing.
    #[arg(long, conflicts_with_all = ["verify", "offline", "keep"])]
    pub(crate) list: bool,
    /// Reads all that is there again and checks it, and fetches nothing.
    #[arg(long, conflicts_with_all = ["offline", "keep"])]
    pub(crate) verify: bool,
    /// Opens no connection: unpacks what was downloaded before, or put into DIR/.fetch/NAME by
    /// hand.
    #[arg(long)]
    pub(crate) offline: bool,
    /// Keeps downloads in DIR/.fetch/NAME after unpacking.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Permits a server to redirect from https to http.
    #[arg(long)]
    pub(crate) allow_downgrade: bool,
    /// Asks servers themselves, whatever ALL_PROXY, HTTPS_PROXY and HTTP_PROXY say.
    #[arg(long)]
    pub(crate) no_proxy: bool,
    /// Seconds that a server has to connect, to answer, and for each piece of an answer.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    timeout: f64,
    /// Tries without progress before an address is given up.
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempts: u32,
    /// Seconds before the second try; they double with each.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    retry_delay: f64,
}

impl Options {
    /// What a server has to answer in.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout)
    }

    /// The wait before the second try.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_secs_f64(self.retry_delay)
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    // A zero timeout is none at all to some, and at once to others.
    if (0.001..=86_400.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("expected 0.001 to 86400".to_owned())
    }
}
