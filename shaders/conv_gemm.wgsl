{# Implicit GEMM: sums over (tap, input channel) of x, channels-last, times packed weights [group][k][output channel].

    A workgroup computes bm outputs of the lattice by bn channels, a thread pm by pn in named vec4 accumulators, bk
    numbers of the sum at a stage. Tap counters run in mixed radix with steps from the uniform block: no division in
    the loop. The order of a sum is that of k, whatever the tile.

    gather    tap: channels of a group fill whole stages, so that a stage lies in one tap and its counters are the
              workgroup's; any: channels are a multiple of four; pointwise: outputs are inputs; stem: x is padded in
              memory, a row of taps is one run of numbers
    staging   db: two buffers and one barrier a stage, x as vec4 over k; xt: one buffer, x as vec4 over four
              neighbouring outputs
    rank3     planes of taps too; split: a part of the sum goes to a workspace in f32, conv_reduce.wgsl adds them up

    Workgroup arrays are nested so that every access has one dynamic index, a variable that the loop does not change:
    the check that wgpu adds to it leaves the loop. #}
{% set lanes = ["x", "y", "z", "w"] %}
{% set moves = gather == "tap" or gather == "any" %}
{# Two vectors of k in a stage, or one tap: their counters are the workgroup's, and a thread selects. #}
{% set sets = ["_0", "_1"] if staging == "db" and (gather == "any" or gather == "stem") else [""] %}
{% include "conv_params.wgsl" %}
@group(0) @binding(1) var<storage, read> input: array<{{ T if gather == "stem" else V }}>;
@group(0) @binding(2) var<storage, read> weight: array<{{ V }}>;
{% if split %}
@group(0) @binding(3) var<storage, read_write> sums: array<vec4<f32>>;
{% else %}
@group(0) @binding(3) var<storage, read> bias: array<{{ T }}>;
@group(0) @binding(4) var<storage, read> residual: array<{{ V if vec4_store else T }}>;
@group(0) @binding(5) var<storage, read_write> output: array<{{ V if vec4_store else T }}>;
{% include "conv_epilogue.wgsl" %}
{% endif %}

{% if staging == "xt" %}
struct XRow { v: array<array<vec4<f32>, {{ ty }}>, {{ pm // 4 }}>, pad: vec4<f32> }
var<workgroup> xs: array<array<array<XRow, 4>, {{ k4 }}>, 1>;
{% else %}
struct XRow { v: array<array<array<vec4<f32>, {{ ty }}>, {{ pixel_step // ty }}>, {{ nx }}>, pad: array<vec4<f32>, 2> }
var<workgroup> xs: array<array<XRow, {{ k4 }}>, 2>;
{% endif %}
var<workgroup> ws: array<array<array<array<array<vec4<f32>, {{ tx }}>, {{ pn // 4 }}>, {{ row_step }}>, {{ nw }}>, {{ 1 if staging == "xt" else 2 }}>;

{# Padding becomes zero here, not at the load: the wait for a load belongs behind the products. #}
{% macro store_stage(buffer) %}
{% for i in range(nx) %}
    x{{ i }} = select({{ V }}(), x{{ i }}, in{{ i }});
{% endfor %}
{% if staging == "xt" %}
{% for lane in lanes %}
    xs[0][kq][{{ loop.index0 }}].v[row_high][row_low] = vec4<f32>({{ V }}(x0.{{ lane }}, x1.{{ lane }}, x2.{{ lane }}, x3.{{ lane }}));
{% endfor %}
{% else %}
{% for i in range(nx) %}
    xs[{{ buffer }}][kq].v[{{ i }}][row_high][row_low] = vec4<f32>(x{{ i }});
{% endfor %}
{% endif %}
{% for i in range(nw) %}
    ws[{{ buffer }}][{{ i }}][w_row][w_high][w_low] = vec4<f32>(w{{ i }});
{% endfor %}
{% endmacro %}

{% macro load_stage() %}
    {
{% if sets | length == 2 %}
    let off = select(off_0, off_1, odd);
    let ky = select(ky_0, ky_1, odd);
{% if moves %}
    let kx = select(kx_0, kx_1, odd);
{% else %}
    let ic = select(ic_0, ic_1, odd);
{% endif %}
{% if rank3 %}
    let kz = select(kz_0, kz_1, odd);
{% endif %}
{% endif %}
{% for i in range(nw) %}
    w{{ i }} = weight[w_at + {{ i * row_step }}u * p.columns];
{% endfor %}
{% if gather == "stem" %}
    {
      // Behind the last tap comes another row, or memory of any content.
      let inside = {{ "kz < end_z" if rank3 else "ky < end_y" }};
      let at = select(0u, off, inside);
      let j = ic * 4u;
      let run = vec4<bool>(inside & (j < p.row_len), inside & (j + 1u < p.row_len),
        inside & (j + 2u < p.row_len), inside & (j + 3u < p.row_len));
{% for i in range(nx) %}
      let at{{ i }} = base{{ i }} + at;
      x{{ i }} = {{ V }}(input[at{{ i }}], input[at{{ i }} + 1u], input[at{{ i }} + 2u], input[at{{ i }} + 3u]);
      in{{ i }} = run;
{% endfor %}
    }
{% elif gather == "pointwise" %}
    {
      let inside = ic < p.n_ic;
{% for i in range(nx) %}
      in{{ i }} = inside & exists{{ i }};
      x{{ i }} = input[select(0u, base{{ i }} + off, in{{ i }})];
{% endfor %}
    }
{% else %}
{% for i in range(nx) %}
    in{{ i }} = {% if rank3 %}(pz{{ i }} + kz < p.id) & {% endif %}(py{{ i }} + ky < p.ih) & (px{{ i }} + kx < p.iw);
    x{{ i }} = input[select(0u, base{{ i }} + off, in{{ i }})];
{% endfor %}
{% endif %}
    }
{% endmacro %}

{# To the next stage: add its digits, carry once each. Behind the last tap, the outermost counter stays far outside. #}
{% macro advance() %}
    w_at += {{ bk }}u * p.columns;
{% if gather == "pointwise" %}
    ic += {{ k4 }}u;
    off += {{ k4 }}u;
{% else %}
{% for s in sets %}
    {
      ic{{ s }} += p.step_ic;
      off{{ s }} += p.step_off;
      ky{{ s }} += p.step_ky;
{% if moves %}
      kx{{ s }} += p.step_kx;
{% endif %}
{% if rank3 %}
      kz{{ s }} += p.step_kz;
{% endif %}
      let c0 = ic{{ s }} >= p.n_ic;
      ic{{ s }} = select(ic{{ s }}, ic{{ s }} - p.n_ic, c0);
      off{{ s }} += select(0u, p.wrap_ic, c0);
{% if moves %}
      kx{{ s }} += select(0u, p.dw, c0);
      let c1 = kx{{ s }} >= end_x;
      kx{{ s }} = select(kx{{ s }}, kx{{ s }} - end_x, c1);
      off{{ s }} += select(0u, p.wrap_kx, c1);
      ky{{ s }} += select(0u, p.dh, c1);
{% else %}
      ky{{ s }} += select(0u, p.dh, c0);
{% endif %}
{% if rank3 %}
      let c2 = ky{{ s }} >= end_y;
      ky{{ s }} = select(ky{{ s }}, ky{{ s }} - end_y, c2);
      off{{ s }} += select(0u, p.wrap_ky, c2);
      kz{{ s }} += select(0u, p.dd, c2);
      kz{{ s }} = select(kz{{ s }}, {{ outside }}, kz{{ s }} >= end_z);
{% else %}
      ky{{ s }} = select(ky{{ s }}, {{ outside }}, ky{{ s }} >= end_y);
{% endif %}
    }
{% endfor %}
{% endif %}
{% endmacro %}

{% macro products(buffer) %}
{% for q in range(k4) %}
{% if staging == "db" %}
{% for i in range(pm) %}
    let x{{ q }}_{{ i }} = xs[{{ buffer }}][{{ q }}].v[{{ i // (pixel_step // ty) }}][{{ i % (pixel_step // ty) }}][ty];
{% endfor %}
{% endif %}
{% for c in range(4) %}
{% set k = q * 4 + c %}
{% if staging == "xt" %}
{% for h in range(pm // 4) %}
    let x{{ k }}_{{ h }} = xs[0][{{ q }}][{{ c }}].v[{{ h }}][ty];
{% endfor %}
{% endif %}
{% for j in range(pn // 4) %}
    let w{{ k }}_{{ j }} = ws[{{ buffer }}][{{ k // row_step }}][{{ k % row_step }}][{{ j }}][tx];
{% endfor %}
{% for i in range(pm) %}
{% for j in range(pn // 4) %}
    a{{ i }}_{{ j }} = fma(vec4<f32>({% if staging == "xt" %}x{{ k }}_{{ i // 4 }}.{{ lanes[i % 4] }}{% else %}x{{ q }}_{{ i }}.{{ lanes[c] }}{% endif %}), w{{ k }}_{{ j }}, a{{ i }}_{{ j }});
{% endfor %}
{% endfor %}
{% endfor %}
{% endfor %}
{% endmacro %}

@compute @workgroup_size({{ threads }})
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
  let tile = wg.y * count.x + wg.x;
  let pixel_tile = tile / p.column_tiles;
  let first_pixel = pixel_tile * {{ bm }}u;
  if (first_pixel >= p.pixels) { return; }
  let first_column = (tile - pixel_tile * p.column_tiles) * {{ bn // 4 }}u;
{% if split %}
  let group = wg.z / p.splits;
  let first_stage = (wg.z - group * p.splits) * p.k_stages;
{% else %}
  let group = wg.z;
{% endif %}

  // What this thread computes, and what it stages. The remainders tell the compiler that indices are in range.
  let tx = tid % {{ tx }}u;
  let ty = tid / {{ tx }}u % {{ ty }}u;
  let kq = tid % {{ k4 }}u;
  let row = tid / {{ k4 }}u % {{ threads // k4 }}u;
  let row_low = row % {{ ty }}u;
  let row_high = row / {{ ty }}u;
  let w_column = tid % {{ bn // 4 }}u;
  let w_row = tid / {{ bn // 4 }}u % {{ row_step }}u;
  let w_high = w_column / {{ tx }}u;
  let w_low = w_column % {{ tx }}u;

  // The outputs whose inputs this thread stages.
  let first_input = p.x_first + group * p.x_group{{ " + kq" if gather == "tap" }};
{% if gather != "pointwise" and staging == "xt" %}
  // They follow each other: divide once, then carry.
  var m = first_pixel + row * 4u;
  let by_row = m / p.ow;
  let by_plane = by_row / p.oh;
  var ow = m - by_row * p.ow;
  var oh = by_row - by_plane * p.oh;
{% if rank3 %}
  var n = by_plane / p.od;
  var od = by_plane - n * p.od;
{% else %}
  var n = by_plane;
{% endif %}
{% endif %}
{% for i in range(nx) %}
{% if gather == "pointwise" %}
  let m{{ i }} = first_pixel + {{ "row * 4u" if staging == "xt" else "row" }} + {{ i * pixel_step }}u;
  let exists{{ i }} = m{{ i }} < p.pixels;
  let base{{ i }} = first_input + m{{ i }} * p.xw;
{% else %}
{% if staging == "xt" %}
{% if i > 0 %}
  m += 1u;
  ow += 1u;
  let end_row{{ i }} = ow >= p.ow;
  ow = select(ow, 0u, end_row{{ i }});
  oh += select(0u, 1u, end_row{{ i }});
  let end_plane{{ i }} = oh >= p.oh;
  oh = select(oh, 0u, end_plane{{ i }});
{% if rank3 %}
  od += select(0u, 1u, end_plane{{ i }});
  let end_image{{ i }} = od >= p.od;
  od = select(od, 0u, end_image{{ i }});
  n += select(0u, 1u, end_image{{ i }});
{% else %}
  n += select(0u, 1u, end_plane{{ i }});
{% endif %}
{% endif %}
  let m{{ i }} = m;
  let ow{{ i }} = ow;
  let oh{{ i }} = oh;
  let n{{ i }} = n;
{% if rank3 %}
  let od{{ i }} = od;
{% endif %}
{% else %}
  let m{{ i }} = first_pixel + row + {{ i * pixel_step }}u;
  let by_row{{ i }} = m{{ i }} / p.ow;
  let by_plane{{ i }} = by_row{{ i }} / p.oh;
  let ow{{ i }} = m{{ i }} - by_row{{ i }} * p.ow;
  let oh{{ i }} = by_row{{ i }} - by_plane{{ i }} * p.oh;
{% if rank3 %}
  let n{{ i }} = by_plane{{ i }} / p.od;
  let od{{ i }} = by_plane{{ i }} - n{{ i }} * p.od;
{% else %}
  let n{{ i }} = by_plane{{ i }};
{% endif %}
{% endif %}
  let px{{ i }} = ow{{ i }} * p.sw - p.pw;
{% if rank3 %}
  let py{{ i }} = oh{{ i }} * p.sh - p.ph;
  let z{{ i }} = od{{ i }} * p.sd - p.pd;
  let pz{{ i }} = select(0x80000000u, z{{ i }}, m{{ i }} < p.pixels);
  let start{{ i }} = first_input + n{{ i }} * p.xn + z{{ i }} * p.xd + py{{ i }} * p.xh + px{{ i }} * p.xw;
{% else %}
  let z{{ i }} = oh{{ i }} * p.sh - p.ph;
  let py{{ i }} = select(0x80000000u, z{{ i }}, m{{ i }} < p.pixels);
  let start{{ i }} = first_input + n{{ i }} * p.xn + z{{ i }} * p.xh + px{{ i }} * p.xw;
{% endif %}
  let base{{ i }} = {% if gather == "stem" %}select(0u, start{{ i }}, m{{ i }} < p.pixels){% else %}start{{ i }}{% endif %};
{% endif %}
{% endfor %}

  // Where the first numbers of the sum lie: of the workgroup, or of this thread.
{% if gather == "pointwise" %}
  var ic = kq{% if split %} + first_stage * {{ k4 }}u{% endif %};
  var off = ic;
{% else %}
{% if sets | length == 2 %}
  let odd = kq == 1u;
{% endif %}
{% if moves %}
  let end_x = p.kw * p.dw;
{% endif %}
  let end_y = p.kh * p.dh;
{% if rank3 %}
  let end_z = p.kd * p.dd;
{% endif %}
{% for s in sets %}
{% if not split and (gather == "tap" or s == "_0") %}
  var ic{{ s }} = 0u;
  var off{{ s }} = 0u;
  var ky{{ s }} = 0u;
{% if moves %}
  var kx{{ s }} = 0u;
{% endif %}
{% if rank3 %}
  var kz{{ s }} = 0u;
{% endif %}
{% else %}
  let first_k{{ s }} = {% if gather == "tap" or s == "_0" %}0u{% elif s == "_1" %}1u{% else %}kq{% endif %}{% if split %} + first_stage * {{ k4 }}u{% endif %};
  let tap{{ s }} = first_k{{ s }} / p.n_ic;
  var ic{{ s }} = first_k{{ s }} - tap{{ s }} * p.n_ic;
{% if moves %}
  let tap_row{{ s }} = tap{{ s }} / p.kw;
  var kx{{ s }} = (tap{{ s }} - tap_row{{ s }} * p.kw) * p.dw;
  var off{{ s }} = ic{{ s }} + kx{{ s }} * p.xw;
{% else %}
  let tap_row{{ s }} = tap{{ s }};
  var off{{ s }} = ic{{ s }} * 4u;
{% endif %}
{% if rank3 %}
  let tap_plane{{ s }} = tap_row{{ s }} / p.kh;
  var ky{{ s }} = (tap_row{{ s }} - tap_plane{{ s }} * p.kh) * p.dh;
  var kz{{ s }} = tap_plane{{ s }} * p.dd;
  off{{ s }} += ky{{ s }} * p.xh + kz{{ s }} * p.xd;
  kz{{ s }} = select(kz{{ s }}, {{ outside }}, kz{{ s }} >= end_z);
{% else %}
  var ky{{ s }} = tap_row{{ s }} * p.dh;
  off{{ s }} += ky{{ s }} * p.xh;
  ky{{ s }} = select(ky{{ s }}, {{ outside }}, ky{{ s }} >= end_y);
{% endif %}
{% endif %}
{% endfor %}
{% endif %}
  var w_at = p.w_first + group * p.w_group + {% if split %}(w_row + first_stage * {{ bk }}u){% else %}w_row{% endif %} * p.columns + first_column + w_column;
{% for i in range(nx) %}
  var x{{ i }}: {{ V }};
  var in{{ i }}: {{ "vec4<bool>" if gather == "stem" else "bool" }};
{% endfor %}
{% for i in range(nw) %}
  var w{{ i }}: {{ V }};
{% endfor %}
{% for i in range(pm) %}
{% for j in range(pn // 4) %}
  var a{{ i }}_{{ j }} = vec4<f32>();
{% endfor %}
{% endfor %}
{{ load_stage() }}
{% if staging == "db" %}
{{ store_stage(0) }}
  workgroupBarrier();
  for (var stage = 0u; stage < p.k_stages; stage += 2u) {
{{ advance() }}
{{ load_stage() }}
    {
{{ products(0) }}
    }
{{ store_stage(1) }}
    workgroupBarrier();
{{ advance() }}
{{ load_stage() }}
    {
{{ products(1) }}
    }
{{ store_stage(0) }}
    workgroupBarrier();
  }
{% else %}
  for (var stage = 0u; stage < p.k_stages; stage++) {
{{ store_stage(0) }}
    workgroupBarrier();
{{ advance() }}
{{ load_stage() }}
{{ products(0) }}
    workgroupBarrier();
  }
{% endif %}
{% for j in range(pn // 4) %}
  let column{{ j }} = first_column + tx + {{ j * tx }}u;
{% if not split %}
  let exists_{{ j }} = column{{ j }} * 4u < p.out_channels;
  let left{{ j }} = p.out_channels - column{{ j }} * 4u;
  var bias{{ j }} = vec4<f32>();
  if (exists_{{ j }}) { bias{{ j }} = bias_of(group * p.out_channels + column{{ j }} * 4u, left{{ j }}); }
{% endif %}
{% endfor %}
{% for i in range(pm) %}
  {
    let m = first_pixel + {% if staging == "xt" %}ty * 4u + {{ i // 4 * ty * 4 + i % 4 }}u{% else %}ty + {{ i * ty }}u{% endif %};
    if (m < p.pixels) {
{% if split %}
      let at = p.y_first + (wg.z * p.pixels + m) * p.columns;
{% for j in range(pn // 4) %}
      sums[at + column{{ j }}] = a{{ i }}_{{ j }};
{% endfor %}
{% else %}
      let at = place(m) + group * p.y_group;
{% for j in range(pn // 4) %}
      if (exists_{{ j }}) { finish(at + column{{ j }}{{ " * 4u" if not vec4_store }}, left{{ j }}, a{{ i }}_{{ j }} + bias{{ j }}); }
{% endfor %}
{% endif %}
    }
  }
{% endfor %}
}
