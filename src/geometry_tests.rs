use super::*;

fn spec<'a>(input: &'a [usize], weight: &'a [usize]) -> ConvSpec<'a> {
    ConvSpec {
        rank: weight.len() - 2,
        input,
        weight,
        bias: None,
        stride: &[1],
        padding: Padding::Valid,
        output_padding: &[0],
        groups: 1,
        dilation: &[1],
        transposed: false,
    }
}

fn explicit(pad: i64) -> Padding {
    Padding::Explicit(vec![(pad, pad)])
}

fn output(spec: &ConvSpec<'_>) -> Vec<usize> {
    Geometry::new(spec).expect("valid").output_shape()
}

fn refused(spec: &ConvSpec<'_>) -> String {
    Geometry::new(spec).expect_err("invalid").to_string()
}

#[test]
fn output_sizes() {
    let (x, w) = ([2, 3, 224, 224], [64, 3, 7, 7]);
    assert_eq!(output(&ConvSpec { stride: &[2], padding: explicit(3), ..spec(&x, &w) }), [2, 64, 112, 112]);
    assert_eq!(output(&ConvSpec { dilation: &[2, 3], ..spec(&x[1..], &w) }), [64, 212, 206]);
    let (x, w) = ([1, 4, 8], [4, 6, 3]);
    let up = ConvSpec { transposed: true, stride: &[3], output_padding: &[2], ..spec(&x, &w) };
    assert_eq!(output(&ConvSpec { padding: explicit(1), ..up.clone() }), [1, 6, 24]);
    assert_eq!(output(&ConvSpec { padding: explicit(0), dilation: &[4], ..up }), [1, 6, 32]);
    assert_eq!(output(&spec(&[0, 4, 8], &[2, 4, 3])), [0, 2, 6]);
    assert_eq!(output(&spec(&[1, 0, 8], &[2, 0, 3])), [1, 2, 6]);
}

#[test]
fn named_padding() {
    let pads = |padding: Padding, stride: i64, size: usize, kernel: usize| {
        let g =
            Geometry::new(&ConvSpec { padding, stride: &[stride], ..spec(&[1, 1, size], &[1, 1, kernel]) });
        let g = g.expect("valid");
        (g.pad_low()[2], g.pad_high()[2], g.output_shape()[2])
    };
    assert_eq!(pads(Padding::Same, 1, 9, 4), (1, 2, 9));
    assert_eq!(pads(Padding::SameUpper, 2, 8, 3), (0, 1, 4));
    assert_eq!(pads(Padding::SameLower, 2, 8, 3), (1, 0, 4));
    assert_eq!(pads(Padding::SameUpper, 5, 8, 2), (0, 0, 2));
    assert_eq!(pads(Padding::Causal, 1, 9, 4), (3, 0, 9));
}

#[test]
fn padded_once_is_not_padded_again() {
    let (x, w) = ([1, 2, 9, 7], [2, 2, 3, 3]);
    let padding = Padding::Explicit(vec![(1, 2), (0, 3)]);
    let g = Geometry::new(&ConvSpec { padding: padding.clone(), ..spec(&x, &w) }).expect("valid");
    let valid = g.without_padding();
    assert_eq!((valid.input_shape(), valid.output_shape()), (vec![1, 2, 12, 10], g.output_shape()));
    let up = Geometry::new(&ConvSpec { padding, transposed: true, ..spec(&x, &w) }).expect("valid");
    assert_eq!(
        (up.output_shape(), up.without_padding().output_shape()),
        (vec![1, 2, 8, 6], vec![1, 2, 11, 9])
    );
}

#[test]
fn messages_hold_names_and_values() {
    let (x, w) = ([1, 4, 8, 8], [6, 4, 3, 3]);
    let ok = spec(&x, &w);
    let cases: [(String, &[&str]); 11] = [
        (refused(&ConvSpec { input: &x[2..], ..ok.clone() }), &["4D (batched) input to conv2d", "[8, 8]"]),
        (refused(&ConvSpec { weight: &w[1..], ..ok.clone() }), &["4D weight for conv2d", "[4, 3, 3]"]),
        (refused(&ConvSpec { stride: &[1, 0], ..ok.clone() }), &["non-positive stride", "[1, 0]"]),
        (refused(&ConvSpec { stride: &[1, 1, 1], ..ok.clone() }), &["list of 2 values", "stride=[1, 1, 1]"]),
        (refused(&ConvSpec { dilation: &[0], ..ok.clone() }), &["non-positive dilation", "[0]"]),
        (refused(&ConvSpec { padding: explicit(-1), ..ok.clone() }), &["negative padding", "-1"]),
        (refused(&ConvSpec { groups: 3, ..ok.clone() }), &["groups=3", "12 channels, but got 4"]),
        (refused(&ConvSpec { groups: 4, ..ok.clone() }), &["divisible by 4", "[6, 4, 3, 3]"]),
        (refused(&ConvSpec { bias: Some(&[5]), ..ok.clone() }), &["with 6 elements", "[5]"]),
        (refused(&ConvSpec { dilation: &[4], ..ok.clone() }), &["(8 x 8)", "(9 x 9)"]),
        (refused(&ConvSpec { stride: &[2], padding: Padding::Same, ..ok }), &["'same'", "stride=[2]"]),
    ];
    for (message, parts) in cases {
        assert!(parts.iter().all(|part| message.contains(part)), "{message} lacks one of {parts:?}");
    }
}

#[test]
fn sizes_that_overflow_are_refused() {
    let huge = usize::MAX / 2;
    let padding = Padding::Explicit(vec![(i64::MAX, i64::MAX)]);
    assert!(refused(&ConvSpec { padding, ..spec(&[1, 1, huge / 64], &[1, 1, 3]) }).contains("64-bit"));
    assert!(refused(&spec(&[huge, 4, 8], &[2, 4, 3])).contains("64-bit"));
    assert!(refused(&ConvSpec { dilation: &[i64::MAX], ..spec(&[1, 1, 8], &[1, 1, 4]) }).contains("greater"));
    let up = ConvSpec {
        transposed: true,
        padding: explicit(0),
        stride: &[i64::MAX],
        ..spec(&[1, 1, 9], &[1, 1, 3])
    };
    assert!(refused(&up).contains("64-bit"));
}
