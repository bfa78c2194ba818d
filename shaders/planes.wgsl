{#- Where an output lies in a batch of planes: (n, c, d, h, w) of the i-th in memory order.
    LAST  channels stand last in memory (else after n). Params hold `channels`, `out_d`, `out_h`, `out_w`. -#}
struct Place { n: u32, c: u32, d: u32, h: u32, w: u32 }

fn place(i: u32) -> Place {
    var o: Place;
    var t = i;
    var u: u32;
{% if LAST %}
    u = t / p.channels; o.c = t - u * p.channels; t = u;
{% endif %}
    u = t / p.out_w; o.w = t - u * p.out_w; t = u;
    u = t / p.out_h; o.h = t - u * p.out_h; t = u;
    u = t / p.out_d; o.d = t - u * p.out_d; t = u;
{% if LAST %}
    o.n = t;
{% else %}
    u = t / p.channels; o.c = t - u * p.channels; o.n = u;
{% endif %}
    return o;
}
