{#- The (n, c, d, h, w) of the i-th output of a region of planes, and where it stands.
    LAST  channels stand last in memory (else after n), in which order neighbouring threads go. Params hold the region's
                `channels`, `out_d`, `out_h`, `out_w`, and the strides `y_n` to `y_w`. -#}
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


fn output(o: Place) -> u32 {
    return o.n * p.y_n + o.c * p.y_c + o.d * p.y_d + o.h * p.y_h + o.w * p.y_w;
}
