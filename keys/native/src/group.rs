//! The arithmetic, without Python. Sources: RFC 9496 (the group), RFC 9380 (hashing).

use std::sync::LazyLock;

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::{Identity, VartimeMultiscalarMul};
use curve25519_dalek::{RistrettoPoint, Scalar};
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

use crate::arguments::Messages;
use crate::refusal::{Refusal, not_canonical};

pub type Bytes = [u8; 32];
pub type Uniform = [u8; 64];

const IDENTITY: Bytes = [0; 32];

/// Elements that are encoded with one inversion.
const PART: usize = 256;

/// 1/2: the library encodes the doubles of many elements with one inversion, so products are made halved.
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

/// `expand_message_xmd` with SHA-512 to 64 bytes, which is one block. Source: RFC 9380 section 5.3.1.
fn expand(message: &[u8], tag: &Tag) -> Zeroizing<Uniform> {
    let start = PADDED.clone().chain_update(message).chain_update([0, 64, 0]).chain_update(&tag.0);
    let first: Zeroizing<Uniform> = Zeroizing::new(start.finalize().into());
    Zeroizing::new(Sha512::new().chain_update(*first).chain_update([1]).chain_update(&tag.0).finalize().into())
}

pub fn map(inputs: &[Zeroizing<Uniform>]) -> Vec<Bytes> {
    inputs.iter().map(|input| RistrettoPoint::from_uniform_bytes(input).compress().to_bytes()).collect()
}

pub fn hash(inputs: &Messages, tag: &Tag) -> Vec<Bytes> {
    inputs.each().map(|input| hash_one(input, tag).compress().to_bytes()).collect()
}

pub fn hash_one(input: &[u8], tag: &Tag) -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&expand(input, tag))
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
    refuse_identity(elements)?;
    decode_terms(elements)
}

/// As `decode`, for plain sums, in which the identity may stand.
pub fn decode_terms(elements: &[Bytes]) -> Result<Vec<RistrettoPoint>, Refusal> {
    let mut points = Vec::with_capacity(elements.len());
    for (i, bytes) in elements.iter().enumerate() {
        points.push(CompressedRistretto(*bytes).decompress().ok_or_else(|| not_canonical(i, elements.len()))?);
    }
    Ok(points)
}

/// A product is the identity where an element was: no scalar that multiplies is zero.
pub fn refuse_identity(elements: &[Bytes]) -> Result<(), Refusal> {
    match elements.iter().position(|bytes| bytes == &IDENTITY) {
        Some(i) => Err(not_canonical(i, elements.len())),
        None => Ok(()),
    }
}

/// Constant time in the scalar.
pub fn multiply(points: &[RistrettoPoint], scalar: &Scalar) -> Vec<Bytes> {
    let half = halved(scalar);
    encode_doubled(points.iter().map(|point| point * *half), |_| ())
}

/// Constant time in the scalars.
pub fn multiply_each(points: &[RistrettoPoint], scalars: &[Scalar]) -> Vec<Bytes> {
    encode_doubled(points.iter().zip(scalars).map(|(point, scalar)| point * *halved(scalar)), |_| ())
}

/// Constant time in the scalars. Also the products decoded.
pub fn hash_and_multiply(inputs: &Messages, tag: &Tag, scalars: &[Scalar]) -> (Vec<Bytes>, Vec<RistrettoPoint>) {
    let halves = inputs.each().zip(scalars).map(|(input, scalar)| {
        let hashed = Zeroizing::new(hash_one(input, tag));
        *hashed * *halved(scalar)
    });
    let mut points = Vec::with_capacity(scalars.len());
    let encoded = encode_doubled(halves, |halves| points.extend(halves.iter().map(|half| half + half)));
    (encoded, points)
}

/// Constant time in the scalars.
pub fn multiply_sums(left: &[RistrettoPoint], right: &[RistrettoPoint], scalars: &[Scalar]) -> Vec<Bytes> {
    let sums = left.iter().zip(right).map(|(one, other)| one + other);
    encode_doubled(sums.zip(scalars).map(|(sum, scalar)| sum * *halved(scalar)), |_| ())
}

fn halved(scalar: &Scalar) -> Zeroizing<Scalar> {
    Zeroizing::new(scalar * *HALF)
}

/// Twice each point, encoded: in parts, of which little lies around. `also` sees each part before it is overwritten.
fn encode_doubled(
    mut halves: impl ExactSizeIterator<Item = RistrettoPoint>,
    mut also: impl FnMut(&[RistrettoPoint]),
) -> Vec<Bytes> {
    let mut encoded = Vec::with_capacity(halves.len());
    let mut part = Zeroizing::new(Vec::with_capacity(PART));
    while halves.len() > 0 {
        part.extend(halves.by_ref().take(PART));
        also(&part);
        encoded
            .extend(RistrettoPoint::double_and_compress_batch(part.iter()).iter().map(CompressedRistretto::to_bytes));
        part.zeroize();
    }
    encoded
}

pub fn multiply_base(scalar: &Scalar) -> Bytes {
    RistrettoPoint::mul_base(scalar).compress().to_bytes()
}

pub fn add(left: &[RistrettoPoint], right: &[RistrettoPoint]) -> Vec<Bytes> {
    left.iter().zip(right).map(|(one, other)| (one + other).compress().to_bytes()).collect()
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
