//! `_core.Geometry`.

use super::errors::to_python;
use crate::geometry::Geometry as Core;
use crate::spec::{ConvSpec, Padding};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use std::hash::{DefaultHasher, Hash, Hasher};

/// One convolution's shapes, validated.
#[pyclass(frozen, module = "rsconv._core")]
pub(super) struct Geometry {
    pub(super) core: Core,
}

/// An int, or a sequence of ints.
fn ints(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    if let Ok(one) = value.extract::<i64>() {
        return Ok(vec![one]);
    }
    let refuse = || {
        PyTypeError::new_err(format!(
            "{name} must be an int or a tuple of ints, but got {name}={}",
            text(value)
        ))
    };
    value.try_iter().map_err(|_| refuse())?.map(|item| item?.extract().map_err(|_| refuse())).collect()
}

/// The number of groups.
fn int(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    value.extract().map_err(|_| {
        PyTypeError::new_err(format!("groups must be an int of 64 bits, but got groups={}", text(value)))
    })
}

/// A value as Python shows it.
fn text(value: &Bound<'_, PyAny>) -> String {
    value.repr().map_or_else(|_| "?".into(), |text| text.to_string())
}

/// A name, an int, a sequence of ints, or a sequence of (low, high) pairs.
fn padding(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Padding> {
    if let Ok(name) = value.cast::<PyString>() {
        return Padding::from_name(name.to_str()?).map_err(|error| to_python(py, error));
    }
    if let Ok(one) = value.extract::<i64>() {
        return Ok(Padding::Explicit(vec![(one, one)]));
    }
    let refuse = || {
        PyTypeError::new_err(format!(
            "padding must be a string, an int, a tuple of ints or a tuple of (low, high) pairs, but got padding={}",
            text(value)
        ))
    };
    let items = value.try_iter().map_err(|_| refuse())?;
    let pair = |item: Bound<'_, PyAny>| -> PyResult<(i64, i64)> {
        if let Ok(one) = item.extract::<i64>() {
            return Ok((one, one));
        }
        if item.is_instance_of::<PyTuple>() || item.is_instance_of::<PyList>() {
            return item.extract::<[i64; 2]>().map(|[low, high]| (low, high)).map_err(|_| refuse());
        }
        Err(refuse())
    };
    Ok(Padding::Explicit(items.map(|item| pair(item?)).collect::<PyResult<_>>()?))
}

fn tuple<'py>(py: Python<'py>, values: &[usize]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, values)
}

#[pymethods]
impl Geometry {
    #[new]
    #[pyo3(signature = (rank, input_shape, weight_shape, bias_shape=None, stride=None, padding=None,
                        output_padding=None, groups=None, dilation=None, transposed=false))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        rank: usize,
        input_shape: Vec<usize>,
        weight_shape: Vec<usize>,
        bias_shape: Option<Vec<usize>>,
        stride: Option<&Bound<'_, PyAny>>,
        padding: Option<&Bound<'_, PyAny>>,
        output_padding: Option<&Bound<'_, PyAny>>,
        groups: Option<&Bound<'_, PyAny>>,
        dilation: Option<&Bound<'_, PyAny>>,
        transposed: bool,
    ) -> PyResult<Geometry> {
        let list = |name: &str, value: Option<&Bound<'_, PyAny>>, default: i64| {
            value.map_or_else(|| Ok(vec![default]), |value| ints(name, value))
        };
        let spec = ConvSpec {
            rank,
            input: &input_shape,
            weight: &weight_shape,
            bias: bias_shape.as_deref(),
            stride: &list("stride", stride, 1)?,
            padding: padding.map_or_else(|| Ok(Padding::Valid), |value| self::padding(py, value))?,
            output_padding: &list("output_padding", output_padding, 0)?,
            groups: groups.map_or(Ok(1), int)?,
            dilation: &list("dilation", dilation, 1)?,
            transposed,
        };
        // A transposed convolution without padding is `Valid` too.
        let spec = match spec.padding {
            Padding::Valid if transposed && padding.is_none() => {
                ConvSpec { padding: Padding::Explicit(vec![(0, 0)]), ..spec }
            }
            _ => spec,
        };
        Ok(Geometry { core: Core::new(&spec).map_err(|error| to_python(py, error))? })
    }

    fn without_padding(&self) -> Geometry {
        Geometry { core: self.core.without_padding() }
    }

    #[getter]
    fn rank(&self) -> usize {
        self.core.rank()
    }
    #[getter]
    fn transposed(&self) -> bool {
        self.core.transposed()
    }
    #[getter]
    fn batched(&self) -> bool {
        self.core.batched()
    }
    #[getter]
    fn groups(&self) -> usize {
        self.core.groups()
    }
    #[getter]
    fn in_channels(&self) -> usize {
        self.core.in_channels()
    }
    #[getter]
    fn out_channels(&self) -> usize {
        self.core.out_channels()
    }
    #[getter]
    fn stride<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        tuple(py, &self.core.stride()[3 - self.core.rank()..])
    }
    #[getter]
    fn padding<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let (low, high) = (self.core.pad_low(), self.core.pad_high());
        PyTuple::new(py, (3 - self.core.rank()..3).map(|d| (low[d], high[d])).collect::<Vec<_>>())
    }
    #[getter]
    fn dilation<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        tuple(py, &self.core.dilation()[3 - self.core.rank()..])
    }
    #[getter]
    fn output_padding<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        tuple(py, &self.core.output_padding()[3 - self.core.rank()..])
    }
    #[getter]
    fn input_shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        tuple(py, &self.core.input_shape())
    }
    #[getter]
    fn weight_shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        tuple(py, &self.core.weight_shape())
    }
    #[getter]
    fn output_shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        tuple(py, &self.core.output_shape())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Geometry>().is_ok_and(|other| other.get().core == self.core)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.core.hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        let g = &self.core;
        let (low, high) = (g.pad_low(), g.pad_high());
        let pads: Vec<(usize, usize)> = (3 - g.rank()..3).map(|d| (low[d], high[d])).collect();
        let tail = |v: [usize; 3]| v[3 - g.rank()..].to_vec();
        format!(
            "Geometry(input={:?}, weight={:?}, output={:?}, stride={:?}, padding={pads:?}, dilation={:?}, groups={}, \
             transposed={})",
            g.input_shape(),
            g.weight_shape(),
            g.output_shape(),
            tail(g.stride()),
            tail(g.dilation()),
            g.groups(),
            if g.transposed() { "True" } else { "False" }
        )
    }
}
