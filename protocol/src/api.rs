//! The APIs that are spoken, in which versions and why, and agreeing on one with a broker.
//!
//! The rule: the newest version that both sides have. A bound of our own needs a reason, and the
//! reason stands in the table. Brokers are taken from Apache Kafka 2.8 on: its Metadata (10) was
//! the first to give topic ids, without which a topic that was deleted and made anew could not be
//! told from the old.

use std::cmp;

use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::protocol::VersionRange;

pub use kafka_protocol::messages::ApiKey;

use crate::hot;

/// An API as it is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoken {
    /// The API.
    pub api: ApiKey,
    /// The lowest version.
    pub min: i16,
    /// The highest version.
    pub max: i16,
    /// Why the bounds are not those of the generated messages, and what the versions brought.
    pub reason: &'static str,
}

/// Why no version of an API can be agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The broker is from before Apache Kafka 2.8.
    #[error(
        "the broker is older than Apache Kafka 2.8 (its {api:?} ends at version {offered}, \
         ringmain needs {needed}): upgrade the broker"
    )]
    BrokerTooOld {
        /// The API that shows it.
        api: ApiKey,
        /// The broker's highest version of it.
        offered: i16,
        /// Our lowest.
        needed: i16,
    },
    /// The broker no longer speaks any of our versions.
    #[error(
        "the broker is too new for this ringmain (its {api:?} begins at version {offered}, \
         ringmain's ends at {spoken}): upgrade ringmain"
    )]
    BrokerTooNew {
        /// The API that shows it.
        api: ApiKey,
        /// The broker's lowest version of it.
        offered: i16,
        /// Our highest.
        spoken: i16,
    },
    /// The broker does not offer the API at all.
    #[error("the broker does not offer the API {api:?}")]
    NotOffered {
        /// The API.
        api: ApiKey,
    },
    /// The API is in no row of the table.
    #[error("ringmain does not speak the API {api:?}")]
    NotSpoken {
        /// The API.
        api: ApiKey,
    },
}

macro_rules! spoken {
    ($($api:ident $min:tt..=$max:expr, $reason:literal;)*) => {
        /// Every API that is spoken.
        pub const SPOKEN: &[Spoken] = &[
            $(Spoken { api: ApiKey::$api, min: $min, max: $max, reason: $reason },)*
        ];
    };
}

spoken! {
    ApiVersions 0..=3, "3: flexible · 4: only features, and old brokers are asked twice";
    Metadata 10..=13, "10: topic ids (2.8) · 11: fewer operations · 13: an error of its own";
    Produce 9..=13, "9: flexible (2.8), written by hand · 10: leader hints · 13: topic ids";
    Fetch 12..=18, "12: flexible (2.7), read by hand · 13: topic ids · 16: node endpoints";
    ListOffsets 6..=10, "6: flexible (2.8) · 7: offset of the largest timestamp · 10: time-out";
    CreateTopics 5..=7, "5: flexible, answers with the topic's shape · 7: topic id (2.8)";
    DeleteTopics 4..=6, "4: flexible · 6: topic ids (2.8)";
    DescribeConfigs 1..=4, "4: flexible (2.8)";
    DescribeCluster 0..=2, "0: the API is new in 2.8 · 2: fenced brokers";
    InitProducerId 2..=5, "2: flexible · 3: bumps an epoch · 6: two-phase commit, not ours";
    DescribeProducers 0..=0, "0: the API is new in 2.8";
    FindCoordinator 3..=6, "3: flexible · 4: many keys at once (3.0)";
}

/// The APIs without which nothing can be done, and whose absence tells an old broker.
const NEEDED: [ApiKey; 3] = [ApiKey::Metadata, ApiKey::Produce, ApiKey::Fetch];

const _: () = {
    let (produce, fetch) = (spoken(ApiKey::Produce), spoken(ApiKey::Fetch));
    assert!(produce.min == *hot::produce::VERSIONS.start());
    assert!(produce.max == *hot::produce::VERSIONS.end());
    assert!(fetch.min == *hot::fetch::VERSIONS.start());
    assert!(fetch.max == *hot::fetch::VERSIONS.end());
};

/// The row of an API that must be there; for checks at compile time.
const fn spoken(api: ApiKey) -> Spoken {
    let mut index = 0;
    while SPOKEN[index].api as i16 != api as i16 {
        index += 1;
    }
    SPOKEN[index]
}

/// The versions that a broker offers, by API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerVersions {
    /// Sorted by key.
    ranges: Vec<(i16, i16, i16)>,
}

impl BrokerVersions {
    /// From `(api key, lowest, highest)`. Of an API that is named twice the first counts.
    pub fn new(ranges: impl IntoIterator<Item = (i16, i16, i16)>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().collect();
        ranges.sort_by_key(|(key, ..)| *key);
        ranges.dedup_by_key(|(key, ..)| *key);
        Self { ranges }
    }

    /// From a broker's answer.
    pub fn from_response(response: &ApiVersionsResponse) -> Self {
        let keys = response.api_keys.iter();
        Self::new(keys.map(|key| (key.api_key, key.min_version, key.max_version)))
    }

    /// The broker's versions of an API; none if it does not have it.
    pub fn range(&self, api: ApiKey) -> Option<VersionRange> {
        let index = self
            .ranges
            .binary_search_by_key(&(api as i16), |(key, ..)| *key)
            .ok()?;
        let (_, min, max) = self.ranges[index];
        Some(VersionRange { min, max })
    }

    /// Whether this broker can be worked with at all.
    pub fn check(&self) -> Result<(), VersionError> {
        NEEDED
            .iter()
            .try_for_each(|api| agree(*api, self).map(drop))
    }
}

/// The highest version of `api` that the broker and we have.
pub fn agree(api: ApiKey, broker: &BrokerVersions) -> Result<i16, VersionError> {
    let row = SPOKEN
        .iter()
        .find(|row| row.api == api)
        .ok_or(VersionError::NotSpoken { api })?;
    let range = broker.range(api).ok_or(VersionError::NotOffered { api })?;
    let (min, max) = (cmp::max(row.min, range.min), cmp::min(row.max, range.max));
    if min <= max {
        return Ok(max);
    }
    if range.max < row.min {
        return Err(VersionError::BrokerTooOld {
            api,
            offered: range.max,
            needed: row.min,
        });
    }
    Err(VersionError::BrokerTooNew {
        api,
        offered: range.min,
        spoken: row.max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Apache Kafka 2.8.0 offers.
    fn kafka_2_8() -> BrokerVersions {
        BrokerVersions::new([
            (0, 0, 9),
            (1, 0, 12),
            (2, 0, 6),
            (3, 0, 11),
            (10, 0, 3),
            (18, 0, 3),
            (19, 0, 7),
            (20, 0, 6),
            (22, 0, 4),
            (32, 0, 4),
            (60, 0, 0),
            (61, 0, 0),
        ])
    }

    #[test]
    fn the_highest_common_version_is_taken() {
        let check = |broker: &BrokerVersions, api, expected| {
            assert_eq!(agree(api, broker), expected, "{api:?}");
        };
        let old = kafka_2_8();
        assert_eq!(old.check(), Ok(()));
        let expected = [3, 11, 9, 12, 6, 7, 6, 4, 0, 4, 0, 3];
        for (row, version) in SPOKEN.iter().zip(expected) {
            check(&old, row.api, Ok(version));
        }
        let new = BrokerVersions::new([(0, 0, 99), (3, 12, 99), (1, 4, 17)]);
        check(&new, ApiKey::Produce, Ok(13));
        check(&new, ApiKey::Metadata, Ok(13));
        check(&new, ApiKey::Fetch, Ok(17));
        let api = ApiKey::DescribeProducers;
        check(&new, api, Err(VersionError::NotOffered { api }));
        let api = ApiKey::JoinGroup;
        check(&new, api, Err(VersionError::NotSpoken { api }));
    }

    #[test]
    fn brokers_out_of_range_are_named() {
        // Apache Kafka 2.7.
        let old = BrokerVersions::new([(0, 0, 8), (1, 0, 12), (3, 0, 9)]);
        let error = old.check().expect_err("too old");
        let text = "the broker is older than Apache Kafka 2.8 (its Metadata ends at version 9, \
                    ringmain needs 10): upgrade the broker";
        assert_eq!(error.to_string(), text);
        let new = BrokerVersions::new([(0, 14, 15), (1, 4, 18), (3, 0, 13)]);
        let api = ApiKey::Produce;
        let error = VersionError::BrokerTooNew {
            api,
            offered: 14,
            spoken: 13,
        };
        assert_eq!(new.check(), Err(error));
    }

    #[test]
    fn every_row_lies_within_the_generated_messages() {
        for row in SPOKEN {
            let generated = row.api.valid_versions();
            assert!(
                generated.min <= row.min && row.max <= generated.max,
                "{row:?}"
            );
            assert!(row.min <= row.max && !row.reason.is_empty());
        }
    }

    #[test]
    fn nonsense_from_a_broker_is_no_version() {
        let broker = BrokerVersions::new([(0, 12, 9), (3, i16::MIN, i16::MAX), (3, 0, 0)]);
        assert_eq!(agree(ApiKey::Metadata, &broker), Ok(13));
        assert!(agree(ApiKey::Produce, &broker).is_err());
    }
}
