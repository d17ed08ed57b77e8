//! Removal of a part of a batch from a queue.

use smallvec::SmallVec;

use crate::delivery::queue::priority::{End, FrameId, List, Nodes, Store};

/// Puts the parts of the batch at this end of the list in its place; says whether
/// there was one.
#[inline]
pub(super) fn split_batch(nodes: &mut Nodes, store: &mut Store, list: &mut List, end: End) -> bool {
    let batch = match end {
        End::Oldest => nodes.first(*list),
        End::Newest => nodes.last(*list),
    };
    match batch.filter(|&frame| store.messages(frame) > 1) {
        Some(batch) => split_this(nodes, store, list, end, batch),
        None => return false,
    }
    true
}

#[cold]
fn split_this(nodes: &mut Nodes, store: &mut Store, list: &mut List, end: End, batch: FrameId) {
    let parts: SmallVec<[FrameId; 64]> = store.parts(batch).collect();
    match end {
        End::Oldest => {
            nodes.pop_front(list);
            for &part in parts.iter().rev() {
                nodes.push_front(list, part);
            }
        }
        End::Newest => {
            nodes.pop_back(list);
            for &part in &parts {
                nodes.push_back(list, part);
            }
        }
    }
    store.split(batch);
}
