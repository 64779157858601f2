//! Checks of `kmcl` over a kernel and a KMCL as thin as they can be: benchmarks against the raw
//! calls (`benches`), and a channel's life that Miri can run (`tests/thin`).
