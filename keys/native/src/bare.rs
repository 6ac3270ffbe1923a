//! The library's operations in a tight loop, for samaki bench: what no token can cost less than.

use std::hint::black_box;

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use curve25519_dalek::{RistrettoPoint, Scalar};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arguments::Messages;
use crate::group::{Bytes, Tag, Uniform, hash_one};
use crate::refusal::Refusal;

#[derive(Clone, Copy)]
enum Operation {
    Hash,
    Multiply,
    Decode,
    Weigh,
}

/// Bare(counts, n): so many of each operation, on n random operands each, made beforehand. `run()` does it all once.
#[pyclass(frozen)]
pub struct Bare {
    operations: Vec<Operation>,
    inputs: Messages,
    tag: Tag,
    encoded: Vec<CompressedRistretto>,
    points: Vec<RistrettoPoint>,
    scalars: Vec<Scalar>,
    weights: Vec<Scalar>,
}

#[pymethods]
impl Bare {
    #[new]
    fn new(counts: Vec<(String, usize)>, n: usize, dst: &[u8]) -> PyResult<Bare> {
        let mut operations = Vec::new();
        for (name, count) in counts {
            let operation = match name.as_str() {
                "hash" => Operation::Hash,
                "multiply" => Operation::Multiply,
                "decode" => Operation::Decode,
                "weigh" => Operation::Weigh,
                _ => return Err(PyValueError::new_err(format!("No bare operation {name}."))),
            };
            operations.extend(vec![operation; count]);
        }
        let random = random(n)?;
        let points: Vec<_> = random.iter().map(RistrettoPoint::from_uniform_bytes).collect();
        Ok(Bare {
            operations,
            inputs: Messages::of(random.iter().flat_map(|bytes| bytes[..32].to_vec()).collect(), 32),
            tag: Tag::of(dst)?,
            encoded: points.iter().map(RistrettoPoint::compress).collect(),
            points,
            scalars: random.iter().map(Scalar::from_bytes_mod_order_wide).collect(),
            weights: random.iter().map(weight).collect(),
        })
    }

    fn run(&self, py: Python<'_>) {
        py.detach(|| self.operations.iter().for_each(|operation| self.run_one(*operation)));
    }
}

impl Bare {
    fn run_one(&self, operation: Operation) {
        match operation {
            Operation::Hash => self.inputs.each().for_each(|input| {
                black_box(hash_one(input, &self.tag));
            }),
            Operation::Multiply => self.points.iter().zip(&self.scalars).for_each(|(point, scalar)| {
                black_box(point * scalar);
            }),
            Operation::Decode => self.encoded.iter().for_each(|bytes| {
                black_box(bytes.decompress());
            }),
            Operation::Weigh => {
                black_box(RistrettoPoint::vartime_multiscalar_mul(&self.weights, &self.points));
            }
        }
    }
}

fn random(n: usize) -> Result<Vec<Uniform>, Refusal> {
    let mut bytes = vec![0; 64 * n];
    getrandom::fill(&mut bytes).map_err(|error| Refusal::System(format!("No randomness: {error}.")))?;
    Ok(bytes.as_chunks().0.to_vec())
}

fn weight(bytes: &Uniform) -> Scalar {
    let mut low: Bytes = [0; 32];
    low[..16].copy_from_slice(&bytes[..16]);
    Scalar::from_bytes_mod_order(low)
}
