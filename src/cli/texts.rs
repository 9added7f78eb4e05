//! What stands under the options of a help: `-h` says little, `--help` and the man pages all.

pub(super) const TOP_SHORT: &str = "\
Examples:
  ringmain load access.log --topic logs --embedded
  ringmain load 'logs/*.log' -t logs -b kafka1:9092,kafka2:9092
  ringmain -L -b kafka1:9092

More: ringmain --help, ringmain COMMAND --help, ringmain man COMMAND";

pub(super) const TOP_LONG: &str = "\
Examples:
  ringmain load access.log --topic logs --embedded
          Load a file into a topic of the embedded broker, which needs no set-up.
  ringmain load 'logs/*.log' -t logs -b kafka1:9092,kafka2:9092
          Load many files into a topic of a Kafka cluster.
  ringmain load --help
          Everything that a load can be told.
  ringmain -L -b kafka1:9092
          The brokers, topics and partitions of a cluster, as kcat -L shows them.
  ringmain -Q -b kafka1:9092 -t logs:0:2026-11-21T15:00:00Z
          The offset at which a partition stood at that time.
  source <(ringmain completions bash)
          Complete commands and options with the tab key, in this shell.
  ringmain man load | man -l -
          A command's man page.

Environment:
  RINGMAIN_LOG     what is logged: a level, or target=level,…
  RINGMAIN_IO      auto, uring, uring:basic or poll, as --io
  XDG_STATE_HOME   where the positions of loads are kept, in ringmain/
  XDG_DATA_HOME    where the embedded broker keeps its data, in ringmain/embedded/

Exit codes:
  0  done                              1  failed
  2  usage or configuration            3  finished with rejected records
  4  a verification failed
  130, 143  ended by SIGINT or SIGTERM";

pub(super) const LOAD_SHORT: &str = "\
Examples:
  ringmain load access.log -t logs --embedded
  ringmain load access.log -t logs -b kafka:9092 --create-topic partitions=8,replication=3

More: ringmain load --help";

pub(super) const LOAD_LONG: &str = "\
A load that was interrupted, by a signal, a crash or a cut cable, is taken up where it was when the
same command is run again: nothing is lost and nothing is doubled.

Examples:
  ringmain load access.log -t logs --embedded
  ringmain load access.log -t logs -b kafka:9092 --create-topic partitions=8,replication=3
  ringmain load archive/ -t logs -b kafka:9092 -z zstd --rate 50MiB --summary done.json
  ringmain load rows.txt -t rows -b kafka:9092 -D '\\0' --max-errors 100 --rejects bad.jsonl
  ringmain load access.log -t logs -b kafka:9092 --verify hash
  ringmain load access.log -t logs -b kafka:9092 --dry-run

Exit codes:
  0  all records were delivered        1  failed; the state is kept
  2  usage or configuration            3  finished with rejected records
  4  the verification failed
  130, 143  ended by SIGINT or SIGTERM; the state is kept";
