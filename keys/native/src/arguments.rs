//! Python's lists and bytes, copied in and checked, and copied out.

use curve25519_dalek::Scalar;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use zeroize::Zeroizing;

use crate::group::{Bytes, Uniform};
use crate::refusal::{Refusal, not_canonical};

/// Any sequence of bytes or of a subclass.
fn each_of(values: &Bound<'_, PyAny>, mut take: impl FnMut(usize, usize, &[u8]) -> PyResult<()>) -> PyResult<()> {
    let n = values.len()?;
    for (i, value) in values.try_iter()?.enumerate() {
        take(i, n, value?.cast::<PyBytes>()?.as_bytes())?;
    }
    Ok(())
}

/// 32 bytes each, the last bit not set: no canonical encoding sets it. Whether they decode is seen later.
pub fn elements(values: &Bound<'_, PyAny>) -> PyResult<Vec<Bytes>> {
    let mut out = Vec::with_capacity(values.len()?);
    each_of(values, |i, n, value| {
        let element: Bytes = value
            .try_into()
            .map_err(|_| Refusal::Element(format!("Element {i} of {n} has {} bytes, not 32.", value.len())))?;
        if element[31] & 0x80 != 0 {
            return Err(not_canonical(i, n).into());
        }
        out.push(element);
        Ok(())
    })?;
    Ok(out)
}

/// Reduced scalars, none zero.
pub fn factors(values: &Bound<'_, PyAny>) -> PyResult<Zeroizing<Vec<Scalar>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(values.len()?));
    each_of(values, |i, n, value| {
        out.push(factor_of(i, n, value)?);
        Ok(())
    })?;
    Ok(out)
}

pub fn factor(value: &Bound<'_, PyAny>) -> PyResult<Zeroizing<Scalar>> {
    Ok(Zeroizing::new(factor_of(0, 1, value.cast::<PyBytes>()?.as_bytes())?))
}

fn factor_of(i: usize, n: usize, value: &[u8]) -> Result<Scalar, Refusal> {
    let scalar = scalar_of(i, n, value)?;
    if scalar == Scalar::ZERO {
        return Err(Refusal::Scalar(format!("Scalar {i} of {n} is zero: it would hide nothing.")));
    }
    Ok(scalar)
}

fn scalar_of(i: usize, n: usize, value: &[u8]) -> Result<Scalar, Refusal> {
    let bytes: Zeroizing<Bytes> = Zeroizing::new(
        value
            .try_into()
            .map_err(|_| Refusal::Scalar(format!("Scalar {i} of {n} has {} bytes, not 32.", value.len())))?,
    );
    Option::from(Scalar::from_canonical_bytes(*bytes))
        .ok_or_else(|| Refusal::Scalar(format!("Scalar {i} of {n} is not below the group's order.")))
}

/// Two reduced scalars, which may be zero.
pub fn two_scalars(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<(Zeroizing<Scalar>, Zeroizing<Scalar>)> {
    let of = |i, value: &Bound<'_, PyAny>| {
        Ok::<_, PyErr>(Zeroizing::new(scalar_of(i, 2, value.cast::<PyBytes>()?.as_bytes())?))
    };
    Ok((of(0, a)?, of(1, b)?))
}

/// 16 bytes each, big-endian, not zero.
pub fn weights(values: &Bound<'_, PyAny>) -> PyResult<Vec<Scalar>> {
    let mut out = Vec::with_capacity(values.len()?);
    each_of(values, |_, _, value| match value.try_into().map(u128::from_be_bytes) {
        Ok(weight) if weight != 0 => {
            out.push(Scalar::from(weight));
            Ok(())
        }
        _ => Err(Refusal::Scalar("A weight has 16 bytes, not all zero.".into()).into()),
    })?;
    Ok(out)
}

/// What is hashed, one after another: people's identifiers, so overwritten after use.
pub struct Messages {
    joined: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
}

impl Messages {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn each(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|i| &self.joined[if i == 0 { 0 } else { self.ends[i - 1] }..self.ends[i]])
    }

    /// All of one length.
    pub fn of(joined: Vec<u8>, length: usize) -> Messages {
        let ends = (1..=joined.len() / length).map(|i| i * length).collect();
        Messages { joined: Zeroizing::new(joined), ends }
    }
}

pub fn messages(values: &Bound<'_, PyAny>) -> PyResult<Messages> {
    let mut total = 0;
    each_of(values, |_, _, value| {
        total += value.len();
        Ok(())
    })?;
    // room for all at once: a vector that grows leaves copies behind
    let mut joined = Zeroizing::new(Vec::with_capacity(total));
    let mut ends = Vec::with_capacity(values.len()?);
    each_of(values, |_, _, value| {
        joined.extend_from_slice(value);
        ends.push(joined.len());
        Ok(())
    })?;
    Ok(Messages { joined, ends })
}

/// 64 bytes each.
pub fn uniform(values: &Bound<'_, PyAny>) -> PyResult<Vec<Zeroizing<Uniform>>> {
    let mut out = Vec::with_capacity(values.len()?);
    each_of(values, |i, _, value| {
        let bytes = value
            .try_into()
            .map_err(|_| Refusal::Value(format!("Input {i} to map has {} bytes, not 64.", value.len())))?;
        out.push(Zeroizing::new(bytes));
        Ok(())
    })?;
    Ok(out)
}

pub fn each(elements: usize, scalars: usize) -> Result<(), Refusal> {
    if elements == scalars {
        return Ok(());
    }
    Err(Refusal::Element(format!("Each element needs its scalar; got {elements} and {scalars}.")))
}

pub fn pair(left: usize, right: usize) -> Result<(), Refusal> {
    if left == right {
        return Ok(());
    }
    Err(Refusal::Element(format!("Sums need two lists of one length; got {left} and {right} elements.")))
}

pub fn list<'py, T: AsRef<[u8]>>(py: Python<'py>, values: &[T]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, values.iter().map(|value| PyBytes::new(py, value.as_ref())))
}
