use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::*;
use crate::positions::StateView;
use crate::positions::layout::crc32c;

/// A directory with an input file in it and a place for states.
struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        scene.write("a.log", "one\ntwo\n");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn identity(&self, name: &str) -> InputIdentity {
        let path = self.path(name);
        let metadata = fs::metadata(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        InputIdentity {
            path: path.to_str().unwrap().to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            first_kib_crc: crc32c(&bytes[..bytes.len().min(1024)]),
        }
    }

    fn request(&self, inputs: &[&str]) -> JobRequest {
        JobRequest {
            cluster_id: "cluster".into(),
            topic: "events".into(),
            topic_id: [3; 16],
            arguments: vec!["/data/*.log".into()],
            inputs: inputs.iter().map(|name| self.identity(name)).collect(),
            settings: FrozenSettings {
                partitions: 2,
                ..FrozenSettings::default()
            },
            now_ms: 1_700_000_000_000,
            lock_wait: Duration::from_millis(50),
            ..JobRequest::default()
        }
    }

    fn states(&self) -> PathBuf {
        self.path("state/ringmain")
    }

    fn open(&self, request: &JobRequest) -> Result<Job, JobError> {
        Job::open_or_create(&self.states(), request)
    }

    fn refused(&self, request: &JobRequest) -> String {
        self.open(request).unwrap_err().to_string()
    }
}

#[test]
fn a_job_is_made_once_and_then_resumed_where_it_was() {
    let scene = Scene::new();
    let request = scene.request(&["a.log"]);
    let mut job = scene.open(&request).unwrap();
    assert_eq!(job.start(), JobStart::Fresh);
    assert_eq!(job.slots(), [PartitionSlot::default(); 2]);
    let slot = PartitionSlot {
        position: 4,
        records: 1,
        ..PartitionSlot::default()
    };
    job.store().writer(1).unwrap().put(&slot);
    drop(job);
    let job = scene.open(&request).unwrap();
    assert_eq!(job.start(), JobStart::Resumed { from: Origin::Live });
    assert_eq!(job.slots(), [PartitionSlot::default(), slot]);
    assert_eq!(job.header().settings, request.settings);
    assert_eq!(job.growth(), None);
    assert_eq!(job.warnings(), []);
    assert_eq!(fs::metadata(scene.states()).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn what_is_noted_in_the_header_is_durable_and_seen_by_a_reader() {
    let scene = Scene::new();
    let mut job = scene.open(&scene.request(&["a.log"])).unwrap();
    let lane = super::super::LaneProducer { id: 4001, epoch: 0 };
    job.update(|header| header.lane_producers = vec![lane])
        .unwrap();
    let refused = job.update(|header| header.settings.lanes = 0).unwrap_err();
    assert!(refused.to_string().contains("lanes"), "{refused}");
    let view = StateView::read(job.path()).unwrap();
    assert_eq!(
        view.header.lane_producers,
        [lane],
        "while the job is under way"
    );
    assert_eq!((view.pid, view.slots.len()), (std::process::id(), 2));
    assert_eq!(
        &view.header,
        job.header(),
        "a refused change changes nothing"
    );
}

#[test]
fn a_finished_job_says_when_and_how_and_restart_forgets_it() {
    let scene = Scene::new();
    let mut request = scene.request(&["a.log"]);
    let mut job = scene.open(&request).unwrap();
    job.finish(1_700_000_001_000, 3).unwrap();
    drop(job);
    let finished = JobStart::Finished {
        at_ms: 1_700_000_001_000,
        exit_code: 3,
    };
    assert_eq!(scene.open(&request).unwrap().start(), finished);
    request.restart = true;
    request.settings.base = 1;
    let job = scene.open(&request).unwrap();
    assert_eq!(
        (job.start(), job.header().settings.base),
        (JobStart::Fresh, 1)
    );
    let refused = scene.refused(&request);
    assert!(
        refused.contains("in use by process"),
        "not under another's feet: {refused}"
    );
}

#[test]
fn restart_forgets_even_what_cannot_be_read() {
    let scene = Scene::new();
    let mut request = scene.request(&["a.log"]);
    let path = scene.open(&request).unwrap().path().to_path_buf();
    let length = fs::metadata(&path).unwrap().len();
    fs::write(&path, vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
    assert!(scene.refused(&request).contains("no state file"));
    request.restart = true;
    assert_eq!(scene.open(&request).unwrap().start(), JobStart::Fresh);
}

#[test]
fn other_settings_are_refused_by_both_their_names() {
    let scene = Scene::new();
    let mut request = scene.request(&["a.log"]);
    request.settings.compression = 3;
    drop(scene.open(&request).unwrap());
    request.settings = FrozenSettings {
        partitions: 9,
        ..FrozenSettings::default()
    };
    drop(scene.open(&request).unwrap()); // Not asked for by name: as it was started.
    request.asked.compression = Some(3);
    drop(scene.open(&request).unwrap());
    request.asked = AskedSettings {
        delimiter: Some(0),
        compression: Some(4),
        fixed_partition: Some(1),
        acks: Some(1),
        crlf_strip: Some(true),
        idempotence: Some(true),
        ..AskedSettings::default()
    };
    let error = scene.open(&request).unwrap_err();
    assert!(error.is_usage());
    assert_eq!(
        error.to_string(),
        "this job was started with --delimiter '\\n', --crlf keep, no --partition, --compression \
         lz4, acks=all and is now asked to run with --delimiter '\\x00', --crlf strip, --partition \
         1, --compression zstd, acks=1; run it as it was started, or forget it with --restart"
    );
}

#[test]
fn another_topic_of_the_name_stops_the_job() {
    let scene = Scene::new();
    let mut request = scene.request(&["a.log"]);
    drop(scene.open(&request).unwrap());
    request.topic_id = [4; 16];
    assert!(scene.refused(&request).contains("deleted and made again"));
}

#[test]
fn a_file_that_belongs_to_another_job_is_not_used() {
    let scene = Scene::new();
    let mut request = scene.request(&["a.log"]);
    let path = scene.open(&request).unwrap().path().to_path_buf();
    request.arguments.push("/data/b".into());
    let name = state_file_name("cluster", "events", request.direction, &request.arguments);
    fs::rename(&path, path.with_file_name(name)).unwrap();
    assert!(
        scene
            .refused(&request)
            .contains("belongs to another job (of /data/*.log)")
    );
}

#[test]
fn inputs_may_grow_at_the_end_only() {
    let scene = Scene::new();
    scene.write("b.log", "three\n");
    drop(scene.open(&scene.request(&["a.log", "b.log"])).unwrap());
    scene.write("b.log", "three\nfour\n");
    scene.write("c.log", "five");
    let request = scene.request(&["a.log", "b.log", "c.log"]);
    let mut job = scene.open(&request).unwrap();
    let growth = job.growth().unwrap().clone();
    assert_eq!((growth.old_end, growth.new_end), (14, 23));
    assert_eq!(
        job.header().input_bytes(),
        14,
        "the old end counts until it is reached"
    );
    job.finish(1, 0).unwrap();
    job.extend().unwrap();
    assert_eq!(
        (job.header().input_bytes(), job.header().finished_ms),
        (23, 0)
    );
    drop(job);
    let job = scene.open(&request).unwrap();
    assert_eq!(
        (job.growth(), &job.header().previous_ends[..]),
        (None, &[14][..])
    );
    drop(job);
    scene.write("a.log", "one\ntwo\nand\n");
    assert!(
        scene
            .refused(&scene.request(&["a.log", "b.log", "c.log"]))
            .contains("only the last")
    );
    scene.write("a.log", "one\ntwo\n");
    scene.write("c.log", "five and six");
    let refused = scene.refused(&scene.request(&["a.log", "b.log", "c.log"]));
    assert!(
        refused.contains("in the middle of its last record (at byte 4)"),
        "{refused}"
    );
}

#[test]
fn a_last_file_without_a_last_delimiter_may_be_followed() {
    let scene = Scene::new();
    scene.write("a.log", "one\ntwo");
    drop(scene.open(&scene.request(&["a.log"])).unwrap());
    scene.write("b.log", "three");
    let job = scene.open(&scene.request(&["a.log", "b.log"])).unwrap();
    assert_eq!(
        job.growth().map(|growth| (growth.old_end, growth.new_end)),
        Some((7, 12))
    );
}

#[test]
fn a_changed_input_is_named_with_what_differs() {
    let scene = Scene::new();
    let long = "a line of some length\n".repeat(100);
    scene.write("a.log", &long);
    scene.write("b.log", "three\n");
    drop(scene.open(&scene.request(&["a.log", "b.log"])).unwrap());
    let refused = |inputs: &[&str], what: &str| {
        let refused = scene.refused(&scene.request(inputs));
        assert!(
            refused.contains(what) && refused.contains("--restart"),
            "{what}: {refused}"
        );
    };
    refused(
        &["a.log"],
        "b.log has changed since this job was started: it is no longer",
    );
    refused(&["b.log", "a.log"], "it stands where");
    scene.write("b.log", "thr");
    refused(
        &["a.log", "b.log"],
        "b.log has changed since this job was started: it had 6 bytes",
    );
    scene.write("b.log", "drei!\nvier\n");
    refused(&["a.log", "b.log"], "its first 6 bytes are others");
    scene.write("b.log", "three\n");
    scene.write("a.log", &long.replace("some", "same"));
    refused(
        &["a.log", "b.log"],
        "a.log has changed since this job was started: its first 1024",
    );
    scene.write("new", &long);
    fs::rename(scene.path("new"), scene.path("a.log")).unwrap();
    refused(&["a.log", "b.log"], "it is another file");
}

#[test]
fn another_jobs_state_of_the_same_file_and_topic_is_warned_of() {
    let scene = Scene::new();
    scene.write("b.log", "three\n");
    scene.write(
        "x-0000000000000000.state",
        "not a state, and nobody's business here",
    );
    let mut first = scene.request(&["a.log"]);
    first.arguments = vec!["a.log".into()];
    let state = scene.open(&first).unwrap().path().to_path_buf();
    let both = scene.request(&["b.log", "a.log"]);
    let job = scene.open(&both).unwrap();
    let input = scene.identity("a.log").path;
    assert_eq!(
        job.warnings(),
        [JobWarning::AlsoLoaded {
            input,
            state,
            finished: false
        }]
    );
    assert!(job.warnings()[0].to_string().contains("loaded in part"));
    drop(job);
    let mut elsewhere = both.clone();
    elsewhere.topic = "others".into();
    assert_eq!(scene.open(&elsewhere).unwrap().warnings(), []);
    let mut made_again = both;
    made_again.topic_id = [9; 16];
    made_again.restart = true;
    assert_eq!(
        scene.open(&made_again).unwrap().warnings(),
        [],
        "what was loaded is gone"
    );
}

#[test]
fn the_states_place_follows_the_xdg_rules() {
    let place = |asked: Option<&str>, xdg: Option<&str>, home: Option<&str>| {
        let variable = |name: &str| match name {
            "XDG_STATE_HOME" => xdg.map(Into::into),
            "HOME" => home.map(Into::into),
            _ => None,
        };
        state_directory(asked.map(Path::new), &variable).map(|path| path.display().to_string())
    };
    assert_eq!(place(Some("here"), Some("/x"), Some("/h")).unwrap(), "here");
    assert_eq!(place(None, Some("/x"), Some("/h")).unwrap(), "/x/ringmain");
    assert_eq!(
        place(None, Some("relative"), Some("/h")).unwrap(),
        "/h/.local/state/ringmain"
    );
    assert_eq!(
        place(None, None, Some("/h")).unwrap(),
        "/h/.local/state/ringmain"
    );
    assert!(place(None, Some(""), None).unwrap_err().is_usage());
}

#[test]
fn a_states_name_tells_jobs_apart() {
    let name = |cluster: &str, topic: &str, direction, arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        state_file_name(cluster, topic, direction, &arguments)
    };
    let names = [
        name("c", "t", 0, &["/a", "/b"]),
        name("c", "t", 0, &["/b", "/a"]),
        name("c", "t", 0, &["/a/b"]),
        name("c", "t", 1, &["/a", "/b"]),
        name("ct", "", 0, &["/a", "/b"]),
        name("c", "u", 0, &["/a", "/b"]),
    ];
    for (index, one) in names.iter().enumerate() {
        assert!(!names[index + 1..].contains(one), "{one}");
    }
    assert_eq!(names[0], name("c", "t", 0, &["/a", "/b"]));
    assert!(names[0].starts_with("t-") && names[0].ends_with(".state"));
    let odd = name("c", &"../é x".repeat(99), 0, &[]);
    assert!(
        odd.len() < 130 && !odd.contains('/') && odd.is_ascii(),
        "{odd}"
    );
}
