//! One body per fuzz target; each asserts an oracle. The targets in `fuzz/` only call them.
