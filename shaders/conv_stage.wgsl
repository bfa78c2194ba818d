{# Copies x, in any strides, to channels-last memory with zeros around the image and behind each group's channels. #}
{% include "conv_params.wgsl" %}
@group(0) @binding(1) var<storage, read> input: array<{{ T }}>;
@group(0) @binding(2) var<storage, read_write> output: array<{{ T }}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
  let e = (wg.y * count.x + wg.x) * 64u + tid;
  if (e >= p.total) { return; }
  let by_channel = e / p.ic_pad;
  let ic = e - by_channel * p.ic_pad;
  let by_group = by_channel / p.groups;
  let group = by_channel - by_group * p.groups;
  let by_column = by_group / p.ow;
  let x = by_group - by_column * p.ow - p.pw;
  let by_row = by_column / p.oh;
  let y = by_column - by_row * p.oh - p.ph;
  let n = by_row / p.od;
  let z = by_row - n * p.od - p.pd;
  var v = {{ T }}(0.0);
  if ((ic < p.in_channels) & (x < p.iw) & (y < p.ih) & (z < p.id)) {
    v = input[p.x_first + n * p.xn + (group * p.in_channels + ic) * p.xc + z * p.xd + y * p.xh + x * p.xw];
  }
  output[p.y_first + e] = v;
}
