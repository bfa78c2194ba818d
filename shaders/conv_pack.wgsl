{# Weights in the order of the kernels: [group][row][column], vectors of four output channels, zeros where a row, a
    channel or an output channel does not exist. #}
{% set lanes = ["x", "y", "z", "w"] %}
{% include "conv_params.wgsl" %}
@group(0) @binding(1) var<storage, read> weight: array<{{ T }}>;
@group(0) @binding(2) var<storage, read_write> packed: array<{{ V }}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
  let e = (wg.y * count.x + wg.x) * 64u + tid;
  if (e >= p.total) { return; }
  let by_column = e / p.columns;
  let column = e - by_column * p.columns;
  let group = by_column / p.rows;
  let k = by_column - group * p.rows;
  let tap_row = k / p.row_pad;
  let j = k - tap_row * p.row_pad;
  let kx = j / p.ic_pad;
  let ic = j - kx * p.ic_pad;
  let kz = tap_row / p.kh;
  let ky = tap_row - kz * p.kh;
  let exists = (kz < p.kd) & (j < p.row_len) & (ic < p.in_channels);
  let at = p.w_first + group * p.wg + ic * p.wi + kz * p.wz + ky * p.wy + kx * p.wx;
  var v = {{ V }}();
  if (exists) {
{% for lane in lanes %}
    if (column * 4u + {{ loop.index0 }}u < p.out_channels) { v.{{ lane }} = weight[at + (column * 4u + {{ loop.index0 }}u) * p.wo]; }
{% endfor %}
  }
  packed[p.y_first + e] = v;
}
