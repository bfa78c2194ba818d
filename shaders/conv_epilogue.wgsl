{# Where outputs go and what happens to them on the way: bias, residual, activation. Expects the bindings
    bias: array<T>, residual and output: array<V> with vec4 stores, else array<T>. #}

// Distance in y, in its elements, of output m of the lattice.
fn place(m: u32) -> u32 {
{% if plain %}
  return m * p.yw;
{% else %}
  if (p.dense == 1u) { return m * p.yw; }
  let t = m / p.ow;
  let u = t / p.oh;
  let n = u / p.od;
  return n * p.yn + (u - n * p.od) * p.yd + (t - u * p.oh) * p.yh + (m - t * p.ow) * p.yw;
{% endif %}
}

{% if not plain %}
// NaN stays NaN by its bits: a compiler may assume that there is none.
fn keep_nan(v: vec4<f32>, result: vec4<f32>) -> vec4<f32> {
  return select(result, v, (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
}

fn activate(v: vec4<f32>) -> vec4<f32> {
  switch p.activation {
    case 1u: { return keep_nan(v, max(v, vec4<f32>(0.0))); }
    case 2u: { return keep_nan(v, min(max(v, vec4<f32>(p.act_low)), vec4<f32>(p.act_high))); }
    case 3u: { return select(v * p.act_low, v, v > vec4<f32>(0.0)); }
    case 4u: { return v / (1.0 + exp(-v)); }
    default: { return v; }
  }
}
{% endif %}

// The bias of up to four channels, `left` of which exist.
fn bias_of(channel: u32, left: u32) -> vec4<f32> {
  var v = vec4<f32>();
  if (p.bias == 1u) {
    let at = p.b_first + channel;
    v.x = f32(bias[at]);
    if (left > 1u) { v.y = f32(bias[at + 1u]); }
    if (left > 2u) { v.z = f32(bias[at + 2u]); }
    if (left > 3u) { v.w = f32(bias[at + 3u]); }
  }
  return v;
}

// Stores up to four channels at a distance in y.
fn finish(at: u32, left: u32, sum: vec4<f32>) {
  var v = sum;
{% if vec4_store %}
{% if not plain %}
  if (p.residual == 1u) { v += vec4<f32>(residual[p.r_first + at]); }
  v = activate(v);
{% endif %}
  output[p.y_first + at] = {{ V }}(v);
{% else %}
{% if not plain %}
  if (p.residual == 1u) {
    let r = p.r_first + at;
    v.x += f32(residual[r]);
    if (left > 1u) { v.y += f32(residual[r + 1u]); }
    if (left > 2u) { v.z += f32(residual[r + 2u]); }
    if (left > 3u) { v.w += f32(residual[r + 3u]); }
  }
  v = activate(v);
{% endif %}
  let to = p.y_first + at;
  output[to] = {{ T }}(v.x);
  if (left > 1u) { output[to + 1u] = {{ T }}(v.y); }
  if (left > 2u) { output[to + 2u] = {{ T }}(v.z); }
  if (left > 3u) { output[to + 3u] = {{ T }}(v.w); }
{% endif %}
}
