//! From what was typed for `broker` to what it means.

use super::BrokerArgs;
use super::load::{Environment, UsageError, embedded_directory};
use crate::broker::BrokerOptions;

pub(crate) fn plan_broker(
    args: BrokerArgs,
    env: Environment<'_>,
) -> Result<BrokerOptions, UsageError> {
    // The same place as `load --embedded` has: what was loaded there can be served from there.
    let data_dir = args.data_dir.or_else(|| embedded_directory(env));
    let data_dir = match data_dir {
        Some(data_dir) => data_dir,
        None if args.discard => std::path::PathBuf::new(),
        None => return Err(UsageError::NoDataHome),
    };
    Ok(BrokerOptions {
        listen: args.listen,
        advertise: args.advertise,
        data_dir,
        partitions: args.partitions,
        sync: args.sync,
        discard: args.discard,
    })
}
