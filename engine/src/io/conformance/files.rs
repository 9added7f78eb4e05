//! Cases about files.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};

use super::World;
use super::driver::{Driver, filled, returned_buffer};
use super::peers::pattern;
use crate::io::FileId;
use crate::memory::Buffer;

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(pattern).collect()
}

fn temporary(contents: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(contents).unwrap();
    file
}

fn add(driver: &mut Driver, contents: &[u8]) -> FileId {
    driver.io.add_file(temporary(contents).into())
}

/// What a read gives, however often it stops short.
fn read_all(
    driver: &mut Driver,
    file: FileId,
    position: u64,
    mut buffer: Buffer,
) -> (Buffer, usize) {
    let mut filled = 0;
    loop {
        let token = driver.token();
        let end = buffer.len();
        driver
            .io
            .read(file, position + filled as u64, buffer, filled..end, token);
        let completion = driver.wait(token);
        buffer = returned_buffer(completion.buffers);
        let count = completion.result.unwrap();
        filled += count;
        if count == 0 || filled == end {
            return (buffer, filled);
        }
    }
}

pub(super) fn a_read_fills_its_range_and_nothing_else(world: &mut World) {
    let mut driver = Driver::new(world.io());
    let contents = bytes(1_000_000);
    let file = add(&mut driver, &contents);
    let token = driver.token();
    driver
        .io
        .read(file, 123_456, filled(&[0xee; 1000]), 100..900, token);
    let completion = driver.wait(token);
    let count = completion.result.unwrap();
    let buffer = returned_buffer(completion.buffers);
    assert!((1..=800).contains(&count));
    assert_eq!(buffer[100..100 + count], contents[123_456..123_456 + count]);
    assert!(
        buffer[..100]
            .iter()
            .chain(&buffer[900..])
            .all(|byte| *byte == 0xee)
    );
    let (buffer, count) = read_all(&mut driver, file, 0, Buffer::new(contents.len()));
    assert_eq!(count, contents.len());
    assert!(buffer[..] == contents[..]);
}

pub(super) fn a_read_past_the_end_is_empty(world: &mut World) {
    let mut driver = Driver::new(world.io());
    let file = add(&mut driver, &bytes(100));
    for position in [100, 101, 1 << 40] {
        let token = driver.token();
        driver
            .io
            .read(file, position, filled(&[7; 10]), 0..10, token);
        let completion = driver.wait(token);
        assert_eq!(completion.result.unwrap(), 0);
        assert_eq!(returned_buffer(completion.buffers)[..], [7; 10]);
    }
}

pub(super) fn a_short_file_is_read_short(world: &mut World) {
    let mut driver = Driver::new(world.io());
    let file = add(&mut driver, &bytes(100));
    let (buffer, count) = read_all(&mut driver, file, 40, Buffer::new(1000));
    assert_eq!(count, 60);
    assert_eq!(buffer[..60], bytes(100)[40..]);
}

pub(super) fn writes_are_whole(world: &mut World) {
    let mut driver = Driver::new(world.io());
    let contents = bytes(3_000_000);
    let file = add(&mut driver, &[]);
    let halves = [(0, 1_400_000), (1_400_000, contents.len())];
    let tokens = halves.map(|(start, end)| {
        let token = driver.token();
        driver
            .io
            .write(file, start as u64, filled(&contents), start..end, token);
        token
    });
    for (token, (start, end)) in tokens.into_iter().zip(halves) {
        let completion = driver.wait(token);
        assert_eq!(completion.result.unwrap(), end - start);
        assert!(returned_buffer(completion.buffers)[..] == contents[..]);
    }
    let token = driver.token();
    driver.io.sync(file, token);
    assert_eq!(driver.wait(token).result.unwrap(), 0);
    let (buffer, _) = read_all(&mut driver, file, 0, Buffer::new(contents.len()));
    assert!(buffer[..] == contents[..]);
}

pub(super) fn an_error_gives_the_buffer_back(world: &mut World) {
    let mut driver = Driver::new(world.io());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("read-only");
    fs::write(&path, bytes(10)).unwrap();
    let file = driver.io.add_file(File::open(&path).unwrap().into());
    let token = driver.token();
    driver.io.write(file, 0, filled(&[1, 2, 3]), 0..3, token);
    let completion = driver.wait(token);
    let error = completion.result.unwrap_err();
    assert_eq!(
        error.raw_os_error(),
        Some(rustix::io::Errno::BADF.raw_os_error()),
        "{error}"
    );
    assert_eq!(returned_buffer(completion.buffers)[..], [1, 2, 3]);
    let folder = driver
        .io
        .add_file(File::open(directory.path()).unwrap().into());
    let token = driver.token();
    driver.io.read(folder, 0, Buffer::new(3), 0..3, token);
    let completion = driver.wait(token);
    let error = completion.result.unwrap_err();
    assert_eq!(
        error.raw_os_error(),
        Some(rustix::io::Errno::ISDIR.raw_os_error()),
        "{error}"
    );
    assert_eq!(returned_buffer(completion.buffers).len(), 3);
}

pub(super) fn a_removed_file_is_closed_at_last(world: &mut World) {
    let mut driver = Driver::new(world.io());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("removed");
    fs::write(&path, bytes(1000)).unwrap();
    let descriptor: OwnedFd = File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap()
        .into();
    let number = descriptor.as_raw_fd();
    let is_open = || {
        let target = fs::read_link(format!("/proc/self/fd/{number}"));
        target.is_ok_and(|target| target == path)
    };
    let file = driver.io.add_file(descriptor);
    let mut tokens = Vec::new();
    for position in 0..10 {
        tokens.push(driver.token());
        let buffer = Buffer::new(100);
        driver.io.read(
            file,
            position * 100,
            buffer,
            0..100,
            *tokens.last().unwrap(),
        );
    }
    tokens.push(driver.token());
    driver.io.sync(file, *tokens.last().unwrap());
    assert!(is_open());
    driver.io.remove_file(file);
    for token in tokens {
        driver
            .wait(token)
            .result
            .expect("what was asked for before is carried out");
    }
    assert!(!is_open());
    let idle = driver.io.add_file(temporary(&[]).into());
    driver.io.remove_file(idle);
}

pub(super) fn many_files(world: &mut World) {
    let mut driver = Driver::new(world.io());
    let contents: Vec<Vec<u8>> = (0..300usize)
        .map(|it| it.to_le_bytes().repeat(20))
        .collect();
    let files: Vec<FileId> = contents.iter().map(|it| add(&mut driver, it)).collect();
    let mut tokens = Vec::new();
    for file in &files {
        tokens.push(driver.token());
        driver
            .io
            .read(*file, 8, Buffer::new(8), 0..8, *tokens.last().unwrap());
    }
    for (token, contents) in tokens.into_iter().zip(&contents) {
        let completion = driver.wait(token);
        let count = completion.result.unwrap();
        assert_eq!(
            returned_buffer(completion.buffers)[..count],
            contents[8..8 + count]
        );
    }
    for file in files {
        driver.io.remove_file(file);
    }
}
