{#- A product of few rows with a matrix that is stored by columns, as a layer's weight is: y[m, n] = sum over k of
    a[m, k] * b[n, k], both with neighbouring k. It reads `b` once and copies nothing.

    A workgroup makes ROWS x 4 outputs: each thread sums a part of k, and a tree adds the parts in a fixed order.
    ROWS  rows of `a` at once
    V     whether four k load as one vec4
    HALF  storage is f16; sums are f32 -#}
{% set T = "f16" if HALF else "f32" %}
{% set STORED = "vec4<" ~ T ~ ">" if V else T %}
{% set F = "vec4<f32>" if V else "f32" %}
{% set LANES = ["x", "y", "z", "w"] %}
struct Params {
    rows: u32, columns: u32, k: u32, matrix_first: u32,
    a_first: u32, a_matrix: u32, a_row: u32, b_first: u32,
    b_matrix: u32, b_column: u32, y_first: u32, y_matrix: u32,
    y_row: u32, unused0: u32, unused1: u32, unused2: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<{{ STORED }}>;
@group(0) @binding(2) var<storage, read> b: array<{{ STORED }}>;
@group(0) @binding(3) var<storage, read_write> y: array<{{ T }}>;

var<workgroup> parts: array<array<vec4<f32>, 64>, {{ ROWS }}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let matrix = p.matrix_first + wg.z;
    // Rows and columns past the last read the last and are not stored.
{% for c in range(4) %}
    let b{{ c }} = p.b_first + matrix * p.b_matrix + min(wg.x * 4u + {{ c }}u, p.columns - 1u) * p.b_column;
{% endfor %}
{% for r in range(ROWS) %}
    let a{{ r }} = p.a_first + matrix * p.a_matrix + min(wg.y * {{ ROWS }}u + {{ r }}u, p.rows - 1u) * p.a_row;
{% for c in range(4) %}
    var s{{ r }}_{{ c }} = {{ F }}(0.0);
{% endfor %}
{% endfor %}
    for (var k = tid; k < p.k; k += 64u) {
{% for c in range(4) %}
        let v{{ c }} = {{ F }}(b[b{{ c }} + k]);
{% endfor %}
{% for r in range(ROWS) %}
        let u{{ r }} = {{ F }}(a[a{{ r }} + k]);
{% for c in range(4) %}
        s{{ r }}_{{ c }} = fma(u{{ r }}, v{{ c }}, s{{ r }}_{{ c }});
{% endfor %}
{% endfor %}
    }
{% for r in range(ROWS) %}
    parts[{{ r }}][tid] = vec4<f32>(
    {% for c in range(4) -%}
        {% set s = "s" ~ r ~ "_" ~ c -%}
        {% if V %}(({{ s }}.x + {{ s }}.y) + ({{ s }}.z + {{ s }}.w)){% else %}{{ s }}{% endif %}{{ ", " if c < 3 }}
    {% endfor -%}
    );
{% endfor %}
    for (var reach = 32u; reach > 0u; reach /= 2u) {
        workgroupBarrier();
        if (tid < reach) {
{% for r in range(ROWS) %}
            parts[{{ r }}][tid] += parts[{{ r }}][tid + reach];
{% endfor %}
        }
    }
    workgroupBarrier();
    let row = wg.y * {{ ROWS }}u + tid / 4u; let column = wg.x * 4u + tid % 4u;
    if (tid < {{ 4 * ROWS }}u && row < p.rows && column < p.columns) {
        y[p.y_first + matrix * p.y_matrix + row * p.y_row + column] = {{ T }}(parts[tid / 4u][0][tid % 4u]);
    }
}
