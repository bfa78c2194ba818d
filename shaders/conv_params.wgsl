{# The uniform block from the list of its words in src/gpu/conv/params.rs. #}
struct Params {
{% for name, type in fields %}
  {{ name }}: {{ type }},
{% endfor %}
{% for i in range((4 - fields | length % 4) % 4) %}
  pad{{ i }}: u32,
{% endfor %}
}
@group(0) @binding(0) var<uniform> p: Params;
