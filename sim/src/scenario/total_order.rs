//! Check that one order exists with which all observed pairs agree.

use std::collections::HashMap;

/// Given that of each pair the first came before the second: a message that
/// came before itself, if there is one.
pub(super) fn contradiction(pairs: &[(u32, u32)]) -> Option<u32> {
    let mut places: HashMap<u32, usize> = HashMap::new();
    let mut names = Vec::new();
    let mut place = |n| {
        *places.entry(n).or_insert_with(|| {
            names.push(n);
            names.len() - 1
        })
    };
    let mut edges: Vec<(usize, usize)> = pairs.iter().map(|&(a, b)| (place(a), place(b))).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut before = vec![0_usize; names.len()];
    let mut starts = vec![0_usize; names.len() + 1];
    for &(from, to) in &edges {
        before[to] += 1;
        starts[from + 1] += 1;
    }
    for at in 0..names.len() {
        starts[at + 1] += starts[at];
    }
    let mut free: Vec<usize> = (0..names.len()).filter(|&at| before[at] == 0).collect();
    while let Some(at) = free.pop() {
        for &(_, next) in &edges[starts[at]..starts[at + 1]] {
            before[next] -= 1;
            if before[next] == 0 {
                free.push(next);
            }
        }
    }
    before.iter().position(|&n| n > 0).map(|at| names[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_one_order_agree() {
        assert_eq!(contradiction(&[]), None);
        assert_eq!(
            contradiction(&[(1, 2), (2, 9), (1, 9), (3, 9), (1, 2)]),
            None
        );
    }

    #[test]
    fn two_who_heard_it_differently_do_not() {
        assert!(contradiction(&[(1, 2), (2, 1)]).is_some());
        assert!(contradiction(&[(7, 1), (1, 2), (2, 3), (4, 5), (3, 1)]).is_some());
    }
}
