//! The batches that were worked on last, kept decoded.
//!
//! A holder validates a batch, evaluates it and weighs it; a country blinds one, weighs it for each holder, weighs what
//! they answered and adds it up. Each call comes with the same bytes, and decoding is a fifth of a multiplication. Only
//! what a batch's sender and receiver both see is kept: blinded elements and answers, never a scalar, an input's element
//! or a token.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use curve25519_dalek::RistrettoPoint;

use crate::group::{Bytes, decode};
use crate::refusal::Refusal;

/// Elements of all kept batches, 192 bytes each: 6 MB.
const ELEMENTS: usize = 32_768;
/// Smaller ones are decoded anew: the single elements of a proof.
const SMALLEST: usize = 4;

pub struct Batch {
    encoded: Vec<Bytes>,
    pub points: Vec<RistrettoPoint>,
}

static RECENT: Mutex<VecDeque<Arc<Batch>>> = Mutex::new(VecDeque::new());

/// Refuses what `decode` refuses, and remembers nothing of it.
pub fn decoded(encoded: Vec<Bytes>) -> Result<Arc<Batch>, Refusal> {
    if let Some(batch) = known(&encoded) {
        return Ok(batch);
    }
    let points = decode(&encoded)?;
    let batch = Arc::new(Batch { encoded, points });
    keep(&batch);
    Ok(batch)
}

/// Points that were just encoded so.
pub fn remember(encoded: &[Bytes], points: Vec<RistrettoPoint>) {
    keep(&Arc::new(Batch { encoded: encoded.to_vec(), points }));
}

/// For benches, where parties that would not share a process do.
pub fn forget() {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

fn known(encoded: &[Bytes]) -> Option<Arc<Batch>> {
    let recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    recent.iter().find(|batch| batch.encoded == encoded).cloned()
}

fn keep(batch: &Arc<Batch>) {
    if !(SMALLEST..=ELEMENTS).contains(&batch.points.len()) {
        return;
    }
    let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    recent.push_front(batch.clone());
    while recent.iter().map(|kept| kept.points.len()).sum::<usize>() > ELEMENTS {
        recent.pop_back();
    }
}
