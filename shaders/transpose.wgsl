// Copies between arrays whose innermost axes differ: tiles of 32 x 32 elements go through workgroup memory, so that
// both reads and writes are of neighbours. The other axes count batches.
{% import "strided.wgsl" as strided %}
{% include "common.wgsl" %}
struct Params {
    // The innermost axis of the target, and that of the source.
    rows: u32,
    columns: u32,
    row_step: u32,
    target_column_step: u32,
    first: u32,
    target_first: u32,
    batches: u32,
    source_ndim: u32,
    target_ndim: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
    source_size: array<vec4<u32>, 2>,
    source_stride: array<vec4<u32>, 2>,
    target_size: array<vec4<u32>, 2>,
    target_stride: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<{{ stored }}>;
@group(0) @binding(2) var<storage, read_write> y: array<{{ stored }}>;

fn div_up(a: u32, b: u32) -> u32 {
    return (a + b - 1u) / b;
}

// A column more, so that a column's elements are in different banks.
var<workgroup> tile: array<array<{{ stored }}, 33>, 32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let across = div_up(params.columns, 32u);
    let tiles = across * div_up(params.rows, 32u);
    let group = linear_workgroup(wg, count);
    let batch = group / tiles;
    let place = group - batch * tiles;
    let row = place / across * 32u;
    let column = place % across * 32u;
    let inside = batch < params.batches;
    let lane = thread % 32u;
    let line = thread / 32u;

    let origin = params.first + source_offset(batch);
    for (var i = line; i < 32u; i += 8u) {
        if (inside && row + i < params.rows && column + lane < params.columns) {
            tile[i][lane] = x[origin + (row + i) * params.row_step + column + lane];
        }
    }
    workgroupBarrier();
    let target_origin = params.target_first + target_offset(batch);
    for (var i = line; i < 32u; i += 8u) {
        if (inside && row + lane < params.rows && column + i < params.columns) {
            y[target_origin + (column + i) * params.target_column_step + row + lane] = tile[lane][i];
        }
    }
}

{{ strided.offset("source") }}
{{ strided.offset("target") }}
