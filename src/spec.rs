//! A convolution's arguments as a caller gives them; `geometry` validates them.

use crate::error::{Error, Result};

/// How far the input is extended at both ends of each spatial dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Padding {
    /// No padding.
    Valid,
    /// Output as large as the input, stride 1 only; of an odd total the larger half goes to the end (PyTorch).
    Same,
    /// Output of `ceil(input / stride)`; of an odd total the larger half goes to the end (ONNX, TensorFlow).
    SameUpper,
    /// As `SameUpper`, but the larger half goes to the start.
    SameLower,
    /// All of it at the start, so that no output sees a later input. One dimension only.
    Causal,
    /// `(low, high)` for each dimension; one pair is repeated.
    Explicit(Vec<(i64, i64)>),
}

/// The arguments of a call, as the user gave them.
#[derive(Debug, Clone)]
pub struct ConvSpec<'a> {
    /// Number of spatial dimensions, 1 to 3.
    pub rank: usize,
    /// `(N, C, *S)` or `(C, *S)`.
    pub input: &'a [usize],
    /// `(out, in / groups, *k)`, transposed `(in, out / groups, *k)`.
    pub weight: &'a [usize],
    /// Shape of the bias, `(out,)`.
    pub bias: Option<&'a [usize]>,
    /// One value, or one for each dimension.
    pub stride: &'a [i64],
    /// See [`Padding`].
    pub padding: Padding,
    /// Extra size at the end of a transposed convolution's output.
    pub output_padding: &'a [i64],
    /// Number of groups.
    pub groups: i64,
    /// One value, or one for each dimension.
    pub dilation: &'a [i64],
    /// Whether this is a transposed convolution.
    pub transposed: bool,
}

impl Padding {
    /// As it is written in a call.
    pub(crate) fn text(&self) -> String {
        match self {
            Padding::Valid => "'valid'".into(),
            Padding::Same => "'same'".into(),
            Padding::SameUpper => "'same_upper'".into(),
            Padding::SameLower => "'same_lower'".into(),
            Padding::Causal => "'causal'".into(),
            Padding::Explicit(pairs) if pairs.iter().all(|pair| pair.0 == pair.1) => {
                format!("{:?}", pairs.iter().map(|pair| pair.0).collect::<Vec<_>>())
            }
            Padding::Explicit(pairs) => format!("{pairs:?}"),
        }
    }

    /// Reads a padding string.
    pub fn from_name(name: &str) -> Result<Padding> {
        Ok(match name {
            "valid" => Padding::Valid,
            "same" => Padding::Same,
            "same_upper" => Padding::SameUpper,
            "same_lower" => Padding::SameLower,
            "causal" => Padding::Causal,
            _ => {
                return Err(Error::Argument(format!(
                    "Invalid padding string '{name}', should be one of 'valid', 'same', 'same_upper', \
                     'same_lower', 'causal'"
                )));
            }
        })
    }
}
