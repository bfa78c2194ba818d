{# The second pass of a split sum: adds the parts in their order, then the epilogue. A thread computes four output
    channels of one output. #}
{% include "conv_params.wgsl" %}
@group(0) @binding(1) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<{{ T }}>;
@group(0) @binding(3) var<storage, read> residual: array<{{ V if vec4_store else T }}>;
@group(0) @binding(4) var<storage, read_write> output: array<{{ V if vec4_store else T }}>;
{% include "conv_epilogue.wgsl" %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
  // columns: vectors of a row of sums; column_tiles: those that hold output channels, of all groups.
  let e = (wg.y * count.x + wg.x) * 64u + tid;
  let m = e / p.column_tiles;
  if (m >= p.pixels) { return; }
  let column = e - m * p.column_tiles;
  let used = (p.out_channels + 3u) / 4u;
  let group = column / used;
  let o4 = column - group * used;
  var at = p.x_first + (group * p.splits * p.pixels + m) * p.columns + o4;
  var sum = sums[at];
  for (var part = 1u; part < p.splits; part++) {
    at += p.pixels * p.columns;
    sum += sums[at];
  }
  let left = p.out_channels - o4 * 4u;
  let to = place(m) + group * p.y_group + o4{{ " * 4u" if not vec4_store }};
  finish(to, left, sum + bias_of(group * p.out_channels + o4 * 4u, left));
}
