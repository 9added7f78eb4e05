//! What people will ask for by the names they know from kcat, Kafka's console producer and the
//! plans of this program, and what is not there yet: each is refused with a sentence, never half
//! done.

use std::ffi::OsStr;
use std::path::Path;

use clap::Args;

/// Flags that are taken only to be refused, and two that say what happens anyway.
#[derive(Debug, Default, Args)]
pub(crate) struct NotYetArgs {
    /// kcat's produce mode: what `load` is.
    #[arg(short = 'P', hide = true)]
    _produce: bool,
    /// kcat's "a record for each line of a file": what `load` does.
    #[arg(short = 'l', hide = true)]
    _lines: bool,
    #[arg(short = 'c', value_name = "COUNT", hide = true)]
    count: Option<String>,
    #[arg(
        short = 'f',
        long,
        value_name = "FORMAT",
        hide = true,
        allow_hyphen_values = true
    )]
    format: Option<String>,
    #[arg(long, alias = "line-reader", value_name = "CLASS", hide = true)]
    reader: Option<String>,
    #[arg(short = 'C', hide = true)]
    consume: bool,
    #[arg(short = 'L', hide = true)]
    list: bool,
}

impl NotYetArgs {
    /// The sentence for the first flag that is there and cannot be acted on.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        let asked = [
            (
                self.count.is_some(),
                "-c: loading only so many records is not there yet; `head` can make such a file",
            ),
            (
                self.format.is_some(),
                "-f: formats of lines are not there yet; -K, -H and --reader-property say what is in a line",
            ),
            (
                self.reader.is_some(),
                "--line-reader: Java classes cannot be run here; --reader-property and --input say how records \
                 are read",
            ),
            (
                self.consume,
                "-C: this command loads files into a topic; `ringmain dump` reads one",
            ),
            (
                self.list,
                "-L: this command loads files; `ringmain -L -b …` lists a cluster",
            ),
        ];
        asked
            .into_iter()
            .find(|(is_asked, _)| *is_asked)
            .map(|(_, sentence)| sentence)
    }
}

/// Commands that come later, also under the names of Kafka's scripts.
pub(crate) const VERIFY: &str = "a load is verified by `ringmain load … --verify hash`, also one that was \
                                done before";
pub(crate) const CONNECT: &str = "the Kafka Connect worker is not there yet, only the loader is: \
                                  see `ringmain load --help`";

/// Refuses to be what the program was started as, if that is one of Kafka's scripts.
pub(crate) fn refuse_name(name: &OsStr) -> Option<&'static str> {
    let name = Path::new(name).file_name()?.to_str()?;
    let script = name.strip_suffix(".sh").unwrap_or(name);
    matches!(script, "connect-standalone" | "connect-distributed").then_some(CONNECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_kafkas_scripts_are_refused() {
        for name in [
            "connect-standalone",
            "/opt/kafka/bin/connect-distributed.sh",
        ] {
            assert_eq!(refuse_name(OsStr::new(name)), Some(CONNECT), "{name}");
        }
        assert_eq!(refuse_name(OsStr::new("/usr/bin/ringmain")), None);
        assert_eq!(refuse_name(OsStr::new("connect")), None);
    }

    #[test]
    fn nothing_asked_is_nothing_refused() {
        assert_eq!(NotYetArgs::default().refusal(), None);
    }
}
