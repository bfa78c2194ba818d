{#- Along up to three axes, sums of `weight * element` over the taps of each output (backends/taps.py).

    One table holds, for each axis, where its rows begin (offsets, one more than outputs), the taps' elements and, if
    not SELECT, the bits of their weights.
    KIND    f32, f16 (sums are f32), bits (any 4 bytes; SELECT only)
    SELECT  each output is one element as it is, or the number `fill`
    LANES   1, or 4 channels at once; LAST: the memory order (planes.wgsl) -#}
{% set ELEMENT = "u32" if KIND == "bits" else KIND %}
{% set STORED = "vec4<" ~ ELEMENT ~ ">" if LANES == 4 else ELEMENT %}
{% set F = "vec4<f32>" if LANES == 4 else "f32" %}
struct Params {
    size: u32, channels: u32, out_d: u32, out_h: u32,
    out_w: u32, x_first: u32, x_n: u32, x_c: u32,
    x_d: u32, x_h: u32, x_w: u32, y_first: u32,
    rows_d: u32, rows_h: u32, rows_w: u32, fill: u32,
    taps_d: u32, taps_h: u32, taps_w: u32, weights_d: u32,
    weights_h: u32, weights_w: u32, y_n: u32, y_c: u32,
    // `some` is the place of any element that there is.
    y_d: u32, y_h: u32, y_w: u32, some: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<{{ STORED }}>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<{{ STORED }}>;

{% include "planes.wgsl" %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
                @builtin(local_invocation_index) tid: u32) {
    let i = (wg.y * grid.x + wg.x) * 64u + tid;
    if (i >= p.size) { return; }
    let o = place(i);
    let base = p.x_first + o.n * p.x_n + o.c * p.x_c;
{% if SELECT %}
    let d = table[p.taps_d + o.d]; let h = table[p.taps_h + o.h]; let w = table[p.taps_w + o.w];
    // An element of -1 is none: the number `fill` takes its place.
    let none = max(max(d, h), w) == 0xffffffffu;
    let at = select(base + d * p.x_d + h * p.x_h + w * p.x_w, p.some, none);
    y[p.y_first + output(o)] = select(x[at], {{ STORED }}({{ "p.fill" if KIND == "bits" else KIND ~ "(bitcast<f32>(p.fill))" }}), none);
{% else %}
    let begin_d = table[p.rows_d + o.d]; let end_d = table[p.rows_d + o.d + 1u];
    let begin_h = table[p.rows_h + o.h]; let end_h = table[p.rows_h + o.h + 1u];
    let begin_w = table[p.rows_w + o.w]; let end_w = table[p.rows_w + o.w + 1u];
    var sum = {{ F }}(0.0);
    for (var kd = begin_d; kd < end_d; kd++) {
        let plane = base + table[p.taps_d + kd] * p.x_d;
        var plane_sum = {{ F }}(0.0);
        for (var kh = begin_h; kh < end_h; kh++) {
            let row = plane + table[p.taps_h + kh] * p.x_h;
            var row_sum = {{ F }}(0.0);
            for (var kw = begin_w; kw < end_w; kw++) {
                let weight = bitcast<f32>(table[p.weights_w + kw]);
                row_sum = fma({{ F }}(x[row + table[p.taps_w + kw] * p.x_w]), {{ F }}(weight), row_sum);
            }
            plane_sum = fma(row_sum, {{ F }}(bitcast<f32>(table[p.weights_h + kh])), plane_sum);
        }
        sum = fma(plane_sum, {{ F }}(bitcast<f32>(table[p.weights_d + kd])), sum);
    }
    y[p.y_first + output(o)] = {{ STORED }}(sum);
{% endif %}
}
