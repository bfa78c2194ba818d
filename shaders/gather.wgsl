{#- Elements named by indices along an axis, and the sum that undoes it, over strided views.

    The output is dense; its axes stand in its memory order in `axes`, the outermost first, with the strides of the
    other two arrays (0 along the axis of the indices).
    SCATTER  sums `x` where `index` names the output's place (each output looks through the axis, in its order)
    KIND     bits (any 4 bytes), f16; with SCATTER f32, f16, i32 -#}
{% set STORED = "u32" if KIND == "bits" else KIND %}
{% set SUM = "i32" if KIND == "i32" else "f32" %}
struct Axis { size: u32, x: u32, index: u32, along: u32 }
struct Params {
    size: u32, rank: u32, x_first: u32, index_first: u32,
    y_first: u32, x_step: u32, index_step: u32, length: u32,
    // The place along the axis where a part of the output begins.
    place: u32, unused0: u32, unused1: u32, unused2: u32,
    axes: array<Axis, 8>,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<{{ STORED }}>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<{{ STORED }}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
                @builtin(local_invocation_index) tid: u32) {
    let i = (wg.y * grid.x + wg.x) * 64u + tid;
    if (i >= p.size) { return; }
    var x_at = p.x_first; var index_at = p.index_first; var place = p.place;
    var rest = i;
    for (var d = p.rank; d > 0u; d--) {
        let axis = p.axes[d - 1u];
        let quotient = rest / axis.size;
        let digit = rest - quotient * axis.size;
        x_at += digit * axis.x; index_at += digit * axis.index; place += digit * axis.along;
        rest = quotient;
    }
{% if SCATTER %}
    var sum = {{ SUM }}();
    for (var k = 0u; k < p.length; k++) {
        if (index[index_at] == i32(place)) { sum += {{ SUM }}(x[x_at]); }
        x_at += p.x_step; index_at += p.index_step;
    }
    y[p.y_first + i] = {{ STORED }}(sum);
{% else %}
    y[p.y_first + i] = x[x_at + u32(index[index_at]) * p.x_step];
{% endif %}
}
