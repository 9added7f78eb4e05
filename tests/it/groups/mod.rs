//! Groups at the embedded broker, by the clients that people have: kcat, Java's consumer, and the
//! tools around it.

mod beside;
mod member;
mod peer;

use std::thread;

use crate::kafka::jars::{self, Version};
use crate::kafka::tools::{Said, Tool};
use member::{Broker, Member, has_kcat, until};

fn lines(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{name}-{n:04}")).collect()
}

#[test]
fn members_share_partitions_and_offsets_outlive_broker_and_members() {
    if !has_kcat() {
        return;
    }
    let mut broker = Broker::start();
    broker.send("work", &lines("a", 100));
    let first = Member::join(&broker, "g", "work", "first", &[]);
    first.has(4);
    first.reads(100);
    let second = Member::join(&broker, "g", "work", "second", &[]);
    second.has(2);
    first.has(2);
    second.kill();
    // Its session is over then.
    first.has(4);
    broker.send("work", &lines("b", 100));
    first.reads(200);
    assert_eq!(first.lines(), [lines("a", 100), lines("b", 100)].concat());
    first.leave();

    broker.kill_and_restart();
    broker.send("work", &lines("c", 50));
    let third = Member::join(&broker, "g", "work", "third", &[]);
    third.reads(50);
    assert_eq!(
        third.lines(),
        lines("c", 50),
        "it goes on where the group was"
    );
    third.leave();
}

#[test]
fn a_static_member_that_comes_back_in_time_disturbs_nobody() {
    if !has_kcat() {
        return;
    }
    let broker = Broker::start();
    broker.send("work", &lines("a", 10));
    let named = |name, file| {
        let instance = format!("group.instance.id={name}");
        Member::join(&broker, "g", "work", file, &["-X", &instance])
    };
    let stays = named("stays", "stays");
    stays.has(4);
    let goes = named("goes", "goes");
    goes.has(2);
    stays.has(2);
    let (before, _) = stays.assignments();
    goes.kill();
    let back = named("goes", "back");
    back.has(2);
    broker.send("work", &lines("b", 200));
    let both = || stays.lines().len() + back.lines().len() >= 200;
    until("all lines are read", both, || stays.said());
    assert_eq!(stays.assignments(), (before, 2), "{}", stays.said());
    back.leave();
    stays.leave();
}

fn tool(class: &'static str, broker: &Broker, arguments: &[&str]) -> Said {
    Tool::new(class)
        .with(&["--bootstrap-server", &broker.address()])
        .with(arguments)
        .run()
}

fn consume(broker: &Broker, group: &str, count: &str) -> Vec<String> {
    let flags = ["--topic", "work", "--group", group, "--from-beginning"];
    let limits = ["--max-messages", count, "--timeout-ms", "30000"];
    let class = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    let read = tool(class, broker, &[flags.as_slice(), &limits].concat()).lines();
    let mut read: Vec<_> = read
        .into_iter()
        .map(|line| String::from_utf8(line).expect("lines are text"))
        .collect();
    read.sort_unstable();
    read
}

fn of_groups(broker: &Broker, arguments: &[&str]) -> String {
    let class = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    tool(class, broker, arguments).text()
}

/// The columns of the line that begins with these.
fn row(text: &str, begin: &[&str]) -> Option<Vec<String>> {
    let mut rows = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = rows.find(|row| row.starts_with(begin))?;
    Some(found.into_iter().map(str::to_owned).collect())
}

#[test]
fn javas_consumer_goes_on_where_its_group_was_and_the_tools_see_and_move_it() {
    if jars::find(Version::Newest).is_none() || !has_kcat() {
        return;
    }
    let mut broker = Broker::start();
    broker.send("work", &lines("a", 10));
    let first = consume(&broker, "java", "6");
    broker.kill_and_restart();
    let rest = consume(&broker, "java", "4");
    let mut both = [first, rest].concat();
    both.sort_unstable();
    assert_eq!(both, lines("a", 10));

    assert_eq!(of_groups(&broker, &["--list"]).trim(), "java");
    let described = of_groups(&broker, &["--describe", "--group", "java"]);
    let lags = (0..4).map(|index| {
        let begin = ["java", "work", &index.to_string()];
        row(&described, &begin).unwrap_or_else(|| panic!("{described}"))[5].clone()
    });
    // A partition that had no record may have no offset either.
    assert!(
        lags.clone().all(|lag| lag == "0" || lag == "-"),
        "{described}"
    );
    let reset = ["--reset-offsets", "--group", "java", "--topic", "work"];
    let to_begin = ["--to-earliest", "--execute"];
    of_groups(&broker, &[reset.as_slice(), &to_begin].concat());
    assert_eq!(consume(&broker, "java", "10"), lines("a", 10));
    of_groups(&broker, &["--delete", "--group", "java"]);
    assert_eq!(of_groups(&broker, &["--list"]).trim(), "");
}

#[test]
fn javas_consumer_and_kcat_share_a_group() {
    if jars::find(Version::Newest).is_none() || !has_kcat() {
        return;
    }
    let broker = Broker::start();
    broker.send("work", &lines("a", 10));
    let ours = Member::join(&broker, "mixed", "work", "kcat", &[]);
    ours.has(4);
    ours.reads(10);
    thread::scope(|scope| {
        let java = scope.spawn(|| consume(&broker, "mixed", "1"));
        ours.has(2);
        let described = of_groups(&broker, &["--describe", "--group", "mixed", "--state"]);
        let state = row(&described, &["mixed"]).unwrap_or_else(|| panic!("{described}"));
        assert!(state.contains(&"Stable".to_owned()), "{described}");
        assert!(state.contains(&"range".to_owned()), "{described}");
        // Enough that some go to each partition.
        broker.send("work", &lines("b", 400));
        assert_eq!(java.join().expect("it reads").len(), 1);
    });
    // The other one is gone, and what it did not read is ours.
    ours.has(4);
    ours.reads(409);
    ours.leave();
}

#[test]
fn javas_tools_change_topics_and_delete_records() {
    if jars::find(Version::Newest).is_none() || !has_kcat() {
        return;
    }
    let broker = Broker::start();
    broker.send("work", &lines("a", 10));
    let class = "org.apache.kafka.tools.TopicCommand";
    let grow = ["--alter", "--topic", "work", "--partitions", "6"];
    tool(class, &broker, &grow).text();
    let described = tool(class, &broker, &["--describe", "--topic", "work"]).text();
    assert!(described.contains("PartitionCount: 6"), "{described}");
    let class = "kafka.admin.ConfigCommand";
    let topic = ["--entity-type", "topics", "--entity-name", "work"];
    let change = [
        "--alter",
        "--add-config",
        "segment.ms=12345,cleanup.policy=[delete]",
    ];
    tool(class, &broker, &[topic.as_slice(), &change].concat()).text();
    let described = tool(
        class,
        &broker,
        &[topic.as_slice(), &["--describe"]].concat(),
    )
    .text();
    assert!(described.contains("segment.ms=12345"), "{described}");
    assert!(described.contains("cleanup.policy=delete"), "{described}");

    let all = (0..4)
        .map(|partition| format!(r#"{{"topic":"work","partition":{partition},"offset":-1}}"#));
    let all = all.collect::<Vec<_>>().join(",");
    let file = broker.path("offsets.json");
    std::fs::write(&file, format!(r#"{{"partitions":[{all}],"version":1}}"#)).unwrap();
    let class = "org.apache.kafka.tools.DeleteRecordsCommand";
    let file = file.to_str().expect("our paths are text");
    let deleted = tool(class, &broker, &["--offset-json-file", file]).text();
    assert!(!deleted.contains("error"), "{deleted}");
    broker.send("work", &lines("b", 5));
    let reader = Member::join(&broker, "after", "work", "after", &[]);
    reader.reads(5);
    assert_eq!(reader.lines(), lines("b", 5));
}
