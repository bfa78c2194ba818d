// The one strided copy: relayout, cast, channel padding, broadcast, fill. Each thread moves one unit.
//
// A unit is one element, or (vec4) four neighbours on the innermost axis of both arrays. Where the source ends
// before the target on the innermost axis, zeros are written.
{% import "strided.wgsl" as strided %}
{% include "common.wgsl" %}
{{ strided.types() }}
struct Params {
    units: u32,
    ndim: u32,
    pad0: u32,
    pad1: u32,
    size: array<vec4<u32>, 2>,
    // {{ "Target" if fill else "Source, target" }}.
    array: array<Strided, {{ 1 if fill else 2 }}>,
}

@group(0) @binding(0) var<uniform> params: Params;
{% if fill %}
@group(0) @binding(1) var<storage, read_write> y: array<{{ target }}>;
{% else %}
{% set S = "vec4<" ~ source ~ ">" if width == 4 else source %}
{% set T = "vec4<" ~ target ~ ">" if width == 4 else target %}
@group(0) @binding(1) var<storage, read> x: array<{{ S }}>;
@group(0) @binding(2) var<storage, read_write> y: array<{{ T }}>;

fn converted(value: {{ S }}) -> {{ T }} {
    {% if not cast %}
    return value;
    {% elif to_bool %}
    {% set F = "vec4<f32>" if width == 4 else "f32" %}
    {% set U = "vec4<u32>" if width == 4 else "u32" %}
    {% if source == "i32" %}
    let bits = bitcast<{{ U }}>(value);
    {% else %}
    // Not zero, as bits: comparisons may flush what is denormal.
    let bits = bitcast<{{ U }}>({{ F }}(value)) & {{ U }}(0x7fffffffu);
    {% endif %}
    return select({{ U }}(0u), {{ U }}(1u), bits != {{ U }}(0u));
    {% else %}
    return {{ T }}(value);
    {% endif %}
}
{% endif %}

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
    {% if fill %}
{{ strided.walk(1) }}
    {% if target == "f16" %}
    y[i0] = f16(bitcast<f32>(params.array[0].number));
    {% else %}
    y[i0] = params.array[0].number;
    {% endif %}
    {% else %}
{{ strided.walk(2) }}
    var value = {{ S }}();
    if (unit % params.size[0].x < params.array[0].limit) {
        value = x[i0];
    }
    y[i1] = converted(value);
    {% endif %}
}
