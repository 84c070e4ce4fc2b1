//! The connected parts of a graph, numbered in the order of their first nodes.

/// Parts whose nodes are connected whichever way the edges point.
pub(super) fn weak(nodes: usize, ends: &[(u32, u32)]) -> Vec<u32> {
    let mut leaders: Vec<u32> = (0..nodes).map(super::super::row_number).collect();
    for (from, to) in ends {
        let (a, b) = (leader(&mut leaders, *from), leader(&mut leaders, *to));
        if let Some(place) = leaders.get_mut(a.max(b) as usize) {
            *place = a.min(b);
        }
    }
    let of = (0..nodes).map(|node| leader(&mut leaders, super::super::row_number(node))).collect();
    numbered(of)
}

/// Finds the first node of a part, and shortens the way to it.
fn leader(leaders: &mut [u32], node: u32) -> u32 {
    let mut node = node;
    while let Some(next) = leaders.get(node as usize).copied().filter(|next| *next != node) {
        let after = leaders.get(next as usize).copied().unwrap_or(next);
        if let Some(place) = leaders.get_mut(node as usize) {
            *place = after;
        }
        node = after;
    }
    node
}

/// Parts whose nodes can all reach each other along the edges.
pub(super) fn strong(nodes: usize, ends: &[(u32, u32)]) -> Vec<u32> {
    let forward = neighbours(nodes, ends.iter().copied());
    let backward = neighbours(nodes, ends.iter().map(|(from, to)| (*to, *from)));
    let mut seen = vec![false; nodes];
    let mut finished = Vec::with_capacity(nodes);
    for node in 0..nodes {
        visit(node, &forward, &mut seen, |node| finished.push(node));
    }
    let mut seen = vec![false; nodes];
    let mut of = vec![0; nodes];
    for node in finished.into_iter().rev() {
        visit(node, &backward, &mut seen, |member| {
            if let Some(place) = of.get_mut(member) {
                *place = super::super::row_number(node);
            }
        });
    }
    numbered(of)
}

fn neighbours(nodes: usize, ends: impl Iterator<Item = (u32, u32)>) -> Vec<Vec<u32>> {
    let mut neighbours = vec![Vec::new(); nodes];
    for (from, to) in ends {
        if let Some(list) = neighbours.get_mut(from as usize) {
            list.push(to);
        }
    }
    neighbours
}

/// Visits what can be reached and was not seen; tells of a node when all behind it is done.
fn visit(start: usize, edges: &[Vec<u32>], seen: &mut [bool], mut done: impl FnMut(usize)) {
    let mut stack = vec![(start, 0)];
    match seen.get_mut(start) {
        Some(place) if !*place => *place = true,
        _ => return,
    }
    while let Some((node, next)) = stack.pop() {
        let Some(neighbour) = edges.get(node).and_then(|list| list.get(next)) else {
            done(node);
            continue;
        };
        stack.push((node, next + 1));
        let neighbour = *neighbour as usize;
        if let Some(place) = seen.get_mut(neighbour).filter(|place| !**place) {
            *place = true;
            stack.push((neighbour, 0));
        }
    }
}

fn numbered(of: Vec<u32>) -> Vec<u32> {
    let mut known = indexmap::IndexSet::new();
    of.into_iter().map(|part| super::super::row_number(known.insert_full(part).0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_numbered_in_the_order_of_their_nodes() {
        let ends = [(0, 1), (1, 2), (2, 1), (4, 3), (5, 5)];
        assert_eq!(weak(6, &ends), [0, 0, 0, 1, 1, 2]);
        assert_eq!(strong(6, &ends), [0, 1, 1, 2, 3, 4]);
    }
}
