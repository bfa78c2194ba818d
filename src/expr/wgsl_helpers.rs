//! WGSL functions that symbols call by name.

/// Name and text; those that a text calls come before it.
pub(super) const HELPERS: &[(&str, &str)] = &[
    (
        "f32_is_nan",
        "fn f32_is_nan(x: f32) -> bool {\n    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;\n}\n",
    ),
    (
        "f32_is_inf",
        "fn f32_is_inf(x: f32) -> bool {\n    return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u;\n}\n",
    ),
    (
        "f32_order_key",
        "// Integers in the order of the floats; both zeros are 0.\nfn f32_order_key(x: f32) -> i32 {\n    \
         let size = bitcast<i32>(bitcast<u32>(x) & 0x7fffffffu);\n    \
         return select(size, -size, bitcast<i32>(x) < 0);\n}\n",
    ),
    (
        "f32_less",
        "fn f32_less(a: f32, b: f32) -> bool {\n    \
         return f32_order_key(a) < f32_order_key(b) && !f32_is_nan(a) && !f32_is_nan(b);\n}\n",
    ),
    (
        "f32_less_equal",
        "fn f32_less_equal(a: f32, b: f32) -> bool {\n    \
         return f32_order_key(a) <= f32_order_key(b) && !f32_is_nan(a) && !f32_is_nan(b);\n}\n",
    ),
    (
        "f32_equals",
        "fn f32_equals(a: f32, b: f32) -> bool {\n    \
         return f32_order_key(a) == f32_order_key(b) && !f32_is_nan(a) && !f32_is_nan(b);\n}\n",
    ),
    (
        "f32_infinity",
        "// No constant, which compilers refuse.\nfn f32_infinity(x: f32) -> f32 {\n    \
         return bitcast<f32>((bitcast<u32>(x) & 0u) | 0x7f800000u);\n}\n",
    ),
    (
        "f32_not_a_number",
        "fn f32_not_a_number(x: f32) -> f32 {\n    return bitcast<f32>((bitcast<u32>(x) & 0u) | 0x7fc00000u);\n}\n",
    ),
    (
        "f32_copy_sign",
        "fn f32_copy_sign(x: f32, sign: f32) -> f32 {\n    \
         return bitcast<f32>((bitcast<u32>(x) & 0x7fffffffu) | (bitcast<u32>(sign) & 0x80000000u));\n}\n",
    ),
    (
        "f32_top",
        "// The upper half of the digits, so that products of two are exact.\n\
         fn f32_top(x: f32) -> f32 {\n    return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);\n}\n",
    ),
    (
        "f32_rest",
        "// a * b - c where c is near a * b, also where fma() rounds twice.\n\
         fn f32_rest(a: f32, b: f32, c: f32) -> f32 {\n    \
         let s = f32_top(a);\n    let t = f32_top(b);\n    \
         return ((s * t - c) + (s * (b - t) + (a - s) * t)) + (a - s) * (b - t);\n}\n",
    ),
    (
        "f32_less_product",
        "// x - n * (m * scale) for a whole n. Integers, as compilers may join the products of two such steps.\n\
         fn f32_less_product(x: f32, n: f32, m: i32, scale: f32) -> f32 {\n    \
         return x - f32(i32(n) * m) * scale;\n}\n",
    ),
    (
        "f32_remainder",
        "// Of a / b, with the sign of a; exact for quotients below 2^24.\nfn f32_remainder(a: f32, b: f32) -> f32 {\n    \
         let size = abs(b);\n    \
         var r = -f32_rest(trunc(abs(a) / size), size, abs(a));\n    \
         r = select(r, r + size, r < 0.0f);\n    \
         r = select(r, r - size, r >= size);\n    \
         r = select(r, abs(a), f32_less(abs(a), size));\n    \
         let none = f32_is_nan(a) || f32_is_nan(b) || f32_is_inf(a) || size == 0.0f;\n    \
         return f32_copy_sign(select(r, f32_not_a_number(a), none), a);\n}\n",
    ),
    (
        "f32_turn_word",
        "// Words of the bits of 1 / (2 pi), after one of zeros.\nfn f32_turn_word(i: u32) -> u32 {\n    \
         switch i {\n        \
         case 1u: { return 0x28be60dbu; }\n        \
         case 2u: { return 0x9391054au; }\n        \
         case 3u: { return 0x7f09d5f4u; }\n        \
         case 4u: { return 0x7d4d3770u; }\n        \
         case 5u: { return 0x36d8a566u; }\n        \
         case 6u: { return 0x4f10e410u; }\n        \
         default: { return 0u; }\n    }\n}\n",
    ),
    (
        "f32_small_angle",
        "// Large angles by whole turns (Payne and Hanek): the mantissa times those 64 bits of 1 / (2 pi) that make\n\
         // the fraction of the number of turns.\n\
         fn f32_small_angle(x: f32) -> f32 {\n    \
         if abs(x) < 8192.0f {\n        return x;\n    }\n    \
         let bits = bitcast<u32>(x);\n    \
         let m = (bits & 0x7fffffu) | 0x800000u;\n    \
         let at = ((bits >> 23u) & 0xffu) - 118u;\n    \
         let shift = at & 31u;\n    \
         let a = f32_turn_word(at >> 5u);\n    \
         let b = f32_turn_word((at >> 5u) + 1u);\n    \
         let c = f32_turn_word((at >> 5u) + 2u);\n    \
         // Shifts by 32 have no meaning.\n    \
         let high = select((a << shift) | (b >> ((32u - shift) & 31u)), a, shift == 0u);\n    \
         let low = select((b << shift) | (c >> ((32u - shift) & 31u)), b, shift == 0u);\n    \
         // The upper half of m * low, from products of halves.\n    \
         let cross = (m & 0xffffu) * (low >> 16u);\n    \
         let middle = (m >> 16u) * (low & 0xffffu) + (cross & 0xffffu) + (((m & 0xffffu) * (low & 0xffffu)) >> 16u);\n    \
         let carry = (m >> 16u) * (low >> 16u) + (cross >> 16u) + (middle >> 16u);\n    \
         let turn = f32(bitcast<i32>(m * high + carry)) * 1.4629180792671596e-9f;\n    \
         return select(turn, -turn, bits >= 0x80000000u);\n}\n",
    ),
    (
        "f32_power_of_two",
        "fn f32_power_of_two(n: f32) -> f32 {\n    return bitcast<f32>((i32(n) + 127) << 23u);\n}\n",
    ),
    (
        "f32_exponent",
        "// The nearest power of two below sqrt(2) * x.\nfn f32_exponent(x: f32) -> i32 {\n    \
         return (bitcast<i32>(x) - 0x3f3504f3) >> 23u;\n}\n",
    ),
    (
        "f32_mantissa",
        "fn f32_mantissa(x: f32) -> f32 {\n    return bitcast<f32>(bitcast<i32>(x) - (f32_exponent(x) << 23u));\n}\n",
    ),
];
