{#- Zeroes elements by a counter-based random stream and scales the others.

    Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the element at C-order place
    i takes word i % 4 of the block with counter (i / 4, offset) under the key `seed`, whatever the memory order.
    FLAT  x and y lie in C order, a thread does the four elements of a block; else both are strided, with `axes`
                from the outermost
    HALF  x and y are f16 -#}
{% set T = "f16" if HALF else "f32" %}
struct Axis { size: u32, x: u32, place: u32, y: u32 }
struct Params {
    size: u32, rank: u32, x_first: u32, y_first: u32,
    // The C-order place of the first element, a multiple of 4 if FLAT.
    base_low: u32, base_high: u32, offset_low: u32, offset_high: u32,
    seed_low: u32, seed_high: u32, threshold: u32, scale: f32,
    axes: array<Axis, 8>,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<{{ T }}>;
@group(0) @binding(2) var<storage, read_write> y: array<{{ T }}>;

// The upper word of a product, from products of halves.
fn high(a: u32, b: u32) -> u32 {
    let a0 = a & 0xffffu; let a1 = a >> 16u;
    let b0 = b & 0xffffu; let b1 = b >> 16u;
    let middle = a1 * b0 + ((a0 * b0) >> 16u);
    let other = a0 * b1 + (middle & 0xffffu);
    return a1 * b1 + (middle >> 16u) + (other >> 16u);
}

fn philox(low: u32, high_word: u32) -> vec4<u32> {
    var c = vec4<u32>(low, high_word, p.offset_low, p.offset_high);
    var k = vec2<u32>(p.seed_low, p.seed_high);
    for (var round = 0u; round < 10u; round++) {
        c = vec4<u32>(high(0xcd9e8d57u, c.z) ^ c.y ^ k.x, 0xcd9e8d57u * c.z,
                                    high(0xd2511f53u, c.x) ^ c.w ^ k.y, 0xd2511f53u * c.x);
        k += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    }
    return c;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
                @builtin(local_invocation_index) tid: u32) {
    let i = (wg.y * grid.x + wg.x) * 64u + tid;
{% if FLAT %}
    let first = i * 4u;
    if (first >= p.size) { return; }
    let base = (p.base_low >> 2u) | (p.base_high << 30u);
    let low = base + i;
    let words = philox(low, (p.base_high >> 2u) + select(0u, 1u, low < base));
{% for c in range(4) %}
    if (first + {{ c }}u < p.size) {
        let kept = words.{{ ["x", "y", "z", "w"][c] }} >= p.threshold;
        y[p.y_first + first + {{ c }}u] = {{ T }}(select(0.0, f32(x[p.x_first + first + {{ c }}u]) * p.scale, kept));
    }
{% endfor %}
{% else %}
    if (i >= p.size) { return; }
    var x_at = p.x_first; var y_at = p.y_first; var place = p.base_low;
    var rest = i;
    for (var d = p.rank; d > 0u; d--) {
        let axis = p.axes[d - 1u];
        let quotient = rest / axis.size;
        let digit = rest - quotient * axis.size;
        x_at += digit * axis.x; y_at += digit * axis.y; place += digit * axis.place;
        rest = quotient;
    }
    let place_high = p.base_high + select(0u, 1u, place < p.base_low);
    let words = philox((place >> 2u) | (place_high << 30u), place_high >> 2u);
    let pair = select(words.xy, words.zw, (place & 2u) != 0u);
    let word = select(pair.x, pair.y, (place & 1u) != 0u);
    y[y_at] = {{ T }}(select(0.0, f32(x[x_at]) * p.scale, word >= p.threshold));
{% endif %}
}
