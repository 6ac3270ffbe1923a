//! The arithmetic, without Python. Sources: RFC 9496 (the group), RFC 9380 (hashing).

use std::sync::LazyLock;

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::{Identity, IsIdentity, VartimeMultiscalarMul};
use curve25519_dalek::{RistrettoPoint, Scalar};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::refusal::{Refusal, not_canonical};

pub type Bytes = [u8; 32];
pub type Uniform = [u8; 64];

const IDENTITY: Bytes = [0; 32];

/// 1/2: the library encodes doubles of many elements much faster than each element, so products are made halved.
static HALF: LazyLock<Scalar> = LazyLock::new(|| Scalar::from(2u8).invert());

/// Every expansion begins with one block of zeros: hashed once.
static PADDED: LazyLock<Sha512> = LazyLock::new(|| Sha512::new_with_prefix([0; 128]));

/// A domain separation tag with its length after it.
pub struct Tag(Vec<u8>);

impl Tag {
    pub fn of(dst: &[u8]) -> Result<Tag, Refusal> {
        match u8::try_from(dst.len()) {
            Ok(length @ 1..) => Ok(Tag([dst, &[length]].concat())),
            _ => Err(Refusal::Value(format!("A tag has 1 to 255 bytes; got {}.", dst.len()))),
        }
    }
}

/// expand_message_xmd with SHA-512 to 64 bytes, which is one block. Source: RFC 9380 section 5.3.1.
fn expand(message: &[u8], tag: &Tag) -> Zeroizing<Uniform> {
    let start = PADDED.clone().chain_update(message).chain_update([0, 64, 0]).chain_update(&tag.0);
    let first: Zeroizing<Uniform> = Zeroizing::new(start.finalize().into());
    Zeroizing::new(Sha512::new().chain_update(*first).chain_update([1]).chain_update(&tag.0).finalize().into())
}

pub fn map(inputs: &[Zeroizing<Uniform>]) -> Zeroizing<Vec<RistrettoPoint>> {
    Zeroizing::new(inputs.iter().map(|input| RistrettoPoint::from_uniform_bytes(input)).collect())
}

pub fn hash(inputs: &[Zeroizing<Vec<u8>>], tag: &Tag) -> Zeroizing<Vec<RistrettoPoint>> {
    Zeroizing::new(inputs.iter().map(|input| RistrettoPoint::from_uniform_bytes(&expand(input, tag))).collect())
}

/// Uniform to within 2^-259; zero comes once in 2^252 draws, and is then refused wherever it would multiply.
pub fn random_scalars(n: usize) -> Result<Zeroizing<Vec<Bytes>>, Refusal> {
    let mut random = Zeroizing::new(vec![0; 64 * n]);
    getrandom::fill(&mut random).map_err(|error| Refusal::System(format!("No randomness: {error}.")))?;
    Ok(Zeroizing::new(
        random.as_chunks().0.iter().map(|wide| Scalar::from_bytes_mod_order_wide(wide).to_bytes()).collect(),
    ))
}

pub fn reduce(uniform: &[u8]) -> Result<Bytes, Refusal> {
    let wide = uniform.try_into().map_err(|_| Refusal::Value(format!("64 bytes reduce; got {}.", uniform.len())))?;
    Ok(Scalar::from_bytes_mod_order_wide(wide).to_bytes())
}

/// Refuses what is not canonical, and the identity.
pub fn decode(elements: &[Bytes]) -> Result<Vec<RistrettoPoint>, Refusal> {
    match elements.iter().position(|bytes| bytes == &IDENTITY) {
        Some(i) => Err(not_canonical(i, elements.len())),
        None => decode_terms(elements),
    }
}

/// As `decode`, for plain sums, in which the identity may stand.
pub fn decode_terms(elements: &[Bytes]) -> Result<Vec<RistrettoPoint>, Refusal> {
    let decode_one = |(i, bytes): (usize, &Bytes)| {
        CompressedRistretto(*bytes).decompress().ok_or_else(|| not_canonical(i, elements.len()))
    };
    elements.iter().enumerate().map(decode_one).collect()
}

pub fn refuse_identity(points: &[RistrettoPoint]) -> Result<(), Refusal> {
    match points.iter().position(IsIdentity::is_identity) {
        Some(i) => Err(not_canonical(i, points.len())),
        None => Ok(()),
    }
}

pub fn encode(points: &[RistrettoPoint]) -> Vec<Bytes> {
    points.iter().map(|point| point.compress().to_bytes()).collect()
}

/// Half of each product, for `encode_doubled`. Constant time in the scalar.
pub fn multiply(points: &[RistrettoPoint], scalar: &Scalar) -> Zeroizing<Vec<RistrettoPoint>> {
    let half = Zeroizing::new(scalar * *HALF);
    Zeroizing::new(points.iter().map(|point| point * *half).collect())
}

/// Half of each product, for `encode_doubled`. Constant time in the scalars.
pub fn multiply_each(points: &[RistrettoPoint], scalars: &[Scalar]) -> Zeroizing<Vec<RistrettoPoint>> {
    let half = |(point, scalar)| {
        let half = Zeroizing::new(scalar * *HALF);
        point * *half
    };
    Zeroizing::new(points.iter().zip(scalars).map(half).collect())
}

pub fn encode_doubled(halves: &[RistrettoPoint]) -> Vec<Bytes> {
    RistrettoPoint::double_and_compress_batch(halves).iter().map(CompressedRistretto::to_bytes).collect()
}

pub fn doubled(halves: &[RistrettoPoint]) -> Vec<RistrettoPoint> {
    halves.iter().map(|half| half + half).collect()
}

pub fn multiply_base(scalar: &Scalar) -> Bytes {
    RistrettoPoint::mul_base(scalar).compress().to_bytes()
}

pub fn add(left: &[RistrettoPoint], right: &[RistrettoPoint]) -> Vec<RistrettoPoint> {
    left.iter().zip(right).map(|(one, other)| one + other).collect()
}

pub fn total(points: &[RistrettoPoint]) -> Bytes {
    points.iter().sum::<RistrettoPoint>().compress().to_bytes()
}

/// 16-byte block i mod 4 of SHA-512(prefix | i div 4), i from 0; the number in 8 bytes, big-endian.
pub fn hashed_weights(prefix: &[u8], n: usize) -> Vec<[u8; 16]> {
    let start = Sha512::new_with_prefix(prefix);
    let block = |j: usize| -> Uniform { start.clone().chain_update((j as u64).to_be_bytes()).finalize().into() };
    (0..n.div_ceil(4)).flat_map(|j| block(j).as_chunks().0.to_vec()).take(n).collect()
}

/// Variable time: for what everybody sees.
pub fn weighted_sum(points: &[RistrettoPoint], weights: &[Scalar]) -> Bytes {
    if points.is_empty() {
        return RistrettoPoint::identity().compress().to_bytes();
    }
    RistrettoPoint::vartime_multiscalar_mul(weights, points).compress().to_bytes()
}

/// All with one inversion, in constant time. None may be zero.
pub fn invert(scalars: &mut Zeroizing<Vec<Scalar>>) -> Zeroizing<Vec<Bytes>> {
    Scalar::batch_invert(scalars);
    Zeroizing::new(scalars.iter().map(Scalar::to_bytes).collect())
}
