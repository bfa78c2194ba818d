{#- A GEMM that sums over pixels: y[o, col] = sum over p of g[p, o] * x[pixel p at col's tap, col's channel].

    g and x have their channels side by side in memory. The weight gradient has K = pixels (n, od, oh, ow in mixed
    radix) and col = (tap, channel); a matrix product A B is the pointwise form with g = A transposed.

    BM x BN outputs for each workgroup, PM x PN for each thread in named vec4 accumulators, BK pixels for each stage,
    two buffers, one barrier for each stage. Workgroup arrays are nested so that each access has one dynamic index that
    no loop changes: the clamps that wgpu inserts then stand outside of the loop. Loads of padding and of pixels past
    the end go anywhere in the buffer, where wgpu keeps them; what they give is dropped.
    RANK   0: pointwise; 2, 3: spatial dimensions with taps
    VG, VX whether four channels of g, of x, load as one vec4 (else four loads, each with a tap of its own)
    HALF   storage is f16; sums and y are f32
    K is cut into splits, whose sums `split_sum` adds in their order. #}
{% set TX = BN // PN %}{% set TY = BM // PM %}{% set NT = TX * TY %}
{% set HG = PM // 4 %}{% set HX = PN // 4 %}
{% set RG = NT // (BM // 4) %}{% set NG = BK // RG %}
{#- CX threads side by side load a pixel of x; each loads NC vec4s of NX pixels. Where a vec4 has one tap, a thread
    keeps to one pixel if it can, whose place it counts once. #}
{% set CX = NT // BK if VX and RANK and NT // BK < BN // 4 else BN // 4 %}{% set NC = BN // 4 // CX %}
{% set RX = NT // CX %}{% set NX = BK // RX %}
{% set T = "f16" if HALF else "f32" %}
{% set LANES = ["x", "y", "z", "w"] %}
{% include "weight_grad_params.wgsl" %}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> g: array<{{ "vec4<" ~ T ~ ">" if VG else T }}>;
@group(0) @binding(2) var<storage, read> x: array<{{ "vec4<" ~ T ~ ">" if VX else T }}>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

var<workgroup> gs: array<array<array<array<array<vec4<f32>, {{ TY }}>, {{ HG }}>, {{ RG }}>, {{ NG }}>, 2>;
var<workgroup> xs: array<array<array<array<array<vec4<f32>, {{ TX }}>, {{ HX }}>, {{ RX }}>, {{ NX }}>, 2>;

{#- Where a pixel stands at a tap: its place counts the tap already if that is the thread's only one. #}
{% set ONE = VX and NC == 1 %}
{% macro at_tap(axis, i, tap) -%}
u32({{ axis }}{{ i }}{% if not ONE %} + tap_{{ axis }}{{ tap }}{% endif %}) < p.size_{{ axis }}
{%- endmacro %}

{#- `last`: pixels past the end can be among those of the stage. #}
{% macro load_g(last) -%}
{% for i in range(NG) %}
        {% if last %}gk{{ i }} = g_pixel < g_end{{ i }};{% endif +%}
        { let at = g_at + {{ i * RG }}u * p.g_pixel;
{% if VG %}
            gr{{ i }} = vec4<f32>(g[at]);
{% else %}
            gr{{ i }} = vec4<f32>(vec4<{{ T }}>(g[at], g[at + 1u], g[at + 2u], g[at + 3u]));
{% endif %} }
{% endfor %}
{% endmacro %}

{% macro load_x(last) -%}
{% for i in range(NX) %}{% for s in range(NC) %}{% set n = i * NC + s %}
{% if RANK == 0 %}
        {% if last %}xk{{ n }} = x_pixel < x_end{{ i }};{% endif +%}
        { let at = x_at + {{ i * RX }}u * p.x_w;
{% if VX %}
            xr{{ n }} = vec4<f32>(x[at]);
{% else %}
            xr{{ n }} = vec4<f32>(vec4<{{ T }}>(x[at], x[at + 1u], x[at + 2u], x[at + 3u]));
{% endif %} }
{% else %}
        { let inside = {{ "x_pixel < x_end" ~ i if last else "true" }};
{% if VX %}
            let k0 = inside & {% if RANK == 3 %}({{ at_tap("d", i, s) }}) & {% endif -%}
                ({{ at_tap("h", i, s) }}) & ({{ at_tap("w", i, s) }});
            let v0 = x[o{{ i }}{% if not ONE %} + tap{{ s }}{% endif %}];
{% else %}
{% for c in range(4) %}
            let k{{ c }} = inside & {% if RANK == 3 %}({{ at_tap("d", i, c) }}) & {% endif -%}
                ({{ at_tap("h", i, c) }}) & ({{ at_tap("w", i, c) }});
            let v{{ c }} = x[o{{ i }} + tap{{ c }}];
{% endfor %}
{% endif %}
{% if VX %}
            xk{{ n }} = k0; xr{{ n }} = vec4<f32>(v0);
{% else %}
            xk{{ n }} = vec4<bool>(k0, k1, k2, k3); xr{{ n }} = vec4<f32>(vec4<{{ T }}>(v0, v1, v2, v3));
{% endif %} }
{% endif %}
{% endfor %}{% endfor %}
{% endmacro %}

{#- Padding and pixels past the end become zero here, so that no load is waited for where it is issued. #}
{% macro store(buffer, last) -%}
{% for i in range(NG) %}
        gs[{{ buffer }}][{{ i }}][g_k][g_h][g_l] = {% if last %}select(vec4<f32>(), gr{{ i }}, gk{{ i }}){% else %}gr{{ i }}{% endif %};
{% endfor %}
{% for i in range(NX) %}{% for s in range(NC) %}{% set n = i * NC + s %}
        xs[{{ buffer }}][{{ i }}][x_k][x_h{{ s }}][x_l{{ s }}] = {% if last or RANK %}select(vec4<f32>(), xr{{ n }}, xk{{ n }}){% else %}xr{{ n }}{% endif %};
{% endfor %}{% endfor %}
{% endmacro %}

{% macro advance(last) -%}
        g_at += {{ BK }}u * p.g_pixel;{% if last %} g_pixel += {{ BK }}u; x_pixel += {{ BK }}u;{% endif +%}
{% if RANK == 0 %}
        x_at += {{ BK }}u * p.x_w;
{% else %}
{% for i in range(NX) %}
        {
            w{{ i }} += i32(p.step_w); o{{ i }} += p.step_offset;
            let cw = w{{ i }} >= end_w;
            w{{ i }} = select(w{{ i }}, w{{ i }} - i32(p.end_w), cw); o{{ i }} += select(0u, p.wrap_w, cw);
            h{{ i }} += i32(p.step_h) + select(0, i32(p.stride_h), cw);
            let ch = h{{ i }} >= end_h;
            h{{ i }} = select(h{{ i }}, h{{ i }} - i32(p.end_h), ch); o{{ i }} += select(0u, p.wrap_h, ch);
{% if RANK == 3 %}
            d{{ i }} += i32(p.step_d) + select(0, i32(p.stride_d), ch);
            let cd = d{{ i }} >= end_d;
            d{{ i }} = select(d{{ i }}, d{{ i }} - i32(p.end_d), cd); o{{ i }} += select(0u, p.wrap_d, cd);
{% endif %}
        }
{% endfor %}
{% endif %}
{% endmacro %}

{% macro compute(buffer) -%}
{% for k in range(BK) %}
{% for h in range(HG) %}
        let g{{ k }}_{{ h }} = gs[{{ buffer }}][{{ k // RG }}][{{ k % RG }}][{{ h }}][ty];
{% endfor %}
{% for j in range(HX) %}
        let x{{ k }}_{{ j }} = xs[{{ buffer }}][{{ k // RX }}][{{ k % RX }}][{{ j }}][tx];
{% endfor %}
{% for i in range(PM) %}{% for j in range(HX) %}
        a{{ i }}_{{ j }} = fma(vec4<f32>(g{{ k }}_{{ i // 4 }}.{{ LANES[i % 4] }}), x{{ k }}_{{ j }}, a{{ i }}_{{ j }});
{% endfor %}{% endfor %}
{% endfor %}
{% endmacro %}

{% macro turn(last) -%}
{% for buffer in range(2) %}
        {{ advance(last) }}
        {{ load_g(last) }}
        {{ load_x(last) }}
        { {{ compute(buffer) }} }
        {{ store(1 - buffer, last) }}
        workgroupBarrier();
{% endfor %}
{% endmacro %}

@compute @workgroup_size({{ NT }})
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let tx = tid % {{ TX }}u; let ty = tid / {{ TX }}u;
    let split = p.split_first + wg.z % p.splits; let group = wg.z / p.splits;
    let begin = split * p.chunk; let end = min(begin + p.chunk, p.pixels);

    let g_k = tid / {{ BM // 4 }}u; let g_column = tid % {{ BM // 4 }}u;
    let g_h = g_column / {{ TY }}u; let g_l = g_column % {{ TY }}u;
    var g_pixel = begin + g_k;
    // Rows past the last give sums that are not stored; they read the last so as to stay inside.
    let row = min(wg.y * {{ BM }}u + g_column * 4u, (p.rows - 1u){% if VG %} & 0xfffffffcu{% endif %});
    var g_at = p.g_first + group * p.g_group + row{% if VG %} / 4u{% endif %} + g_pixel * p.g_pixel;

    let x_k = tid / {{ CX }}u; let x_column = tid % {{ CX }}u;
{% for s in range(NC) %}
    let x_c{{ s }} = x_column + {{ s * CX }}u; let x_h{{ s }} = x_c{{ s }} / {{ TX }}u; let x_l{{ s }} = x_c{{ s }} % {{ TX }}u;
{% endfor %}
    var x_pixel = begin + x_k;
    let column = wg.x * {{ BN }}u + x_column * 4u;
{% if RANK == 0 %}
    var x_at = p.x_first + group * p.x_group + x_pixel * p.x_w
        + min(column, (p.columns - 1u){% if VX %} & 0xfffffffcu{% endif %}){% if VX %} / 4u{% endif %};
{% else %}
{% for c in range(NC if VX else 4) %}
    var tap{{ c }}: u32; var tap_w{{ c }}: i32; var tap_h{{ c }}: i32;{% if RANK == 3 %} var tap_d{{ c }}: i32;{% endif +%}
    {
        let at = min(column + {{ c * CX * 4 if VX else c }}u, (p.columns - 1u){% if VX %} & 0xfffffffcu{% endif %});
        let t = at / p.channels; let channel = at - t * p.channels;
        let u = t / p.kernel_w; let kw = (t - u * p.kernel_w) * p.dilation_w;
{% if RANK == 3 %}
        let v = u / p.kernel_h; let kh = (u - v * p.kernel_h) * p.dilation_h; let kd = v * p.dilation_d;
        tap_d{{ c }} = i32(kd - p.low_d);
{% else %}
        let kh = u * p.dilation_h;
{% endif %}
        tap_w{{ c }} = i32(kw - p.low_w); tap_h{{ c }} = i32(kh - p.low_h);
        tap{{ c }} = p.x_first + group * p.x_group + channel{% if VX %} / 4u{% endif +%}
            + u32(tap_w{{ c }}) * p.x_w + u32(tap_h{{ c }}) * p.x_h{% if RANK == 3 %} + u32(tap_d{{ c }}) * p.x_d{% endif %};
    }
{% endfor %}
{% for i in range(NX) %}
    var w{{ i }}: i32; var h{{ i }}: i32;{% if RANK == 3 %} var d{{ i }}: i32;{% endif %} var o{{ i }}: u32;
    {
        let at = x_pixel + {{ i * RX }}u;
        let t = at / p.out_w; w{{ i }} = i32((at - t * p.out_w) * p.stride_w);
        let u = t / p.out_h; h{{ i }} = i32((t - u * p.out_h) * p.stride_h);
        o{{ i }} = u32(w{{ i }}) * p.x_w + u32(h{{ i }}) * p.x_h;
{% if RANK == 3 %}
        let n = u / p.out_d; d{{ i }} = i32((u - n * p.out_d) * p.stride_d);
        o{{ i }} += u32(d{{ i }}) * p.x_d + n * p.x_n;
{% else %}
        o{{ i }} += u * p.x_n;
{% endif %}
{% if ONE %}
        w{{ i }} += tap_w0; h{{ i }} += tap_h0;{% if RANK == 3 %} d{{ i }} += tap_d0;{% endif %} o{{ i }} += tap0;
{% endif %}
    }
{% endfor %}
{% for axis in ["w", "h", "d"] if axis != "d" or RANK == 3 %}
    let end_{{ axis }} = i32(p.end_{{ axis }}){% if ONE %} + tap_{{ axis }}0{% endif %};
{% endfor %}
{% endif %}
{% for i in range(NG) %}
    let g_end{{ i }} = max(end, {{ i * RG }}u) - {{ i * RG }}u;
{% endfor %}
{% for i in range(NX) %}
    let x_end{{ i }} = max(end, {{ i * RX }}u) - {{ i * RX }}u;
{% endfor %}
{% for i in range(NG) %}
    var gr{{ i }}: vec4<f32>; var gk{{ i }}: bool;
{% endfor %}
{% for i in range(NX * NC) %}
    var xr{{ i }}: vec4<f32>; var xk{{ i }}: {{ "bool" if VX or RANK == 0 else "vec4<bool>" }};
{% endfor %}
{% for i in range(PM) %}{% for j in range(HX) %}
    var a{{ i }}_{{ j }} = vec4<f32>();
{% endfor %}{% endfor %}
    {{ load_g(true) }}
    {{ load_x(true) }}
    {{ store(0, true) }}
    workgroupBarrier();
    // Turns whose loads all stand before the end, and the rest.
    let pixels = max(end, begin) - begin;
    let inner = min(max(pixels / {{ BK }}u, 1u) - 1u, p.stages) / 2u;
    for (var turn = 0u; turn < inner; turn++) {
        {{ turn(false) }}
    }
    g_pixel += inner * {{ 2 * BK }}u; x_pixel += inner * {{ 2 * BK }}u;
    for (var turn = inner; turn < p.stages / 2u; turn++) {
        {{ turn(true) }}
    }
    let y_at = p.y_first + split * p.y_split + group * p.y_group;
{% for j in range(HX) %}{% for c in range(4) %}
    {
        let at = wg.x * {{ BN }}u + (tx + {{ j * TX }}u) * 4u + {{ c }}u;
        if (at < p.columns) {
{% if RANK == 0 %}
            let column_at = y_at + at;
{% else %}
            let t = at / p.channels;
            let column_at = y_at + (at - t * p.channels) * p.y_channel + t * p.y_tap;
{% endif %}
{% for i in range(PM) %}
            { let o = wg.y * {{ BM }}u + (ty + {{ (i // 4) * TY }}u) * 4u + {{ i % 4 }}u;
                if (o < p.rows) { y[column_at + o * p.y_row] = a{{ i }}_{{ j }}.{{ LANES[c] }}; } }
{% endfor %}
        }
    }
{% endfor %}{% endfor %}
}
