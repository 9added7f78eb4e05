//! What may become of a connection: drawn once, when a client comes.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::kafka::lines::Random;

/// The kinds of harm, to choose from and to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The client is let in and thrown out before a byte has passed.
    Refused,
    /// A request is cut off at some byte, and with it the connection.
    CutRequest,
    CutAnswer,
    /// A few bytes at a time, through a small window.
    SlowRequests,
    SlowAnswers,
    /// Answers wait, some for longer than a client does.
    HeldAnswers,
    /// The broker has carried the request out, and nobody hears of it. Then the connection ends.
    DroppedAnswer,
    /// The same, and the next answer comes in its place.
    SkippedAnswer,
    /// The broker has appended, and the answer says one of the errors that do not exclude it.
    DoubtfulAnswer,
    /// A bit of a batch on its way to the broker, where the CRC covers it.
    CorruptBatch,
    /// A bit of a batch on its way to the client, where the CRC covers it, or of that CRC.
    CorruptFetched,
    /// A bit of an answer's length.
    CorruptLength,
    /// A bit of an answer's correlation id.
    CorruptCorrelation,
    /// An answer whose end is missing, and whose length says so: the next frame is whole again.
    ShortAnswer,
    /// Nothing but a short life.
    ShortLife,
}

impl Kind {
    /// What a producer can meet.
    pub(crate) const OF_LOADS: &'static [Self] = &[
        Self::Refused,
        Self::CutRequest,
        Self::CutAnswer,
        Self::SlowRequests,
        Self::SlowAnswers,
        Self::HeldAnswers,
        Self::DroppedAnswer,
        Self::SkippedAnswer,
        Self::DoubtfulAnswer,
        Self::CorruptBatch,
        Self::CorruptLength,
        Self::CorruptCorrelation,
        Self::ShortAnswer,
        Self::ShortLife,
    ];

    /// What a consumer can meet.
    pub(crate) const OF_DUMPS: &'static [Self] = &[
        Self::Refused,
        Self::CutRequest,
        Self::CutAnswer,
        Self::SlowRequests,
        Self::SlowAnswers,
        Self::HeldAnswers,
        Self::DroppedAnswer,
        Self::SkippedAnswer,
        Self::DoubtfulAnswer,
        Self::CorruptFetched,
        Self::CorruptLength,
        Self::CorruptCorrelation,
        Self::ShortAnswer,
        Self::ShortLife,
    ];
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// Both sides read the end of the stream.
    Closed,
    /// The client's side is reset.
    Reset,
    /// Half open: nothing passes any more and nobody is told.
    Vanished,
}

const ENDINGS: [Ending; 3] = [Ending::Closed, Ending::Reset, Ending::Vanished];

/// From what fates are drawn.
#[derive(Clone, Debug)]
pub(crate) struct Menu {
    pub(crate) kinds: &'static [Kind],
    /// How long a connection lives, in milliseconds.
    pub(crate) life_ms: RangeInclusive<usize>,
    pub(crate) endings: &'static [Ending],
    /// Before every answer: without, a job on one machine is over before much can happen to it.
    pub(crate) latency: Duration,
    /// What becomes of all of them, whatever could be drawn.
    pub(crate) fixed: Option<Fate>,
}

impl Menu {
    /// Nothing happens to anybody.
    pub(crate) const CALM: Self = Self {
        kinds: &[],
        life_ms: 0..=0,
        endings: &[],
        latency: Duration::ZERO,
        fixed: Some(Fate {
            trouble: Trouble::None,
            life: None,
            ending: Ending::Closed,
            latency: Duration::ZERO,
        }),
    };

    /// The same for everybody.
    pub(crate) const fn always(fate: Fate) -> Self {
        Self {
            fixed: Some(fate),
            ..Self::CALM
        }
    }

    /// One of `kinds` happens to each connection, and in half a second to one and a half it ends.
    pub(crate) const fn of(kinds: &'static [Kind]) -> Self {
        Self {
            kinds,
            life_ms: 500..=1_500,
            endings: &ENDINGS,
            latency: Duration::ZERO,
            fixed: None,
        }
    }

    pub(crate) const fn with_latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }
}

/// Which byte of a frame is the first that does not pass.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// That many bytes pass: of the length, or the header behind it.
    Head(usize),
    /// That share passes.
    Thousandths(usize),
    /// All but the last byte.
    Last,
}

impl Place {
    fn draw(random: &mut Random) -> Self {
        match random.within(0, 2) {
            0 => Self::Head(random.within(0, 14)),
            1 => Self::Thousandths(random.within(0, 999)),
            _ => Self::Last,
        }
    }

    /// How many bytes of a frame pass: never all.
    pub(crate) fn passing(self, frame_bytes: usize) -> usize {
        match self {
            Self::Head(bytes) => bytes.min(frame_bytes - 1),
            Self::Thousandths(share) => frame_bytes * share / 1_000,
            Self::Last => frame_bytes - 1,
        }
    }
}

/// How slowly bytes pass: pieces of so many bytes, with pauses; a frame's rest goes at once, so
/// that a large frame is slow and not endless.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) piece: usize,
    pub(crate) pause: Duration,
    pub(crate) slow_bytes: usize,
}

impl Pace {
    fn draw(random: &mut Random) -> Self {
        Self {
            piece: [1, 1, 7, 100][random.within(0, 3)],
            pause: Duration::from_micros([0, 200, 2_000][random.within(0, 2)]),
            slow_bytes: random.within(20, 3_000),
        }
    }
}

/// What happens on a connection, beyond its end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    None,
    Refused,
    /// The frame is counted from 0, each direction for itself.
    CutRequest {
        frame: usize,
        at: Place,
    },
    CutAnswer {
        frame: usize,
        at: Place,
    },
    SlowRequests(Pace),
    SlowAnswers(Pace),
    HeldAnswers {
        most: Duration,
    },
    /// An answer that is not given, of Produce or Fetch if `of_data`.
    DroppedAnswer {
        number: usize,
        of_data: bool,
    },
    SkippedAnswer {
        number: usize,
    },
    DoubtfulAnswer {
        number: usize,
    },
    CorruptBatch {
        number: usize,
    },
    CorruptFetched {
        number: usize,
    },
    CorruptLength {
        frame: usize,
    },
    CorruptCorrelation {
        frame: usize,
    },
    ShortAnswer {
        number: usize,
    },
}

/// What becomes of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    pub(crate) trouble: Trouble,
    /// `None`: it lives on.
    pub(crate) life: Option<Duration>,
    pub(crate) ending: Ending,
    pub(crate) latency: Duration,
}

impl Fate {
    pub(crate) fn draw(random: &mut Random, menu: &Menu) -> Self {
        if let Some(fate) = menu.fixed {
            return fate;
        }
        let kind = menu.kinds[random.within(0, menu.kinds.len() - 1)];
        let life = random.within(*menu.life_ms.start(), *menu.life_ms.end());
        Self {
            trouble: Trouble::draw(random, kind),
            life: Some(Duration::from_millis(life as u64)),
            ending: menu.endings[random.within(0, menu.endings.len() - 1)],
            latency: menu.latency,
        }
    }
}

impl Trouble {
    fn draw(random: &mut Random, kind: Kind) -> Self {
        // The first frames are about versions and metadata; most of those that follow carry data.
        let most = [1, 4, 16][random.within(0, 2)];
        let frame = random.within(0, most);
        match kind {
            Kind::Refused => Self::Refused,
            Kind::CutRequest => Self::CutRequest {
                frame,
                at: Place::draw(random),
            },
            Kind::CutAnswer => Self::CutAnswer {
                frame,
                at: Place::draw(random),
            },
            Kind::SlowRequests => Self::SlowRequests(Pace::draw(random)),
            Kind::SlowAnswers => Self::SlowAnswers(Pace::draw(random)),
            Kind::HeldAnswers => Self::HeldAnswers {
                most: Duration::from_millis([50, 300, 1_200][random.within(0, 2)]),
            },
            Kind::DroppedAnswer => Self::DroppedAnswer {
                number: frame,
                of_data: random.within(0, 3) > 0,
            },
            Kind::SkippedAnswer => Self::SkippedAnswer { number: frame },
            Kind::DoubtfulAnswer => Self::DoubtfulAnswer { number: frame },
            Kind::CorruptBatch => Self::CorruptBatch { number: frame },
            Kind::CorruptFetched => Self::CorruptFetched { number: frame },
            Kind::CorruptLength => Self::CorruptLength { frame },
            Kind::CorruptCorrelation => Self::CorruptCorrelation { frame },
            Kind::ShortAnswer => Self::ShortAnswer { number: frame },
            Kind::ShortLife => Self::None,
        }
    }
}

/// What was done, counted when it took effect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    kinds: BTreeMap<Kind, u64>,
    endings: BTreeMap<Ending, u64>,
}

impl Tally {
    pub(super) fn count(&mut self, kind: Kind) {
        *self.kinds.entry(kind).or_default() += 1;
    }

    pub(super) fn count_ending(&mut self, ending: Ending) {
        *self.endings.entry(ending).or_default() += 1;
    }

    pub(crate) fn of(&self, kind: Kind) -> u64 {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }

    pub(crate) fn of_ending(&self, ending: Ending) -> u64 {
        self.endings.get(&ending).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (&kind, count) in &other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        for (&ending, count) in &other.endings {
            *self.endings.entry(ending).or_default() += count;
        }
    }

    /// Those of `kinds` that never came, and the ways to end that no connection took.
    pub(crate) fn missing(&self, kinds: &[Kind]) -> Vec<String> {
        let kinds = kinds.iter().filter(|kind| self.of(**kind) == 0);
        let endings = ENDINGS
            .iter()
            .filter(|ending| self.of_ending(**ending) == 0);
        let kinds = kinds.map(|kind| format!("{kind:?}"));
        kinds
            .chain(endings.map(|ending| format!("{ending:?}")))
            .collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self
            .kinds
            .iter()
            .map(|(kind, count)| format!("{count} {kind:?}"));
        let endings = self
            .endings
            .iter()
            .map(|(ending, count)| format!("{count} {ending:?}"));
        let parts: Vec<String> = kinds.chain(endings).collect();
        f.write_str(&parts.join(", "))
    }
}
