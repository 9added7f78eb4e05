//! A state file as a reader sees it who takes no lock and changes nothing, while its owner may be
//! storing into it. What is torn by the owner at work is read again; what is torn for good is said.

use std::path::{Path, PathBuf};

use super::content::{JobHeader, PartitionSlot};
use super::error::{StateDamage, StateWarning, StoreError};
use super::identity::{BootId, FileId};
use super::job::decode_content;
use super::layout::PREAMBLES_BYTES;
use super::place::{open_regular, read_image, read_start};
use super::recover::{Origin, check_length, read_header, read_preambles, recover};

/// Two stores into one position must fall into one read for it to fail; a hundred times in a row is
/// damage.
const READ_TRIES: usize = 100;

/// What a state file says.
#[derive(Clone, Debug)]
pub struct StateView {
    /// Where it lies.
    pub path: PathBuf,
    /// The file's own id.
    pub id: FileId,
    /// The boot in which it was last opened.
    pub boot: BootId,
    /// The process that opened it last.
    pub pid: u32,
    /// Whether the live slots count or the last sync.
    pub origin: Origin,
    /// The number of the last sync.
    pub generation: u64,
    /// The job.
    pub header: JobHeader,
    /// Its partitions.
    pub slots: Vec<PartitionSlot>,
    /// What was damaged and has a whole copy.
    pub warnings: Vec<StateWarning>,
}

impl StateView {
    /// Reads the file at `path` as a start in this boot would.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let mut result = Self::read_once(path);
        for _ in 1..READ_TRIES {
            match &result {
                Ok(view) if view.warnings.is_empty() => break,
                // Perhaps the owner was in the middle of a store.
                Ok(_) => {}
                Err(StoreError::Unusable { damage, .. }) if is_perhaps_torn(damage) => {}
                Err(_) => break,
            }
            result = Self::read_once(path);
        }
        result
    }

    fn read_once(path: &Path) -> Result<Self, StoreError> {
        let image = match open_regular(path, false)? {
            Some(file) => read_image(&file, path)?,
            None => return Err(absent(path)),
        };
        let unusable = |damage| StoreError::unusable(path, damage);
        let state = recover(&image, BootId::current()).map_err(unusable)?;
        let state = state.ok_or_else(|| unusable(StateDamage::Blank))?;
        let preamble = state.preamble;
        let geometry = preamble.geometry;
        let payloads = (0..geometry.positions).map(|index| state.payload(index));
        let (header, slots) =
            decode_content(geometry.kind, &state.header, payloads).map_err(unusable)?;
        Ok(Self {
            path: path.to_path_buf(),
            id: preamble.id,
            boot: preamble.boot,
            pid: preamble.pid,
            origin: state.origin,
            generation: state.generation,
            header,
            slots,
            warnings: state.warnings,
        })
    }
}

/// The job of a state file, without its positions.
pub(super) fn read_job_header(path: &Path) -> Result<JobHeader, StoreError> {
    let file = open_regular(path, false)?.ok_or_else(|| absent(path))?;
    let length = file
        .metadata()
        .map_err(StoreError::io("look at", path))?
        .len();
    let start = |bytes| read_start(&file, length, bytes).map_err(StoreError::io("read", path));
    let unusable = |damage| StoreError::unusable(path, damage);
    let headers = read_preambles(&start(PREAMBLES_BYTES)?).map_err(unusable)?;
    let geometry = headers.preamble.geometry;
    check_length(&geometry, length).map_err(unusable)?;
    let start = start(geometry.header_at(2))?;
    let mut headers = read_preambles(&start).map_err(unusable)?;
    if headers.preamble.geometry != geometry {
        return Err(unusable(StateDamage::Header));
    }
    let header = read_header(&start, &mut headers).map_err(unusable)?;
    JobHeader::decode(&header).map_err(|what| unusable(StateDamage::Content { what }))
}

fn is_perhaps_torn(damage: &StateDamage) -> bool {
    use StateDamage::{Header, Position, Synced};
    matches!(damage, Header | Position { .. } | Synced)
}

fn absent(path: &Path) -> StoreError {
    StoreError::io("open", path)(std::io::ErrorKind::NotFound.into())
}
