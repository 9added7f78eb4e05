//! Reading a topic's partitions: connections to their leaders, what is asked for over each, and the
//! answers, which wait in their buffers until a [`Taker`] has taken what is in them.
//!
//! The next request goes out as soon as an answer is whole, before its records are looked into: while
//! they are taken, the broker works and the kernel receives.

use std::collections::VecDeque;
use std::time::Instant;

use kafka_protocol::messages::{ApiKey, ListOffsetsRequest};
use protocol::client::connection::Reply;
use protocol::client::fetcher::{FetchEvent, Fetcher, PartitionIndex, Position};
use protocol::records::compression::Decompressor;

use super::config::{PartitionRead, ReadConfig};
use super::error::ReadError;
use super::link::{Asked, FetchLink, Received};
use super::purpose::Purpose;
use super::walk::{Taken, Taker, Walk};
use crate::cluster::{Cluster, ClusterError};
use crate::io::{Completion, Io, Returned};
use crate::memory::Buffer;
use crate::net::{LinkError, LinkEvent, Links, Waiting, decode};

/// The reading of some partitions of a topic. Its owner has the I/O, and calls [`Self::step`],
/// [`Self::take`] and, for each completion, [`Self::handle_completion`].
#[derive(Debug)]
pub struct Reading {
    config: ReadConfig,
    cluster: Cluster,
    /// Metadata's own.
    links: Links,
    fetch_links: Vec<FetchLink>,
    fetcher: Fetcher,
    walks: VecDeque<Walk>,
    taken: Taken,
    decompressor: Decompressor,
    /// Whether the fetcher must be told who leads what.
    are_leaders_news: bool,
    /// What stops partitions, as it came.
    failures: VecDeque<ReadError>,
}

impl Reading {
    /// A reader of `partitions`; their places in that list are their [`PartitionIndex`]es.
    pub fn new(
        io: &Io,
        config: ReadConfig,
        cluster: Cluster,
        partitions: &[PartitionRead],
    ) -> Self {
        let now = io.now();
        let mut fetcher = Fetcher::new(config.fetcher.clone(), io.chance());
        let topic = fetcher.add_topic(&config.topic, config.topic_id);
        for read in partitions {
            let number = read.partition.cast_signed();
            fetcher.add_partition(now, topic, number, read.position, read.end);
        }
        let positions = partitions.iter().map(|read| read.position).collect();
        Self {
            links: Links::new(config.client.clone(), io.chance()),
            config,
            cluster,
            fetch_links: Vec::new(),
            fetcher,
            walks: VecDeque::new(),
            taken: Taken::new(positions),
            decompressor: Decompressor::new(),
            are_leaders_news: true,
            failures: VecDeque::new(),
        }
    }

    /// Whether everything was asked for, answered and taken, or cannot be.
    pub fn is_done(&self) -> bool {
        self.walks.is_empty() && self.fetcher.is_all_done()
    }

    /// Whether answers wait to be taken.
    pub fn has_answers(&self) -> bool {
        !self.walks.is_empty()
    }

    /// Records that are known to be there and were not asked for yet.
    pub fn lag(&self) -> i64 {
        let indices = (0..self.fetcher.len()).map(PartitionIndex);
        indices.filter_map(|index| self.fetcher.lag(index)).sum()
    }

    /// Why a partition cannot be read any further, one after the other. The others can.
    pub fn poll_failure(&mut self) -> Option<ReadError> {
        self.failures.pop_front()
    }

    /// Asks for whatever can be asked for now. An error is the end of it all.
    pub fn step(&mut self, now: Instant, io: &mut Io) -> Result<(), ReadError> {
        self.cluster.poll(now, io, &mut self.links);
        self.handle_link_events(now)?;
        self.links.poll(now, io);
        for index in 0..self.fetch_links.len() {
            if let Some(error) = self.fetch_links[index].is_late(now) {
                self.close(now, io, index, &error);
            }
        }
        self.fetcher.handle_timeout(now);
        self.handle_fetch_events();
        if self.are_leaders_news {
            self.tell_leaders(now);
        }
        self.ask(now, io);
        self.handle_fetch_events();
        Ok(())
    }

    /// Has records taken out of the answers that have come. `false`: the taker has no room.
    pub fn take(&mut self, now: Instant, io: &mut Io, taker: &mut impl Taker) -> bool {
        while let Some(walk) = self.walks.front_mut() {
            let is_whole = walk.go_on(
                &mut self.fetcher,
                &mut self.taken,
                &mut self.decompressor,
                taker,
            );
            if !is_whole {
                return false;
            }
            let walk = self.walks.pop_front().expect("it is the front");
            self.fetch_links[walk.link].put_buffer(now, io, walk.buffer);
        }
        true
    }

    /// When [`Self::step`] has something to do though nothing came.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let links = self.fetch_links.iter().filter_map(FetchLink::poll_timeout);
        let others = [
            self.cluster.poll_timeout(now),
            self.links.poll_timeout(),
            self.fetcher.poll_timeout(),
        ];
        // What was due at `now` was tried: what could not go on waits for an event, not for the clock.
        let times = links.chain(others.into_iter().flatten());
        times.filter(|&at| at > now).min()
    }

    /// Whether `completion` belongs to this reading.
    pub fn owns(completion: &Completion) -> bool {
        !matches!(Purpose::from_token(completion.token), Purpose::Write { .. })
    }

    /// A completion of one of its operations.
    pub fn handle_completion(
        &mut self,
        now: Instant,
        io: &mut Io,
        completion: Completion,
    ) -> Result<(), ReadError> {
        match Purpose::from_token(completion.token) {
            Purpose::Connect { link, generation } => {
                if self.fetch_links[link].is_current(generation) {
                    match &completion.result {
                        Ok(_) => self.fetch_links[link].handle_connected(now, io),
                        Err(error) => self.close(now, io, link, &error.into()),
                    }
                }
            }
            Purpose::Send { link, generation } => {
                if self.fetch_links[link].is_current(generation) {
                    match &completion.result {
                        Ok(_) => self.fetch_links[link].handle_sent(io),
                        Err(error) => self.close(now, io, link, &error.into()),
                    }
                }
            }
            Purpose::Receive { link, generation } => {
                self.handle_receive(now, io, link, generation, completion);
            }
            Purpose::Write { .. } => panic!("the owner hands on what is the reading's"),
            Purpose::Other => self.links.handle_completion(now, io, completion),
        }
        self.handle_link_events(now)?;
        self.handle_fetch_events();
        Ok(())
    }

    fn handle_receive(
        &mut self,
        now: Instant,
        io: &mut Io,
        index: usize,
        generation: u32,
        completion: Completion,
    ) {
        let Returned::Buffer(buffer) = completion.buffers else {
            panic!("a receive gives its buffer back");
        };
        let link = &mut self.fetch_links[index];
        if !link.is_current(generation) {
            return link.reclaim(buffer);
        }
        let received = match completion.result {
            Ok(bytes @ 1..) => link.handle_received(now, io, buffer, bytes),
            ended => {
                link.reclaim(buffer);
                Err(match ended {
                    Ok(_) => LinkError::EndOfStream,
                    Err(error) => (&error).into(),
                })
            }
        };
        let answered = match received {
            Ok(Received::Partly | Received::Ready) => Ok(()),
            Ok(Received::Answer {
                buffer,
                frame_bytes,
            }) => self.handle_answer(now, io, index, buffer, frame_bytes),
            Err(error) => Err(error),
        };
        if let Err(error) = answered {
            self.close(now, io, index, &error);
        }
    }

    fn handle_answer(
        &mut self,
        now: Instant,
        io: &mut Io,
        index: usize,
        buffer: Buffer,
        frame_bytes: usize,
    ) -> Result<(), LinkError> {
        let link = &mut self.fetch_links[index];
        let broker = link.broker;
        let asked = link.handle_answered();
        let live = link.live.as_mut().expect("it is current");
        let mut input = &buffer[..frame_bytes];
        let reply = match live.connection.handle_bytes(&mut input) {
            Ok(reply) => reply,
            Err(error) => {
                link.put_back(asked);
                link.put_buffer(now, io, buffer);
                return Err(error.into());
            }
        };
        let (Some(Reply { version, body, .. }), Some(asked)) = (reply, asked) else {
            panic!("a whole frame is an answer, and answers are to what was asked");
        };
        match asked {
            Asked::Fetch(id) => {
                let mut pieces = Vec::new();
                let read = self
                    .fetcher
                    .handle_response(now, id, version, body, &mut pieces);
                let body_at = body.as_ptr().addr() - buffer.as_ptr().addr();
                if let Err(error) = read {
                    link.put_buffer(now, io, buffer);
                    return Err(malformed(ApiKey::Fetch, version, error));
                }
                if pieces.is_empty() {
                    link.put_buffer(now, io, buffer);
                } else {
                    let walk = Walk::new((index, broker), buffer, body_at, pieces);
                    self.walks.push_back(walk);
                }
            }
            Asked::Offsets(id) => {
                match decode::<ListOffsetsRequest>(version, body) {
                    Some(response) => self.fetcher.handle_offsets(now, id, &response),
                    None => self.fetcher.handle_lost(now, id),
                }
                link.put_buffer(now, io, buffer);
            }
        }
        self.handle_fetch_events();
        self.ask(now, io);
        Ok(())
    }

    fn close(&mut self, now: Instant, io: &mut Io, index: usize, error: &LinkError) {
        let link = &mut self.fetch_links[index];
        tracing::debug!("{}: {error}", link.describe());
        match link.close(now, io, &self.config.client) {
            Some(asked) => self.fetcher.handle_lost(now, asked.id()),
            None => self.fetcher.handle_unreachable(now, link.broker),
        }
    }

    fn handle_link_events(&mut self, now: Instant) -> Result<(), ReadError> {
        while let Some(event) = self.links.poll_event() {
            match event {
                LinkEvent::Reply {
                    waiting: Waiting::Metadata,
                    version,
                    body,
                    ..
                } => {
                    let handled = self.cluster.handle_metadata(now, version, &body);
                    handled.map_err(|error| self.cluster_error(error))?;
                    self.are_leaders_news = true;
                }
                LinkEvent::Lost { link, waiting, .. } => {
                    self.cluster.handle_lost(&mut self.links, link);
                    if waiting.contains(&Waiting::Metadata) {
                        self.cluster.handle_metadata_lost(now);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn cluster_error(&self, error: ClusterError) -> ReadError {
        let topic = self.config.topic.clone();
        match error {
            ClusterError::Replaced => ReadError::TopicReplaced { topic },
            error => ReadError::Cluster { topic, error },
        }
    }

    fn handle_fetch_events(&mut self) {
        while let Some(event) = self.fetcher.poll_event() {
            match event {
                FetchEvent::RefreshMetadata => self.cluster.request_refresh(),
                FetchEvent::Leader { partition, hint } => {
                    let (_, number) = self.fetcher.partition(partition);
                    self.cluster.handle_hint(number.cast_unsigned(), hint);
                    self.are_leaders_news = true;
                }
                FetchEvent::Reset {
                    partition,
                    from,
                    to,
                } => {
                    let (topic, number) = self.fetcher.partition(partition);
                    tracing::warn!(
                        "topic {topic}, partition {number}: offset {from} is not in the log; going \
                         on at {to}, as auto.offset.reset says"
                    );
                }
                FetchEvent::Stopped { partition, failure } => {
                    let (topic, number) = self.fetcher.partition(partition);
                    let leader = self.cluster.leader(number.cast_unsigned());
                    let leader = leader.map(|id| self.cluster.describe(id));
                    self.failures.push_back(ReadError::Partition {
                        topic: topic.to_owned(),
                        partition: number,
                        leader: leader.map_or_else(String::new, |at| format!(" (led by {at})")),
                        failure,
                    });
                }
            }
        }
    }

    fn tell_leaders(&mut self, now: Instant) {
        self.are_leaders_news = false;
        for index in (0..self.fetcher.len()).map(PartitionIndex) {
            let (_, number) = self.fetcher.partition(index);
            let hint = self.cluster.leader_since(number.cast_unsigned());
            self.fetcher.handle_leader(now, index, hint);
        }
    }

    /// Sends the next request on every connection that is free.
    fn ask(&mut self, now: Instant, io: &mut Io) {
        let lanes = self.config.connections.max(1);
        let mut brokers: Vec<i32> = self.fetcher.brokers().collect();
        brokers.sort_unstable();
        brokers.dedup();
        for broker in brokers {
            for lane in 0..lanes {
                if self.fetcher.has_work(now, broker, (lane, lanes)) {
                    self.ask_broker(now, io, broker, (lane, lanes));
                }
            }
        }
    }

    fn ask_broker(&mut self, now: Instant, io: &mut Io, broker: i32, lane: (usize, usize)) {
        let Some(index) = self.link(io, broker, lane.0) else {
            return;
        };
        let link = &mut self.fetch_links[index];
        if let Err(error) = link.ensure(now, io, &self.config.client) {
            tracing::warn!("{}: {error}", link.describe());
            return self.fetcher.handle_unreachable(now, broker);
        }
        if !link.is_free() {
            return;
        }
        let fetcher = &mut self.fetcher;
        let sent = if let Some((id, request)) = fetcher.poll_offsets(now, broker, lane) {
            link.ask(io, Asked::Offsets(id), |connection, out| {
                connection.encode(&request, 0, now, out)
            })
            .map_err(|error| (id, error))
        } else if let Some(id) = fetcher.poll_fetch(now, broker, lane) {
            link.ask(io, Asked::Fetch(id), |connection, out| {
                let version = connection.version(ApiKey::Fetch)?;
                let correlation_id = connection.reserve(ApiKey::Fetch, 0, now)?;
                fetcher.write(id, version, correlation_id, out);
                Ok(())
            })
            .map_err(|error| (id, error))
        } else {
            Ok(())
        };
        if let Err((id, error)) = sent {
            tracing::warn!("{}: {error}", link.describe());
            self.fetcher.handle_lost(now, id);
        }
    }

    fn link(&mut self, io: &Io, broker: i32, lane: usize) -> Option<usize> {
        let address = self.cluster.address(broker)?;
        let mut links = self.fetch_links.iter();
        if let Some(index) = links.position(|l| (l.broker, l.lane) == (broker, lane)) {
            self.fetch_links[index].set_address(address);
            return Some(index);
        }
        let index = self.fetch_links.len();
        let (bytes, chance) = (self.config.receive_bytes, io.chance());
        let link = FetchLink::new(index, (broker, lane), address, bytes, chance);
        self.fetch_links.push(link);
        Some(index)
    }

    /// Where each partition is as far as records were taken.
    pub fn taken(&self, index: PartitionIndex) -> Position {
        self.taken.at(index)
    }
}

fn malformed(api: ApiKey, version: i16, source: protocol::frame::wire::WireError) -> LinkError {
    LinkError::Protocol(protocol::client::connection::ConnectionError::Malformed {
        api,
        version,
        source,
    })
}
