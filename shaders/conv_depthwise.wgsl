{# Depthwise convolution, channels-last: a thread computes tw by th outputs of xv channels, without workgroup memory.

    xv        4: vec4 over channels; 1: one channel, for channel counts that are no multiple of four
    kh, kw    both given: unrolled for this kernel and a stride of sh, sw, columns reused between the outputs; kw only:
              rows in a loop, columns unrolled; 0: any kernel, stride and dilation
    rank3     planes of taps too

    Weights are packed as [tap][channel]. #}
{% set columns = (tw - 1) * sw + kw %}
{% set rows = (th - 1) * sh + kh %}
{% set A = "vec4<f32>" if xv == 4 else "f32" %}
{% set S = V if xv == 4 else T %}
{% include "conv_params.wgsl" %}
@group(0) @binding(1) var<storage, read> input: array<{{ S }}>;
@group(0) @binding(2) var<storage, read> weight: array<{{ S }}>;
@group(0) @binding(3) var<storage, read> bias: array<{{ T }}>;
@group(0) @binding(4) var<storage, read> residual: array<{{ S }}>;
@group(0) @binding(5) var<storage, read_write> output: array<{{ S }}>;
{% include "conv_epilogue.wgsl" %}

{% macro load(name, at, inside) %}
      let {{ name }} = select({{ A }}(), {{ A }}(input[select(0u, {{ at }}, {{ inside }})]), {{ inside }});
{% endmacro %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
  // (image, plane, tile of rows, tile of columns, channel), the channels in elements; w_group: from a tap to the next.
  let e = (wg.y * count.x + wg.x) * 64u + tid;
  let by_tile = e / p.columns;
  let c = e - by_tile * p.columns;
  let by_row = by_tile / p.column_tiles;
  let ow = (by_tile - by_row * p.column_tiles) * {{ tw }}u;
  let row_tiles = (p.oh + {{ th - 1 }}u) / {{ th }}u;
  let by_plane = by_row / row_tiles;
  let oh = (by_row - by_plane * row_tiles) * {{ th }}u;
  let n = by_plane / p.od;
  let od = by_plane - n * p.od;
  let first = (by_plane * p.oh + oh) * p.ow + ow;
  if (n * p.od * p.oh * p.ow >= p.pixels) { return; }
{% if kw > 0 %}
  let ix = ow * {{ sw }}u - p.pw;
{% else %}
  let ix = ow * p.sw - p.pw;
{% endif %}
{% if kh > 0 %}
  let iy = oh * {{ sh }}u - p.ph;
{% else %}
  let iy = oh * p.sh - p.ph;
{% endif %}
  let iz = od * p.sd - p.pd;
  let image = p.x_first + n * p.xn + c;
  var w_at = p.w_first + c;
{% for i in range(th) %}
{% for j in range(tw) %}
  var a{{ i }}_{{ j }} = {{ A }}();
{% endfor %}
{% endfor %}
{% if kw > 0 %}
{% for j in range(columns) %}
  let in{{ j }} = ix + {{ j }}u < p.iw;
  let at{{ j }} = (ix + {{ j }}u) * p.xw;
{% endfor %}
{% endif %}
{% if rank3 %}
  for (var kd = 0u; kd < p.kd; kd++) {
    let z = iz + kd * p.dd;
    let in_z = z < p.id;
    let plane = image + z * p.xd;
{% else %}
  {
    let plane = image;
{% endif %}
{% if kh > 0 %}
{% for a in range(kh) %}
{% for b in range(kw) %}
    let w{{ a }}_{{ b }} = {{ A }}(weight[w_at + {{ a * kw + b }}u * p.w_group]);
{% endfor %}
{% endfor %}
{% for r in range(rows) %}
    {
      let in_y = {{ "in_z & " if rank3 }}(iy + {{ r }}u < p.ih);
      let row = plane + (iy + {{ r }}u) * p.xh;
{% for j in range(columns) %}
{{ load("x" ~ j, "row + at" ~ j, "in_y & in" ~ j) }}
{% endfor %}
{% for i in range(th) %}
{% set a = r - i * sh %}
{% if a >= 0 and a < kh %}
{% for b in range(kw) %}
{% for j in range(tw) %}
      a{{ i }}_{{ j }} = fma(x{{ j * sw + b }}, w{{ a }}_{{ b }}, a{{ i }}_{{ j }});
{% endfor %}
{% endfor %}
{% endif %}
{% endfor %}
    }
{% endfor %}
    w_at += {{ kh * kw }}u * p.w_group;
{% elif kw > 0 %}
    for (var kh = 0u; kh < p.kh; kh++) {
      let y = iy + kh * p.dh;
      let in_y = {{ "in_z & " if rank3 }}(y < p.ih);
      let row = plane + y * p.xh;
{% for b in range(kw) %}
      let w{{ b }} = {{ A }}(weight[w_at + {{ b }}u * p.w_group]);
{% endfor %}
{% for j in range(columns) %}
{{ load("x" ~ j, "row + at" ~ j, "in_y & in" ~ j) }}
{% endfor %}
{% for b in range(kw) %}
{% for j in range(tw) %}
      a0_{{ j }} = fma(x{{ j * sw + b }}, w{{ b }}, a0_{{ j }});
{% endfor %}
{% endfor %}
      w_at += {{ kw }}u * p.w_group;
    }
{% else %}
    for (var kh = 0u; kh < p.kh; kh++) {
      let y = iy + kh * p.dh;
      let in_y = {{ "in_z & " if rank3 }}(y < p.ih);
      let row = plane + y * p.xh;
      var kx = ix;
      for (var kw = 0u; kw < p.kw; kw++) {
        let w = {{ A }}(weight[w_at]);
{% for j in range(tw) %}
        let x{{ j }} = kx + {{ j }}u * p.sw;
        let in{{ j }} = in_y & (x{{ j }} < p.iw);
        a0_{{ j }} = fma(select({{ A }}(), {{ A }}(input[select(0u, row + x{{ j }} * p.xw, in{{ j }})]), in{{ j }}), w, a0_{{ j }});
{% endfor %}
        w_at += p.w_group;
        kx += p.dw;
      }
    }
{% endif %}
  }
{% if xv == 4 %}
  let offset = bias_of(c * 4u, 4u);
{% else %}
  let offset = bias_of(c, 1u);
{% endif %}
{% for i in range(th) %}
{% for j in range(tw) %}
  if ((oh + {{ i }}u < p.oh) & (ow + {{ j }}u < p.ow)) {
    finish(place(first + {{ i }}u * p.ow + {{ j }}u) + c, {{ 4 if xv == 4 else 1 }}u, {% if xv == 4 %}a{{ i }}_{{ j }}{% else %}vec4<f32>(a{{ i }}_{{ j }}, 0.0, 0.0, 0.0){% endif %} + offset);
  }
{% endfor %}
{% endfor %}
}
