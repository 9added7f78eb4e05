//! Who may commit, and what may be forgotten.

use std::collections::BTreeSet;

use bytes::Buf as _;
use protocol::error_code::ErrorCode;

use super::group::{Group, State};
use super::sync::Claim;

/// The protocol type of consumers, whose metadata tells what they subscribe to.
const CONSUMER: &str = "consumer";

impl Group {
    /// Whether who claims this may commit offsets. A generation below 0 is the claim of one who
    /// assigns partitions to itself; it may while there are no members.
    pub(super) fn check_commit(&mut self, now_ms: i64, claim: Claim<'_>) -> Result<(), ErrorCode> {
        if claim.generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        let is_member =
            claim.generation >= 0 || !claim.member_id.is_empty() || claim.instance.is_some();
        if !is_member {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.check(claim)?;
        if self.state == State::CompletingRebalance {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        let member = self.members.get_mut(claim.member_id);
        member.expect("the claim was checked").touch(now_ms);
        Ok(())
    }

    /// The topics that members subscribe to: their offsets stay. NON_EMPTY_GROUP where members
    /// do not say in a way that is known.
    pub(super) fn subscribed(&self) -> Result<BTreeSet<String>, ErrorCode> {
        if self.state == State::Empty {
            return Ok(BTreeSet::new());
        }
        if self.protocol_type != CONSUMER {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        let metadata = self.members.values().filter_map(|member| {
            let protocol = member.protocols.first()?;
            Some(protocol.metadata.as_ref())
        });
        let topics = metadata.map(subscription);
        let topics: Option<Vec<_>> = topics.collect();
        let topics = topics.ok_or(ErrorCode::NON_EMPTY_GROUP)?;
        Ok(topics.into_iter().flatten().collect())
    }
}

/// The topics of a consumer's subscription: `version i16 · topics [ text ] · …`, none if it is not
/// one.
fn subscription(mut metadata: &[u8]) -> Option<Vec<String>> {
    metadata.try_get_i16().ok()?;
    let count = metadata.try_get_i32().ok()?;
    let mut topics = Vec::new();
    for _ in 0..count {
        let bytes = usize::try_from(metadata.try_get_i16().ok()?).ok()?;
        let (name, rest) = metadata.split_at_checked(bytes)?;
        topics.push(str::from_utf8(name).ok()?.to_owned());
        metadata = rest;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_read_and_nonsense_is_none() {
        let good = [0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 9, 9];
        let topics = Some(vec!["a".to_owned(), "bc".to_owned()]);
        assert_eq!(subscription(&good), topics);
        for cut in 0..13 {
            assert_eq!(subscription(&good[..cut]), None, "{cut}");
        }
        assert_eq!(subscription(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(subscription(&[0, 0, 0, 0, 0, 1, 0, 1, 0xff]), None);
    }
}
