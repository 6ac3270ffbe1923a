//! Refusals, which reach Python as the errors of keys/errors.py. The sentences are those of keys/sodium.py.

use pyo3::PyErr;
use pyo3::exceptions::{PyOSError, PyValueError};

mod python {
    pyo3::import_exception!(keys.errors, InvalidElement);
    pyo3::import_exception!(keys.errors, InvalidScalar);
}

#[derive(Debug)]
pub enum Refusal {
    Element(String),
    Scalar(String),
    /// A mistake in our own code.
    Value(String),
    /// The system gives no randomness.
    System(String),
}

impl From<Refusal> for PyErr {
    fn from(refusal: Refusal) -> PyErr {
        match refusal {
            Refusal::Element(sentence) => python::InvalidElement::new_err(sentence),
            Refusal::Scalar(sentence) => python::InvalidScalar::new_err(sentence),
            Refusal::Value(sentence) => PyValueError::new_err(sentence),
            Refusal::System(sentence) => PyOSError::new_err(sentence),
        }
    }
}

pub fn not_canonical(i: usize, n: usize) -> Refusal {
    Refusal::Element(format!("Element {i} of {n} is not canonical, or the identity."))
}
