{#- The uniform block of the weight gradient's kernels, as src/gpu/weight_grad.rs fills it. -#}
struct Params {
    pixels: u32, chunk: u32, stages: u32, splits: u32,
    rows: u32, columns: u32, channels: u32, split_first: u32,
    g_first: u32, g_pixel: u32, g_group: u32, x_first: u32,
    x_group: u32, x_n: u32, x_d: u32, x_h: u32,
    x_w: u32, size_d: u32, size_h: u32, size_w: u32,
    out_d: u32, out_h: u32, out_w: u32, kernel_h: u32,
    stride_d: u32, stride_h: u32, stride_w: u32, kernel_w: u32,
    low_d: u32, low_h: u32, low_w: u32, taps: u32,
    dilation_d: u32, dilation_h: u32, dilation_w: u32, y_first: u32,
    // BK pixels in mixed radix, each digit times its stride, and what they move the offset by.
    step_w: u32, step_h: u32, step_d: u32, step_offset: u32,
    // Where each digit wraps, and what the wrap moves the offset by.
    end_w: u32, end_h: u32, end_d: u32, wrap_w: u32,
    wrap_h: u32, wrap_d: u32, y_split: u32, y_group: u32,
    y_row: u32, y_channel: u32, y_tap: u32, units: u32,
}
