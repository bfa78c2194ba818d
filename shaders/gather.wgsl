{#- Elements named by indices along an axis, and the sum that undoes it, over strided views.

    A dispatch makes a region of the output, whose axes stand in its memory order in `axes`, the outermost first, with
    the strides of all arrays (0 along the axis of the indices), from a part of the axis that is looked through. An index
    out of range is left in `faults`: several threads may write there, and whichever is last is right.
    SCATTER  sums `x` where `index` names the output's place (each output looks through the axis, in its order)
    KIND     bits (any 4 bytes), f16; with SCATTER f32, f16, i32 -#}
{% set STORED = "u32" if KIND == "bits" else KIND %}
{% set SUM = "i32" if KIND == "i32" else "f32" %}
struct Axis { size: u32, x: u32, index: u32, along: u32, y: u32, unused0: u32, unused1: u32, unused2: u32 }
struct Params {
    size: u32, rank: u32, x_first: u32, index_first: u32,
    y_first: u32, x_step: u32, index_step: u32, length: u32,
    // The first place along the axis of this part of the output, and the first element of this part of the other axis.
    place: u32, base: u32,
    // What indices are to be below, and where those are noted that are not.
    limit: u32, fault: u32,
    unused0: u32, unused1: u32, unused2: u32, unused3: u32,
    axes: array<Axis, 8>,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<{{ STORED }}>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<{{ STORED }}>;
@group(0) @binding(4) var<storage, read_write> faults: array<i32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
                @builtin(local_invocation_index) tid: u32) {
    let i = (wg.y * grid.x + wg.x) * 64u + tid;
    if (i >= p.size) { return; }
    var x_at = p.x_first; var index_at = p.index_first; var y_at = p.y_first; var place = p.place;
    var rest = i;
    for (var d = p.rank; d > 0u; d--) {
        let axis = p.axes[d - 1u];
        let quotient = rest / axis.size;
        let digit = rest - quotient * axis.size;
        x_at += digit * axis.x; index_at += digit * axis.index; y_at += digit * axis.y; place += digit * axis.along;
        rest = quotient;
    }
{% if SCATTER %}
    var sum = {{ SUM }}();
    if (p.base != 0u) { sum = {{ SUM }}(y[y_at]); }
    var fault = 0;
    for (var k = 0u; k < p.length; k++) {
        let named = index[index_at];
        if (named == i32(place)) { sum += {{ SUM }}(x[x_at]); }
        fault = select(fault, named, u32(named) >= p.limit);
        x_at += p.x_step; index_at += p.index_step;
    }
    if (fault != 0) { faults[p.fault] = fault; }
    y[y_at] = {{ STORED }}(sum);
{% else %}
    let named = index[index_at];
    // Negative ones are large, too.
    let at = u32(named) - p.base;
    if (at < p.length) {
        y[y_at] = x[x_at + at * p.x_step];
    } else if (u32(named) >= p.limit) {
        faults[p.fault] = named;
        y[y_at] = {{ STORED }}(0);
    }
{% endif %}
}
