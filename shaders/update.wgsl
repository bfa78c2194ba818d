// An update of the table in src/expr/updates.rs: {{ written }} array{{ "s" if written > 1 }} rewritten in place beside a gradient that is read.
//
// Each thread rewrites one unit of each array: an element, or (vec4) four neighbours on the innermost axis. Array 0
// of the parameters is the gradient.
{% import "strided.wgsl" as strided %}
{% include "common.wgsl" %}
{{ strided.types() }}
struct Params {
    units: u32,
    ndim: u32,
    // The last unit may be incomplete.
    elements: u32,
    unused: u32,
    constants: array<vec4<f32>, 3>,
    size: array<vec4<u32>, 2>,
    array: array<Strided, {{ written + 1 }}>,
}

{% set S = "vec4<" ~ stored ~ ">" if width == 4 else stored %}
{% set L = "vec4<f32>" if width == 4 else "f32" %}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x0: array<{{ S }}>;
{% for k in range(1, written + 1) %}
@group(0) @binding({{ k + 1 }}) var<storage, read_write> x{{ k }}: array<{{ S }}>;
{% endfor %}

{{ functions }}
{% macro call(part) %}
update({% for k in range(1, written + 1) %}v{{ k }}{{ part }}, {% endfor %}v0{{ part }}{% for p in range(params) %}, params.constants[{{ p // 4 }}].{{ "xyzw"[p % 4] }}{% endfor %})
{%- endmacro %}
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let unit = linear_workgroup(wg, count) * 256u + lane;
    if (unit >= params.units) {
        return;
    }
{{ strided.walk(written + 1) }}
    {% for k in range(written + 1) %}
    let v{{ k }} = {{ L }}(x{{ k }}[i{{ k }}]);
    {% endfor %}
    {% if width == 4 %}
    {% for c in "xyzw" %}
    let result_{{ c }} = {{ call("." ~ c) }};
    {% endfor %}
    let left = params.elements - 4u * unit;
    {% for k in range(1, written + 1) %}
    if (left >= 4u) {
        x{{ k }}[i{{ k }}] = {{ S }}({% for c in "xyzw" %}{{ stored }}(result_{{ c }}[{{ k - 1 }}]){{ ", " if not loop.last }}{% endfor %});
    } else {
        x{{ k }}[i{{ k }}].x = {{ stored }}(result_x[{{ k - 1 }}]);
        if (left > 1u) {
            x{{ k }}[i{{ k }}].y = {{ stored }}(result_y[{{ k - 1 }}]);
        }
        if (left > 2u) {
            x{{ k }}[i{{ k }}].z = {{ stored }}(result_z[{{ k - 1 }}]);
        }
    }
    {% endfor %}
    {% else %}
    let result = {{ call("") }};
    {% for k in range(1, written + 1) %}
    x{{ k }}[i{{ k }}] = {{ stored }}(result[{{ k - 1 }}]);
    {% endfor %}
    {% endif %}
}
