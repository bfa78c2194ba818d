{#- The gradient of max pooling, gathered: each element sums the gradients of the outputs that name it, in their order.

    A table gives for each element of an axis the first output whose window may hold it and how many may.
    KIND   f32, f16 (sums are f32); LANES, LAST: as in max_pool.wgsl; `out_*` are sizes of the result -#}
{% set V = LANES == 4 %}
{% set I = "vec4<i32>" if V else "i32" %}
{% set F = "vec4<f32>" if V else "f32" %}
{% set STORED = F if KIND == "f32" else ("vec4<f16>" if V else "f16") %}
struct Params {
    size: u32, channels: u32, out_d: u32, out_h: u32,
    out_w: u32, g_first: u32, g_n: u32, g_c: u32,
    g_d: u32, g_h: u32, g_w: u32, index_first: u32,
    index_n: u32, index_c: u32, index_d: u32, index_h: u32,
    index_w: u32, table_d: u32, table_h: u32, table_w: u32,
    y_first: u32, y_n: u32, y_c: u32, y_d: u32,
    // The place in the plane of the first element, and the steps to the next of d and of h.
    y_h: u32, y_w: u32, place_first: u32, place_d: u32,
    place_h: u32, unused0: u32, unused1: u32, unused2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> g: array<{{ STORED }}>;
@group(0) @binding(2) var<storage, read> index: array<{{ I }}>;
@group(0) @binding(3) var<storage, read> windows: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<{{ STORED }}>;

{% include "planes.wgsl" %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
                @builtin(local_invocation_index) tid: u32) {
    let i = (wg.y * grid.x + wg.x) * 64u + tid;
    if (i >= p.size) { return; }
    let o = place(i);
    let me = {{ I }}(i32(p.place_first + o.d * p.place_d + o.h * p.place_h + o.w));
    let first_d = windows[p.table_d + 2u * o.d]; let count_d = windows[p.table_d + 2u * o.d + 1u];
    let first_h = windows[p.table_h + 2u * o.h]; let count_h = windows[p.table_h + 2u * o.h + 1u];
    let first_w = windows[p.table_w + 2u * o.w]; let count_w = windows[p.table_w + 2u * o.w + 1u];
    var sum = {{ F }}(0.0);
    for (var kd = 0u; kd < count_d; kd++) {
        for (var kh = 0u; kh < count_h; kh++) {
            let d = first_d + kd; let h = first_h + kh;
            var g_at = p.g_first + o.n * p.g_n + o.c * p.g_c + d * p.g_d + h * p.g_h + first_w * p.g_w;
            var index_at = p.index_first + o.n * p.index_n + o.c * p.index_c + d * p.index_d + h * p.index_h + first_w * p.index_w;
            for (var kw = 0u; kw < count_w; kw++) {
                sum += select({{ F }}(0.0), {{ F }}(g[g_at]), index[index_at] == me);
                g_at += p.g_w; index_at += p.index_w;
            }
        }
    }
    y[p.y_first + output(o)] = {{ STORED }}(sum);
}
