{# Arrays with strides, for kernels whose units (elements, or groups of four neighbours) are numbered along up to
   eight collapsed axes, innermost first. Strides wrap modulo 2^32, so that negative ones need no signed numbers. #}
{% macro types() %}
// How an operand is read: its units, one element for a whole unit, or the number in the uniform block.
const UNITS = 0u;
const SPLAT = 1u;
const NUMBER = 2u;

struct Strided {
    first: u32,
    kind: u32,
    number: u32,
    // Places on the innermost axis at or after this one read as zero (copies only).
    limit: u32,
    stride: array<vec4<u32>, 2>,
}
{% endmacro %}

{# Sets `i0`, `i1`, ... to the index of unit `unit` in each of `count` arrays `params.array[k]`. #}
{% macro walk(count) %}
    {% for k in range(count) %}
    var i{{ k }} = params.array[{{ k }}].first;
    {% endfor %}
    var rest = unit;
    for (var d = 0u; d < params.ndim; d++) {
        var c = rest;
        if (d + 1u < params.ndim) {
            let size = params.size[d >> 2u][d & 3u];
            rest = rest / size;
            c -= rest * size;
        }
        {% for k in range(count) %}
        i{{ k }} += c * params.array[{{ k }}].stride[d >> 2u][d & 3u];
        {% endfor %}
    }
{% endmacro %}

{# `NAME_offset(unit)`: where unit `unit` stands along the axes `params.NAME_size` with `params.NAME_stride`. #}
{% macro offset(name) %}
fn {{ name }}_offset(unit: u32) -> u32 {
    var rest = unit;
    var sum = 0u;
    for (var d = 0u; d < params.{{ name }}_ndim; d++) {
        var c = rest;
        if (d + 1u < params.{{ name }}_ndim) {
            let size = params.{{ name }}_size[d >> 2u][d & 3u];
            rest = rest / size;
            c -= rest * size;
        }
        sum += c * params.{{ name }}_stride[d >> 2u][d & 3u];
    }
    return sum;
}
{% endmacro %}
