// An expression of the table in src/expr on {{ arity }} operand{{ "s" if arity > 1 }} that broadcast. Each thread computes one unit of the result.
//
// A unit is one element, or (vec4) four neighbours on the innermost axis, which an operand holds as neighbours too
// or as one element (SPLAT). The result is dense, so that units are numbered in its order.
{% import "strided.wgsl" as strided %}
{% include "common.wgsl" %}
{{ strided.types() }}
struct Params {
    units: u32,
    ndim: u32,
    first: u32,
    // Of the result, which may end within a unit.
    elements: u32,
    constants: vec4<f32>,
    size: array<vec4<u32>, 2>,
    array: array<Strided, {{ arity }}>,
}

@group(0) @binding(0) var<uniform> params: Params;
{% for operand in operands %}
@group(0) @binding({{ loop.index }}) var<storage, read> x{{ loop.index0 }}: array<{{ "vec4<" ~ operand.stored ~ ">" if width == 4 else operand.stored }}>;
{% endfor %}
@group(0) @binding({{ arity + 1 }}) var<storage, read_write> y: array<{{ "vec4<" ~ result ~ ">" if width == 4 else result }}>;

{{ functions }}
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
{{ strided.walk(arity) }}
    {% for operand in operands %}
    {% set k = loop.index0 %}
    {% set L = "vec4<" ~ operand.lane ~ ">" if width == 4 else operand.lane %}
    var v{{ k }} = {{ L }}(bitcast<{{ operand.lane }}>(params.array[{{ k }}].number));
    {% if width == 4 %}
    if (params.array[{{ k }}].kind == UNITS) {
        v{{ k }} = {{ L }}(x{{ k }}[i{{ k }}]);
    } else if (params.array[{{ k }}].kind == SPLAT) {
        v{{ k }} = {{ L }}({{ operand.lane }}(x{{ k }}[i{{ k }} >> 2u][i{{ k }} & 3u]));
    }
    {% else %}
    if (params.array[{{ k }}].kind != NUMBER) {
        v{{ k }} = {{ L }}(x{{ k }}[i{{ k }}]);
    }
    {% endif %}
    {% endfor %}
    {% if width == 4 %}
    let result = vec4<{{ result }}>(
        {% for c in "xyzw" %}
        {{ result }}(op({% for k in range(arity) %}v{{ k }}.{{ c }}{{ ", " if not loop.last or params }}{% endfor %}{% for p in range(params) %}params.constants[{{ p }}]{{ ", " if not loop.last }}{% endfor %})),
        {% endfor %}
    );
    let place = params.first + unit;
    let left = params.elements - 4u * unit;
    if (left >= 4u) {
        y[place] = result;
        return;
    }
    y[place].x = result.x;
    if (left > 1u) {
        y[place].y = result.y;
    }
    if (left > 2u) {
        y[place].z = result.z;
    }
    {% else %}
    y[params.first + unit] = {{ result }}(op({% for k in range(arity) %}v{{ k }}{{ ", " if not loop.last or params }}{% endfor %}{% for p in range(params) %}params.constants[{{ p }}]{{ ", " if not loop.last }}{% endfor %}));
    {% endif %}
}
