//! Time of the safe path and of the raw calls on this machine: `cargo bench -p kmcl-checks --bench
//! wall_clock`.
#![allow(missing_docs, reason = "a program")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_ptr_alignment,
    reason = "small numbers, and blocks that are aligned to 16 bytes"
)]
#![allow(clippy::unused_self, reason = "both sides of a pair have one form")]

#[allow(dead_code, reason = "the other benchmark counts allocations too")]
mod pairs;

use criterion::{Criterion, criterion_group, criterion_main};
use pairs::{PAIRS, mock, raw::Raw, safe::Safe};

fn pairs(criterion: &mut Criterion) {
    for pair in &PAIRS {
        mock::set_list_depth(pair.depth);
        let mut group = criterion.benchmark_group(pair.name);
        let raw = Raw::new();
        if let Some(bare) = pair.bare {
            group.bench_function("bare", |bencher| bencher.iter(|| bare(&raw)));
        }
        group.bench_function("raw", |bencher| bencher.iter(|| (pair.raw)(&raw)));
        raw.end();
        let safe = Safe::new();
        group.bench_function("safe", |bencher| bencher.iter(|| (pair.safe)(&safe)));
        safe.end();
        group.finish();
    }
}

criterion_group!(benches, pairs);
criterion_main!(benches);
