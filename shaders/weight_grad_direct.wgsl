{#- The weight gradient where a group has too few channels for a GEMM tile: a thread sums one output, or one tap of
    four depthwise channels, over the pixels of one split. Threads beside each other take neighbouring channels.
    V     depthwise, four channels at once (else one output of any groups)
    HALF  storage is f16; sums and y are f32 -#}
{% set T = "f16" if HALF else "f32" %}
{% set STORED = "vec4<" ~ T ~ ">" if V else T %}
{% set F = "vec4<f32>" if V else "f32" %}
{% include "weight_grad_params.wgsl" %}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> g: array<{{ STORED }}>;
@group(0) @binding(2) var<storage, read> x: array<{{ STORED }}>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) tid: u32) {
    let i = (wg.y * grid.x + wg.x) * 64u + tid;
    if (i >= p.units * p.splits) { return; }
    let part = i / p.units; let unit = i - part * p.units;
    let split = p.split_first + part;
    let begin = split * p.chunk; let end = min(begin + p.chunk, p.pixels);
{% if V %}
    let tap = unit / p.rows; let o = unit - tap * p.rows;
    let channel = o; let c = 0u;
{% else %}
    // `rows` are all output channels here, `g_group` those of one group.
    let rest = unit / p.rows; let o = unit - rest * p.rows;
    let tap = rest / p.channels; let c = rest - tap * p.channels;
    let channel = o / p.g_group * p.channels + c;
{% endif %}
    let t = tap / p.kernel_w; let kw = (tap - t * p.kernel_w) * p.dilation_w - p.low_w;
    let u = t / p.kernel_h; let kh = (t - u * p.kernel_h) * p.dilation_h - p.low_h;
    let kd = u * p.dilation_d - p.low_d;
    let base = p.x_first + channel + kd * p.x_d + kh * p.x_h + kw * p.x_w;

    let q = begin / p.out_w; var w = (begin - q * p.out_w) * p.stride_w;
    let r = q / p.out_h; var h = (q - r * p.out_h) * p.stride_h;
    let n = r / p.out_d; var d = (r - n * p.out_d) * p.stride_d;
    var at = base + n * p.x_n + d * p.x_d + h * p.x_h + w * p.x_w;
    var g_at = p.g_first + o + begin * p.g_pixel;
    var sum = {{ F }}(0.0);
    for (var pixel = begin; pixel < end; pixel++) {
        let inside = (d + kd < p.size_d) & (h + kh < p.size_h) & (w + kw < p.size_w);
        if (inside) { sum = fma({{ F }}(g[g_at]), {{ F }}(x[at]), sum); }
        g_at += p.g_pixel;
        w += p.stride_w; at += p.stride_w * p.x_w;
        let cw = w >= p.end_w;
        w = select(w, 0u, cw); at += select(0u, p.wrap_w, cw);
        h += select(0u, p.stride_h, cw);
        let ch = h >= p.end_h;
        h = select(h, 0u, ch); at += select(0u, p.wrap_h, ch);
        d += select(0u, p.stride_d, ch);
        let cd = d >= p.end_d;
        d = select(d, 0u, cd); at += select(0u, p.wrap_d, cd);
    }
    let y_at = p.y_first + split * p.y_split;
{% if V %}
{% for c in range(4) %}
    y[y_at + (o * 4u + {{ c }}u) * p.taps + tap] = sum[{{ c }}];
{% endfor %}
{% else %}
    y[y_at + (o * p.channels + c) * p.taps + tap] = sum;
{% endif %}
}
