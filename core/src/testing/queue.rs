//! The priority queue on its own, and its naive oracle.
