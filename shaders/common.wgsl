// What kernels share. A module that includes it defines `struct Params`.

const NAN_BITS = 0x7fc00000u;
const INFINITY_BITS = 0x7f800000u;
const SIGN_BIT = 0x80000000u;

// The number of a workgroup in a grid that `Runtime.grid` folded into two dimensions.
fn linear_workgroup(wg: vec3<u32>, count: vec3<u32>) -> u32 {
    return wg.y * count.x + wg.x;
}

// Compilers may assume that no NaN and no infinity occurs in arithmetic, but not in integers.

fn bits_are_nan(bits: u32) -> bool {
    return (bits & 0x7fffffffu) > INFINITY_BITS;
}

fn float_is_nan(x: f32) -> bool {
    return bits_are_nan(bitcast<u32>(x));
}

fn float_is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & INFINITY_BITS) != INFINITY_BITS;
}
