{#- Windows as columns, and the sum of columns back into an array, both gathered: a thread makes one output.

    Columns are (n, channel and tap, window), windows and taps in C order.
    A dispatch makes a region of them: sizes of what the outputs are numbered by are the region's.
    FOLD  y is (n, c, d, h, w), x the columns; else y is the columns, x (n, c, d, h, w)
    KIND  bits (any 4 bytes, zeros outside of the array), f16; with FOLD f32, f16 (sums are f32) -#}
{% set STORED = "u32" if KIND == "bits" else KIND %}
struct Params {
    size: u32, channels: u32, size_d: u32, size_h: u32,
    size_w: u32, out_d: u32, out_h: u32, out_w: u32,
    kernel_d: u32, kernel_h: u32, kernel_w: u32, x_first: u32,
    stride_d: u32, stride_h: u32, stride_w: u32, y_first: u32,
    dilation_d: u32, dilation_h: u32, dilation_w: u32, x_n: u32,
    low_d: u32, low_h: u32, low_w: u32, x_c: u32,
    // Strides along d, h, w; with FOLD x_w is that of windows.
    x_d: u32, x_h: u32, x_w: u32, y_n: u32,
    y_c: u32, y_d: u32, y_h: u32, y_w: u32,
    // Of y along the kernel; with FOLD of x. `some` is the place of any element that there is.
    tap_d: u32, tap_h: u32, tap_w: u32, some: u32,
    // Whether earlier taps have left their sum in y (FOLD).
    more: u32, unused0: u32, unused1: u32, unused2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<{{ STORED }}>;
@group(0) @binding(2) var<storage, read_write> y: array<{{ STORED }}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
                @builtin(local_invocation_index) tid: u32) {
    let i = (wg.y * grid.x + wg.x) * 64u + tid;
    if (i >= p.size) { return; }
    var t = i; var u: u32;
{% if FOLD %}
    u = t / p.size_w; let w = t - u * p.size_w; t = u;
    u = t / p.size_h; let h = t - u * p.size_h; t = u;
    u = t / p.size_d; let d = t - u * p.size_d; t = u;
    u = t / p.channels; let c = t - u * p.channels;
    let base = p.x_first + u * p.x_n + c * p.x_c;
    let to = p.y_first + u * p.y_n + c * p.y_c + d * p.y_d + h * p.y_h + w * p.y_w;
    var sum = 0.0;
    if (p.more != 0u) { sum = f32(y[to]); }
    for (var kd = 0u; kd < p.kernel_d; kd++) {
        // Places before the first window wrap around to large numbers, which are past the last one.
        let at_d = d + p.low_d - kd * p.dilation_d; let od = at_d / p.stride_d;
        let in_d = (od < p.out_d) & (od * p.stride_d == at_d);
        for (var kh = 0u; kh < p.kernel_h; kh++) {
            let at_h = h + p.low_h - kh * p.dilation_h; let oh = at_h / p.stride_h;
            let in_h = in_d & (oh < p.out_h) & (oh * p.stride_h == at_h);
            var row = base + kd * p.tap_d + kh * p.tap_h;
            for (var kw = 0u; kw < p.kernel_w; kw++) {
                let at_w = w + p.low_w - kw * p.dilation_w; let ow = at_w / p.stride_w;
                if (in_h & (ow < p.out_w) & (ow * p.stride_w == at_w)) {
                    sum += f32(x[row + ((od * p.out_h + oh) * p.out_w + ow) * p.x_w]);
                }
                row += p.tap_w;
            }
        }
    }
    y[to] = {{ STORED }}(sum);
{% else %}
    u = t / p.out_w; let ow = t - u * p.out_w; t = u;
    u = t / p.out_h; let oh = t - u * p.out_h; t = u;
    u = t / p.out_d; let od = t - u * p.out_d; t = u;
    u = t / p.kernel_w; let kw = t - u * p.kernel_w; t = u;
    u = t / p.kernel_h; let kh = t - u * p.kernel_h; t = u;
    u = t / p.kernel_d; let kd = t - u * p.kernel_d; t = u;
    u = t / p.channels; let c = t - u * p.channels;
    let d = od * p.stride_d + kd * p.dilation_d - p.low_d;
    let h = oh * p.stride_h + kh * p.dilation_h - p.low_h;
    let w = ow * p.stride_w + kw * p.dilation_w - p.low_w;
    let inside = (d < p.size_d) & (h < p.size_h) & (w < p.size_w);
    let at = p.x_first + u * p.x_n + c * p.x_c + d * p.x_d + h * p.x_h + w * p.x_w;
    let to = p.y_first + u * p.y_n + c * p.y_c + od * p.y_d + oh * p.y_h + ow * p.y_w
                     + kd * p.tap_d + kh * p.tap_h + kw * p.tap_w;
    y[to] = select({{ STORED }}(0), x[select(p.some, at, inside)], inside);
{% endif %}
}
