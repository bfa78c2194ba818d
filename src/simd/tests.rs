//! Every vector method against plain loops, on every instruction set that the machine has.

use super::*;

fn check<S: Simd>()
where
    S::T: From<u8> + From<f32>,
{
    let l = S::L;
    let value = |i: usize| S::T::from(i as u8);
    let a: Vec<S::T> = (0..4 * l.max(16)).map(value).collect();
    {
        let mut out = vec![value(0); 4 * l.max(16)];
        // SAFETY: the caller has the instruction set; all ranges are inside the vectors.
        unsafe {
            S::store(
                out.as_mut_ptr(),
                S::fma(S::load(a.as_ptr()), S::splat(&a[3]), S::load(a.as_ptr().add(1))),
            );
            for i in 0..l {
                assert_eq!(out[i], value(3 * i + i + 1), "fma");
            }
            for n in 0..=l {
                out.fill(value(99));
                S::store(out.as_mut_ptr(), S::load_n(a.as_ptr().add(1), n));
                let expected: Vec<S::T> =
                    (0..l).map(|i| if i < n { value(i + 1) } else { value(0) }).collect();
                assert_eq!(out[..l], expected, "load_n {n}");
                out.fill(value(99));
                S::store_n(out.as_mut_ptr(), S::load(a.as_ptr().add(2)), n);
                let expected: Vec<S::T> =
                    (0..l).map(|i| if i < n { value(i + 2) } else { value(99) }).collect();
                assert_eq!(out[..l], expected, "store_n {n}");
            }
            for low in 0..=l {
                for high in low..=l {
                    // Exactly the lanes wanted exist: anything else would be outside the vector.
                    let some: Vec<S::T> = (low..high).map(|i| value(i + 1)).collect();
                    let expected = |step: usize| -> Vec<S::T> {
                        (0..l)
                            .map(|i| {
                                value(if (low..high).contains(&i) { (i - low) * step + low + 1 } else { 0 })
                            })
                            .collect()
                    };
                    S::store(out.as_mut_ptr(), S::load_range(some.as_ptr().wrapping_sub(low), low, high));
                    assert_eq!(out[..l], expected(1), "load_range {low}..{high}");
                    let some: Vec<S::T> = (0..2 * (high - low)).map(|i| value(i + low + 1)).collect();
                    S::store(
                        out.as_mut_ptr(),
                        S::load_even_range(some.as_ptr().wrapping_sub(2 * low), low, high),
                    );
                    assert_eq!(out[..l], expected(2), "load_even_range {low}..{high}");
                }
            }
            assert_eq!(S::sum(S::load(a.as_ptr().add(1))), value(l * (l + 1) / 2), "sum");
            S::store(out.as_mut_ptr(), S::add(S::zero(), S::load(a.as_ptr())));
            assert_eq!(out[..l], a[..l], "add");
            S::store_interleaved(out.as_mut_ptr(), S::load(a.as_ptr()), S::load(a.as_ptr().add(l)));
            let expected: Vec<S::T> = (0..2 * l).map(|i| value(i / 2 + i % 2 * l)).collect();
            assert_eq!(out[..2 * l], expected, "store_interleaved");
            let exact: Vec<S::T> = a[1..2 * l].to_vec();
            S::store(out.as_mut_ptr(), S::load_even(exact.as_ptr()));
            let expected: Vec<S::T> = (0..l).map(|i| value(2 * i + 1)).collect();
            assert_eq!(out[..l], expected, "load_even");
            let (first, second) = (S::load(a.as_ptr()), S::load(a.as_ptr().add(l)));
            S::store(out.as_mut_ptr(), S::mul(first, S::splat(&a[3])));
            assert_eq!(out[..l], (0..l).map(|i| value(3 * i)).collect::<Vec<_>>(), "mul");
            let (even, odd) = S::even_odd(first, second);
            S::store(out.as_mut_ptr(), even);
            S::store(out.as_mut_ptr().add(l), odd);
            let expected: Vec<S::T> = (0..2 * l).map(|i| value(i % l * 2 + i / l)).collect();
            assert_eq!(out[..2 * l], expected, "even_odd");
            S::store(out.as_mut_ptr(), S::shifted(first, second));
            let expected: Vec<S::T> = (1..l).chain([2 * l - 1]).map(value).collect();
            assert_eq!(out[..l], expected, "shifted");
            let not_a_number = S::T::from(f32::NAN);
            for (a, b) in [(value(1), value(2)), (value(2), value(1))] {
                S::store(out.as_mut_ptr(), S::larger(S::splat(&a), S::splat(&b)));
                assert_eq!(out[..l], vec![value(2); l], "larger");
                for (a, b) in [(a, not_a_number), (not_a_number, b), (not_a_number, not_a_number)] {
                    S::store(out.as_mut_ptr(), S::larger(S::splat(&a), S::splat(&b)));
                    assert!(out[..l].iter().all(|x| x.partial_cmp(x).is_none()), "larger with NaN");
                }
            }
        }
        let block: Vec<S::T> = (0..8 * 11).map(value).collect();
        let mut turned = vec![value(0); 8 * 9];
        // SAFETY: as above.
        unsafe { S::transpose8(block.as_ptr(), 11, turned.as_mut_ptr(), 9) };
        for i in 0..8 {
            for j in 0..8 {
                assert_eq!(turned[j * 9 + i], block[i * 11 + j], "transpose8");
            }
        }
    }
}

#[test]
fn vectors_match_plain_loops() {
    for isa in Isa::available() {
        match isa.kind() {
            IsaKind::Scalar => (check::<Scalar<f32>>(), check::<Scalar<f64>>()),
            IsaKind::Portable => (check::<Lanes4<f32>>(), check::<Lanes4<f64>>()),
            #[cfg(target_arch = "aarch64")]
            IsaKind::Neon => (check::<neon::F32x4>(), check::<neon::F64x2>()),
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx2 => (check::<avx2::F32x8>(), check::<avx2::F64x4>()),
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx512 => (check::<avx512::F32x16>(), check::<avx512::F64x8>()),
        };
    }
}

#[test]
fn the_best_instruction_set_comes_first_and_plain_code_is_always_there() {
    let all = Isa::available();
    assert!(all.windows(2).all(|pair| pair[0].kind() > pair[1].kind()));
    assert_eq!(all.last().map(|isa| isa.name()), Some("scalar"));
}
