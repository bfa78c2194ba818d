{#- The largest element of each window; NaN wins, the first of equals is named.

    Elements are compared as integers whose order is that of the numbers, since a compiler may assume that there is no
    NaN. A table gives for each output of an axis the first element inside and how many are inside.
    KIND     f32, f16, i32
    LANES    1, or 4 channels at once; LAST: the memory order (planes.wgsl)
    INDICES  also where the largest stands in its plane -#}
{% set V = LANES == 4 %}
{% set U = "vec4<u32>" if V else "u32" %}{% set I = "vec4<i32>" if V else "i32" %}
{% set F = "vec4<f32>" if V else "f32" %}{% set H = "vec4<f16>" if V else "f16" %}
{% set STORED = H if KIND == "f16" else U %}
struct Params {
    size: u32, channels: u32, out_d: u32, out_h: u32,
    out_w: u32, x_first: u32, x_n: u32, x_c: u32,
    x_d: u32, x_h: u32, x_w: u32, size_h: u32,
    size_w: u32, step_d: u32, step_h: u32, step_w: u32,
    table_d: u32, table_h: u32, table_w: u32, y_first: u32,
    y_n: u32, y_c: u32, y_d: u32, y_h: u32,
    y_w: u32, index_first: u32, unused0: u32, unused1: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<{{ STORED }}>;
@group(0) @binding(2) var<storage, read> windows: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<{{ STORED }}>;
{% if INDICES %}
@group(0) @binding(4) var<storage, read_write> index: array<{{ I }}>;
{% endif %}

{% include "planes.wgsl" %}

fn key(bits: {{ U }}) -> {{ I }} {
{% if KIND == "i32" %}
    return bitcast<{{ I }}>(bits);
{% else %}
    // Negative numbers count downwards, both zeros are 0, NaN is above infinity.
    let size = bits & {{ U }}(0x7fffffffu);
    let k = select(bitcast<{{ I }}>(size), -bitcast<{{ I }}>(size), bits != size);
    return select(k, {{ I }}(0x7fffffff), size > {{ U }}(0x7f800000u));
{% endif %}
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
                @builtin(local_invocation_index) tid: u32) {
    let i = (wg.y * grid.x + wg.x) * 64u + tid;
    if (i >= p.size) { return; }
    let o = place(i);
    let first_d = windows[p.table_d + 2u * o.d]; let count_d = windows[p.table_d + 2u * o.d + 1u];
    let first_h = windows[p.table_h + 2u * o.h]; let count_h = windows[p.table_h + 2u * o.h + 1u];
    let first_w = windows[p.table_w + 2u * o.w]; let count_w = windows[p.table_w + 2u * o.w + 1u];
    let base = p.x_first + o.n * p.x_n + o.c * p.x_c + first_w * p.x_w;
    var best = {{ I }}(-0x7fffffff - 1);
    var value = {{ U }}({{ "0x80000000u" if KIND == "i32" else "0xff800000u" }});
{% if INDICES %}
    var found = {{ I }}(-1);
{% endif %}
    for (var kd = 0u; kd < count_d; kd++) {
        let d = first_d + kd * p.step_d;
        for (var kh = 0u; kh < count_h; kh++) {
            let h = first_h + kh * p.step_h;
            var at = base + d * p.x_d + h * p.x_h;
{% if INDICES %}
            var plane = (d * p.size_h + h) * p.size_w + first_w;
{% endif %}
            for (var kw = 0u; kw < count_w; kw++) {
{% if KIND == "f16" %}
                let bits = bitcast<{{ U }}>({{ F }}(x[at]));
{% else %}
                let bits = x[at];
{% endif %}
                let k = key(bits);
{% if INDICES %}
                let better = (k > best) | (found < {{ I }}(0));
                found = select(found, {{ I }}(i32(plane)), better);
                plane += p.step_w;
{% else %}
                let better = k > best;
{% endif %}
                best = select(best, k, better);
                value = select(value, bits, better);
                at += p.step_w * p.x_w;
            }
        }
    }
    let to = output(o);
    y[p.y_first + to] = {{ H ~ "(bitcast<" ~ F ~ ">(value))" if KIND == "f16" else "value" }};
{% if INDICES %}
    index[p.index_first + to] = found;
{% endif %}
}
