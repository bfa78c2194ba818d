{# Direct convolution for few output channels in a group, and for channel counts of any kind: a thread computes four
    output channels of four outputs that follow each other in the lattice, without workgroup memory. Without taps it
    gives the epilogue of zero.

    xv        4: x is read as vec4 over channels; 1: as numbers

    A sum runs over (plane, row, column of taps, input channel), as in the implicit GEMM. #}
{% set lanes = ["x", "y", "z", "w"] %}
{% include "conv_params.wgsl" %}
@group(0) @binding(1) var<storage, read> input: array<{{ V if xv == 4 else T }}>;
@group(0) @binding(2) var<storage, read> weight: array<{{ V }}>;
@group(0) @binding(3) var<storage, read> bias: array<{{ T }}>;
@group(0) @binding(4) var<storage, read> residual: array<{{ V if vec4_store else T }}>;
@group(0) @binding(5) var<storage, read_write> output: array<{{ V if vec4_store else T }}>;
{% include "conv_epilogue.wgsl" %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
  // column_tiles: vectors of output channels of all groups.
  let e = (wg.y * count.x + wg.x) * 64u + tid;
  let quad = e / p.column_tiles;
  if (quad * 4u >= p.pixels) { return; }
  let column = e - quad * p.column_tiles;
  let group = column / p.columns;
  let o4 = column - group * p.columns;
  let first_input = p.x_first + group * p.x_group;
  var m = quad * 4u;
  let by_row = m / p.ow;
  let by_plane = by_row / p.oh;
  var ow = m - by_row * p.ow;
  var oh = by_row - by_plane * p.oh;
  var n = by_plane / p.od;
  var od = by_plane - n * p.od;
{% for i in range(4) %}
{% if i > 0 %}
  m += 1u;
  ow += 1u;
  if (ow >= p.ow) { ow = 0u; oh += 1u; }
  if (oh >= p.oh) { oh = 0u; od += 1u; }
  if (od >= p.od) { od = 0u; n += 1u; }
{% endif %}
  let px{{ i }} = ow * p.sw - p.pw;
  let py{{ i }} = oh * p.sh - p.ph;
  let z{{ i }} = od * p.sd - p.pd;
  let base{{ i }} = first_input + n * p.xn + z{{ i }} * p.xd + py{{ i }} * p.xh + px{{ i }} * p.xw;
  let pz{{ i }} = select(0x80000000u, z{{ i }}, m < p.pixels);
  var a{{ i }} = vec4<f32>();
{% endfor %}
  var w_at = p.w_first + group * p.w_group + o4;
  for (var kd = 0u; kd < p.kd; kd++) {
    let kz = kd * p.dd;
    for (var kh = 0u; kh < p.kh; kh++) {
      let ky = kh * p.dh;
{% for i in range(4) %}
      let row{{ i }} = (pz{{ i }} + kz < p.id) & (py{{ i }} + ky < p.ih);
      let start{{ i }} = base{{ i }} + kz * p.xd + ky * p.xh;
{% endfor %}
      for (var kw = 0u; kw < p.kw; kw++) {
        let kx = kw * p.dw;
{% for i in range(4) %}
        let in{{ i }} = row{{ i }} & (px{{ i }} + kx < p.iw);
        let at{{ i }} = start{{ i }} + kx * p.xw;
{% endfor %}
        for (var ic = 0u; ic < p.n_ic; ic++) {
{% for i in range(4) %}
          let x{{ i }} = {% if xv == 4 %}select(vec4<f32>(), vec4<f32>(input[select(0u, at{{ i }} + ic, in{{ i }})]), in{{ i }}){% else %}select(0.0, f32(input[select(0u, at{{ i }} + ic, in{{ i }})]), in{{ i }}){% endif %};
{% endfor %}
{% for c in range(xv) %}
          let w{{ c }} = vec4<f32>(weight[w_at + {{ c }}u * p.columns]);
{% endfor %}
{% for c in range(xv) %}
{% for i in range(4) %}
          a{{ i }} = fma(vec4<f32>(x{{ i }}{{ "." ~ lanes[c] if xv == 4 }}), w{{ c }}, a{{ i }});
{% endfor %}
{% endfor %}
          w_at += {{ xv }}u * p.columns;
        }
      }
    }
  }
  let left = p.out_channels - o4 * 4u;
  let offset = bias_of(group * p.out_channels + o4 * 4u, left);
  let to = group * p.y_group + o4{{ " * 4u" if not vec4_store }};
{% for i in range(4) %}
  if (quad * 4u + {{ i }}u < p.pixels) { finish(place(quad * 4u + {{ i }}u) + to, left, a{{ i }} + offset); }
{% endfor %}
}
