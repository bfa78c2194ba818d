// exp(x - max) / sum along an axis, or its logarithm.
//
// A workgroup has `lanes` neighbouring rows, 256 / lanes threads for each. A row whose largest element is not finite
// is NaN, as x - max is.
{% import "strided.wgsl" as strided %}
{% include "common.wgsl" %}
struct Params {
    rows: u32,
    length: u32,
    lanes: u32,
    by_rows: u32,
    first: u32,
    step: u32,
    target_first: u32,
    target_step: u32,
    row_ndim: u32,
    target_ndim: u32,
    pad0: u32,
    pad1: u32,
    row_size: array<vec4<u32>, 2>,
    row_stride: array<vec4<u32>, 2>,
    target_size: array<vec4<u32>, 2>,
    target_stride: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<{{ stored }}>;
@group(0) @binding(2) var<storage, read_write> y: array<{{ stored }}>;

{{ functions }}
var<workgroup> keys: array<u32, 256>;
var<workgroup> sums: array<f32, 256>;

// Unsigned integers in the order of the floats; NaN is the last.
fn key_of(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    let key = select(bits | SIGN_BIT, ~bits, (bits & SIGN_BIT) != 0u);
    return select(key, 0xffffffffu, bits_are_nan(bits));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let parts = 256u / params.lanes;
    var lane = thread % params.lanes;
    var part = thread / params.lanes;
    if (params.by_rows != 0u) {
        lane = thread / parts;
        part = thread % parts;
    }
    let row = linear_workgroup(wg, count) * params.lanes + lane;
    let end = select(0u, params.length, row < params.rows);
    let origin = params.first + row_offset(row);
    let place = part * params.lanes + lane;

    var key = 0u;
    for (var r = part; r < end; r += parts) {
        key = max(key, key_of(f32(x[origin + r * params.step])));
    }
    keys[place] = key;
    for (var half = parts >> 1u; half > 0u; half >>= 1u) {
        workgroupBarrier();
        if (part < half) {
            key = max(key, keys[place + half * params.lanes]);
            keys[place] = key;
        }
    }
    workgroupBarrier();
    key = keys[lane];
    let largest = bitcast<f32>(select(~key, key & 0x7fffffffu, (key & SIGN_BIT) != 0u));
    let finite = key != 0xffffffffu && float_is_finite(largest);

    var sum = 0.0;
    for (var r = part; r < end; r += parts) {
        sum += exponential(f32(x[origin + r * params.step]) - largest);
    }
    sums[place] = sum;
    for (var half = parts >> 1u; half > 0u; half >>= 1u) {
        workgroupBarrier();
        if (part < half) {
            sum += sums[place + half * params.lanes];
            sums[place] = sum;
        }
    }
    workgroupBarrier();
    {% if log %}
    let normalizer = logarithm(sums[lane]);
    {% else %}
    let normalizer = sums[lane];
    {% endif %}

    let target_origin = params.target_first + target_offset(row);
    for (var r = part; r < end; r += parts) {
        let value = f32(x[origin + r * params.step]);
        {% if log %}
        var result = (value - largest) - normalizer;
        // Minus infinity stays itself.
        result = select(result, value, !float_is_finite(value));
        {% else %}
        var result = exponential(value - largest) / normalizer;
        {% endif %}
        if (!finite) {
            result = bitcast<f32>(NAN_BITS | (key & 0u));
        }
        y[target_origin + r * params.target_step] = {{ stored }}(result);
    }
}

{{ strided.offset("row") }}
{{ strided.offset("target") }}
