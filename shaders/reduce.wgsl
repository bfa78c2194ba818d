// Reductions over strided axes: {{ op }}. No atomics; the same order of additions in every run.
//
// A workgroup reduces one slice of the reduced elements for `lanes` neighbouring outputs: 256 / lanes threads walk
// through the slice of an output, and a tree joins them. With several slices, a second dispatch joins those.
{% import "strided.wgsl" as strided %}
{% set float = stored in ["f32", "f16"] %}
{% set A = "f32" if float else "i32" %}
{% include "common.wgsl" %}
struct Params {
    outputs: u32,
    length: u32,
    slice_length: u32,
    slices: u32,
    lanes: u32,
    // Whether neighbouring threads read neighbours of one output, not of several.
    by_rows: u32,
    first: u32,
    target_first: u32,
    // From one slice's outputs to the next.
    target_row: u32,
    // The place of the first reduced element on the reduced axis.
    base: u32,
    kept_ndim: u32,
    reduced_ndim: u32,
    divisor: f32,
    // When slices are joined: the elements of one, and of all.
    weight: u32,
    total: u32,
    pad0: u32,
    kept_size: array<vec4<u32>, 2>,
    kept_stride: array<vec4<u32>, 2>,
    reduced_size: array<vec4<u32>, 2>,
    reduced_stride: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> params: Params;
{% for stored in inputs %}
@group(0) @binding({{ loop.index }}) var<storage, read> x{{ loop.index0 }}: array<{{ stored }}>;
{% endfor %}
{% for stored in outputs %}
@group(0) @binding({{ inputs | length + loop.index }}) var<storage, read_write> y{{ loop.index0 }}: array<{{ stored }}>;
{% endfor %}

{% if op in ["max", "min", "argmax", "argmin"] %}
{% set flip = op in ["min", "argmin"] %}
// Unsigned integers in the order of the elements{{ ", the smallest last" if flip }}; NaN is the last.
fn key_of(value: {{ stored }}) -> u32 {
    {% if float %}
    var bits = bitcast<u32>(f32(value));
    if (bits_are_nan(bits)) {
        return 0xffffffffu;
    }
    {% if op in ["argmax", "argmin"] %}
    // Both zeros are equal.
    bits = select(bits, 0u, (bits & 0x7fffffffu) == 0u);
    {% endif %}
    let key = select(bits | SIGN_BIT, ~bits, (bits & SIGN_BIT) != 0u);
    {% elif stored == "i32" %}
    let key = bitcast<u32>(value) ^ SIGN_BIT;
    {% else %}
    let key = select(0u, 0xffffffffu, value != 0u);
    {% endif %}
    return {{ "~key" if flip else "key" }};
}
{% endif %}
{% if op in ["max", "min"] %}

fn element_of(ordered: u32) -> {{ stored }} {
    let key = {{ "~ordered" if flip else "ordered" }};
    {% if float %}
    var bits = select(~key, key & 0x7fffffffu, (key & SIGN_BIT) != 0u);
    bits = select(bits, NAN_BITS, ordered == 0xffffffffu);
    return {{ stored }}(bitcast<f32>(bits));
    {% elif stored == "i32" %}
    return bitcast<i32>(key ^ SIGN_BIT);
    {% else %}
    return key & 1u;
    {% endif %}
}
{% endif %}

{% if op == "sum" %}
// Sums of sums of 32: the error does not grow with the length.
struct Partial {
    inner: {{ A }},
    outer: {{ A }},
}

fn taken(sum: Partial, i: u32, r: u32, n: u32) -> Partial {
    let inner = sum.inner + {{ A }}(x0[i]);
    if ((n & 31u) == 31u) {
        return Partial({{ A }}(), sum.outer + inner);
    }
    return Partial(inner, sum.outer);
}

fn joined(a: Partial, b: Partial) -> Partial {
    return Partial({{ A }}(), (a.outer + a.inner) + (b.outer + b.inner));
}

fn store(sum: Partial, place: u32) {
    {% if float %}
    var total = sum.outer + sum.inner;
    if (params.divisor != 1.0) {
        total /= params.divisor;
    }
    y0[place] = {{ outputs[0] }}(total);
    {% else %}
    y0[place] = sum.outer + sum.inner;
    {% endif %}
}
{% elif op == "prod" %}
struct Partial {
    product: {{ A }},
}

fn taken(a: Partial, i: u32, r: u32, n: u32) -> Partial {
    return Partial(a.product * {{ A }}(x0[i]));
}

fn joined(a: Partial, b: Partial) -> Partial {
    return Partial(a.product * b.product);
}

fn store(a: Partial, place: u32) {
    y0[place] = {{ outputs[0] }}(a.product);
}
{% elif op in ["max", "min"] %}
struct Partial {
    key: u32,
}

fn taken(a: Partial, i: u32, r: u32, n: u32) -> Partial {
    return Partial(max(a.key, key_of(x0[i])));
}

fn joined(a: Partial, b: Partial) -> Partial {
    return Partial(max(a.key, b.key));
}

fn store(a: Partial, place: u32) {
    y0[place] = element_of(a.key);
}
{% elif op in ["any", "all"] %}
// 1 once an element was {{ "zero" if op == "all" else "not zero" }}.
struct Partial {
    found: u32,
}

fn taken(a: Partial, i: u32, r: u32, n: u32) -> Partial {
    {% if float %}
    let bits = bitcast<u32>(f32(x0[i])) & 0x7fffffffu;
    {% else %}
    let bits = u32(x0[i]);
    {% endif %}
    return Partial(a.found | select(0u, 1u, bits {{ "==" if op == "all" else "!=" }} 0u));
}

fn joined(a: Partial, b: Partial) -> Partial {
    return Partial(a.found | b.found);
}

fn store(a: Partial, place: u32) {
    y0[place] = {{ "1u - a.found" if op == "all" else "a.found" }};
}
{% elif op in ["argmax", "argmin", "arg_join"] %}
// The first place of the largest key.
struct Partial {
    key: u32,
    place: u32,
}

fn joined(a: Partial, b: Partial) -> Partial {
    if (b.key > a.key || (b.key == a.key && b.place < a.place)) {
        return b;
    }
    return a;
}

fn taken(a: Partial, i: u32, r: u32, n: u32) -> Partial {
    {% if op == "arg_join" %}
    return joined(a, Partial(x0[i], u32(x1[i])));
    {% else %}
    return joined(a, Partial(key_of(x0[i]), params.base + r));
    {% endif %}
}

fn store(a: Partial, place: u32) {
    {% if outputs | length == 2 %}
    y0[place] = a.key;
    y1[place] = i32(a.place);
    {% else %}
    y0[place] = i32(a.place);
    {% endif %}
}
{% else %}
// Count, mean, and the sum of squared deviations from it (Welford; Chan, Golub and LeVeque 1983).
struct Partial {
    count: f32,
    mean: f32,
    squares: f32,
}

fn joined(a: Partial, b: Partial) -> Partial {
    if (b.count == 0.0) {
        return a;
    }
    if (a.count == 0.0) {
        return b;
    }
    let count = a.count + b.count;
    let share = b.count / count;
    let delta = b.mean - a.mean;
    return Partial(count, fma(delta, share, a.mean), a.squares + b.squares + delta * delta * (a.count * share));
}

fn taken(a: Partial, i: u32, r: u32, n: u32) -> Partial {
    {% if op == "moments_join" %}
    let weight = min(params.weight, params.total - r * params.weight);
    return joined(a, Partial(f32(weight), x0[i], x1[i]));
    {% else %}
    let value = f32(x0[i]);
    let count = a.count + 1.0;
    let delta = value - a.mean;
    let mean = a.mean + delta / count;
    return Partial(count, mean, fma(delta, value - mean, a.squares));
    {% endif %}
}

fn store(a: Partial, place: u32) {
    y0[place] = a.mean;
    y1[place] = a.squares / params.divisor;
}
{% endif %}

fn nothing() -> Partial {
    {% if op == "prod" %}
    return Partial({{ A }}(1));
    {% elif op in ["argmax", "argmin", "arg_join"] %}
    return Partial(0u, 0xffffffffu);
    {% else %}
    return Partial();
    {% endif %}
}

var<workgroup> partials: array<Partial, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let parts = 256u / params.lanes;
    let group = linear_workgroup(wg, count);
    let block = group / params.slices;
    let slice = group - block * params.slices;
    var lane = thread % params.lanes;
    var part = thread / params.lanes;
    if (params.by_rows != 0u) {
        lane = thread / parts;
        part = thread % parts;
    }
    let output = block * params.lanes + lane;
    let inside = output < params.outputs;
    var partial = nothing();
    if (inside) {
        let origin = params.first + kept_offset(output);
        let start = slice * params.slice_length;
        let end = min(params.length, start + params.slice_length);
        var n = 0u;
        for (var r = start + part; r < end; r += parts) {
            partial = taken(partial, origin + reduced_offset(r), r, n);
            n++;
        }
    }
    let place = part * params.lanes + lane;
    partials[place] = partial;
    for (var half = parts >> 1u; half > 0u; half >>= 1u) {
        workgroupBarrier();
        if (part < half) {
            partial = joined(partial, partials[place + half * params.lanes]);
            partials[place] = partial;
        }
    }
    if (inside && part == 0u) {
        store(partial, params.target_first + slice * params.target_row + output);
    }
}

{{ strided.offset("kept") }}
{{ strided.offset("reduced") }}
