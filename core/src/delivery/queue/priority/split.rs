//! Owns what becomes of a volley of which a part must go without the others.

use smallvec::SmallVec;

use crate::delivery::queue::priority::{End, FrameId, List, Nodes, Store};

/// Puts the parts of the volley at this end of the list in its place; says whether
/// there was one.
#[inline]
pub(super) fn scatter(nodes: &mut Nodes, store: &mut Store, list: &mut List, end: End) -> bool {
    let volley = match end {
        End::Oldest => nodes.first(*list),
        End::Newest => nodes.last(*list),
    };
    match volley.filter(|&frame| store.messages(frame) > 1) {
        Some(volley) => scatter_volley(nodes, store, list, end, volley),
        None => return false,
    }
    true
}

#[cold]
fn scatter_volley(
    nodes: &mut Nodes,
    store: &mut Store,
    list: &mut List,
    end: End,
    volley: FrameId,
) {
    let parts: SmallVec<[FrameId; 64]> = store.parts(volley).collect();
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
    store.scatter(volley);
}
