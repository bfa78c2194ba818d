{#- Adds the partial results that a split sum left, in their order: y[i] = sum over s of x[s, i].
    HALF  y is f16 -#}
struct Params { size: u32, splits: u32, x_first: u32, y_first: u32, x_split: u32, unused0: u32, unused1: u32, unused2: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<{{ "f16" if HALF else "f32" }}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
                @builtin(local_invocation_index) tid: u32) {
    let i = (wg.y * grid.x + wg.x) * 64u + tid;
    if (i >= p.size) { return; }
    var at = p.x_first + i;
    var sum = x[at];
    for (var s = 1u; s < p.splits; s++) {
        at += p.x_split;
        sum += x[at];
    }
    y[p.y_first + i] = {{ "f16(sum)" if HALF else "sum" }};
}
