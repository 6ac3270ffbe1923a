//! The batch functions of keys/group.py, whose contract says what each must do.
//!
//! Scalars are secrets: they meet only the library's constant-time functions, and our copies of them, of what is
//! hashed, of its elements and of tokens are overwritten. What Python holds, and what the library leaves on its stack,
//! is out of reach. Only weighted sums take variable time: every verifier sees the weights and what they weigh.
//!
//! Each function first copies and checks its arguments, then works without Python's lock.

mod arguments;
mod bare;
mod group;
mod recent;
mod refusal;

use pyo3::prelude::*;

#[pymodule]
mod samaki_native {
    use pyo3::prelude::*;
    use pyo3::types::{PyBytes, PyList};

    use crate::arguments::{each, elements, factor, factors, list, messages, pair, two_scalars, uniform, weights};
    use crate::group::{self, Tag};
    use crate::recent;
    use crate::refusal::Refusal;

    #[pymodule_export]
    use crate::bare::Bare;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("name", "native")?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    type Many<'py> = PyResult<Bound<'py, PyList>>;
    type One<'py> = PyResult<Bound<'py, PyBytes>>;
    type Any<'a, 'py> = &'a Bound<'py, PyAny>;

    #[pyfunction]
    fn map_to_group<'py>(py: Python<'py>, inputs: Any<'_, 'py>) -> Many<'py> {
        let inputs = uniform(inputs)?;
        list(py, &py.detach(|| group::map(&inputs)))
    }

    #[pyfunction]
    fn hash_to_group<'py>(py: Python<'py>, inputs: Any<'_, 'py>, dst: &[u8]) -> Many<'py> {
        let (inputs, tag) = (messages(inputs)?, Tag::of(dst)?);
        list(py, &py.detach(|| group::hash(&inputs, &tag)))
    }

    #[pyfunction]
    fn hash_and_multiply<'py>(py: Python<'py>, inputs: Any<'_, 'py>, dst: &[u8], scalars: Any<'_, 'py>) -> Many<'py> {
        let scalars = factors(scalars)?;
        let (inputs, tag) = (messages(inputs)?, Tag::of(dst)?);
        each(inputs.len(), scalars.len())?;
        let products = py.detach(|| {
            let (products, points) = group::hash_and_multiply(&inputs, &tag, &scalars);
            group::refuse_identity(&products)?;
            recent::remember(&products, points);
            Ok::<_, Refusal>(products)
        })?;
        list(py, &products)
    }

    #[pyfunction]
    fn random_scalars(py: Python<'_>, n: usize) -> Many<'_> {
        list(py, &py.detach(|| group::random_scalars(n))?)
    }

    #[pyfunction]
    fn reduce<'py>(py: Python<'py>, uniform: &[u8]) -> One<'py> {
        Ok(PyBytes::new(py, &group::reduce(uniform)?))
    }

    #[pyfunction]
    fn multiply<'py>(py: Python<'py>, many: Any<'_, 'py>, scalar: Any<'_, 'py>) -> Many<'py> {
        let scalar = factor(scalar)?;
        let many = elements(many)?;
        let products = py.detach(|| Ok::<_, Refusal>(group::multiply(&recent::decoded(many)?.points, &scalar)))?;
        list(py, &products)
    }

    #[pyfunction]
    fn multiply_each<'py>(py: Python<'py>, many: Any<'_, 'py>, scalars: Any<'_, 'py>) -> Many<'py> {
        let scalars = factors(scalars)?;
        let many = elements(many)?;
        each(many.len(), scalars.len())?;
        let products = py.detach(|| Ok::<_, Refusal>(group::multiply_each(&group::decode(&many)?, &scalars)))?;
        list(py, &products)
    }

    #[pyfunction]
    fn multiply_sums<'py>(
        py: Python<'py>,
        left: Any<'_, 'py>,
        right: Any<'_, 'py>,
        scalars: Any<'_, 'py>,
    ) -> Many<'py> {
        let scalars = factors(scalars)?;
        let (left, right) = (elements(left)?, elements(right)?);
        pair(left.len(), right.len())?;
        each(left.len(), scalars.len())?;
        let products = py.detach(|| {
            let (left, right) = (recent::decoded(left)?, recent::decoded(right)?);
            let products = group::multiply_sums(&left.points, &right.points, &scalars);
            group::refuse_identity(&products)?;
            Ok::<_, Refusal>(products)
        })?;
        list(py, &products)
    }

    #[pyfunction]
    fn multiply_base<'py>(py: Python<'py>, scalar: Any<'_, 'py>) -> One<'py> {
        Ok(PyBytes::new(py, &group::multiply_base(&*factor(scalar)?)))
    }

    #[pyfunction]
    fn add<'py>(py: Python<'py>, left: Any<'_, 'py>, right: Any<'_, 'py>) -> Many<'py> {
        let (left, right) = (elements(left)?, elements(right)?);
        pair(left.len(), right.len())?;
        let sums =
            py.detach(|| Ok::<_, Refusal>(group::add(&group::decode_terms(&left)?, &group::decode_terms(&right)?)))?;
        list(py, &sums)
    }

    #[pyfunction]
    fn total<'py>(py: Python<'py>, many: Any<'_, 'py>) -> One<'py> {
        let many = elements(many)?;
        let sum = py.detach(|| Ok::<_, Refusal>(group::total(&group::decode_terms(&many)?)))?;
        Ok(PyBytes::new(py, &sum))
    }

    #[pyfunction]
    fn hashed_weights<'py>(py: Python<'py>, prefix: &[u8], n: usize) -> Many<'py> {
        list(py, &group::hashed_weights(prefix, n))
    }

    #[pyfunction]
    fn weighted_sum<'py>(py: Python<'py>, many: Any<'_, 'py>, by: Any<'_, 'py>) -> One<'py> {
        let by = weights(by)?;
        let many = elements(many)?;
        each(many.len(), by.len())?;
        let sum = py.detach(|| Ok::<_, Refusal>(group::weighted_sum(&recent::decoded(many)?.points, &by)))?;
        Ok(PyBytes::new(py, &sum))
    }

    #[pyfunction]
    fn validate(py: Python<'_>, many: Any<'_, '_>) -> PyResult<()> {
        let many = elements(many)?;
        py.detach(|| recent::decoded(many).map(|_| ()))?;
        Ok(())
    }

    #[pyfunction]
    fn invert<'py>(py: Python<'py>, scalars: Any<'_, 'py>) -> Many<'py> {
        let mut scalars = factors(scalars)?;
        list(py, &py.detach(|| group::invert(&mut scalars)))
    }

    #[pyfunction]
    fn scalar_add<'py>(py: Python<'py>, a: Any<'_, 'py>, b: Any<'_, 'py>) -> One<'py> {
        let (a, b) = two_scalars(a, b)?;
        Ok(PyBytes::new(py, (*a + *b).as_bytes()))
    }

    #[pyfunction]
    fn scalar_subtract<'py>(py: Python<'py>, a: Any<'_, 'py>, b: Any<'_, 'py>) -> One<'py> {
        let (a, b) = two_scalars(a, b)?;
        Ok(PyBytes::new(py, (*a - *b).as_bytes()))
    }

    #[pyfunction]
    fn scalar_multiply<'py>(py: Python<'py>, a: Any<'_, 'py>, b: Any<'_, 'py>) -> One<'py> {
        let (a, b) = two_scalars(a, b)?;
        Ok(PyBytes::new(py, (*a * *b).as_bytes()))
    }

    #[pyfunction]
    fn forget() {
        recent::forget();
    }
}
