//! The compact form of what is written for every record: links, records that are seen, intents, and what a run spills.
//!
//! JSON repeats the names of members and the quotes around them in every value; a link in it takes two to three times
//! the room, and each byte is copied, checked and written several times on its way to the disk. So these few types are
//! written as their parts in a row: numbers as varints, hashes as they are, texts behind their length, and one byte of
//! flags for what most values lack. What each type looks like is told beside its [`Pack`]; a change of it needs a new
//! number in [`super::frame`], unless it is an optional part more, which takes a flag that had no meaning: older programs
//! refuse it. Everything else stays JSON.
//!
//! A reading takes nothing for granted: every length is checked, nesting is bounded, and bytes that are left over are
//! an error, so that damage is told and never guessed at.

mod fresh;
mod intent;
mod link;
mod value;
mod write;

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::record::{RecordId, Side};

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unfit(&'static str);

impl Unfit {
    /// For this reason.
    #[must_use]
    pub const fn new(reason: &'static str) -> Self {
        Self(reason)
    }

    const CUT: Self = Self("it ends too early");
}

/// A type with a compact form.
pub trait Pack: Sized {
    /// Appends the compact form.
    fn pack(&self, to: &mut Vec<u8>);

    /// Reads the compact form.
    ///
    /// # Errors
    ///
    /// When the bytes are not such a form.
    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit>;

    /// Reads the compact form that these bytes are, to their end.
    ///
    /// # Errors
    ///
    /// When they are not, or when something is left over.
    fn unpack_all(bytes: &[u8]) -> Result<Self, Unfit> {
        let mut from = Unpack { rest: bytes };
        let value = Self::unpack(&mut from)?;
        if from.rest.is_empty() { Ok(value) } else { Err(Unfit("something is left over behind it")) }
    }
}

/// Bytes that are read from their beginning.
pub struct Unpack<'a> {
    rest: &'a [u8],
}

impl<'a> Unpack<'a> {
    /// The next byte.
    ///
    /// # Errors
    ///
    /// At the end; so do all that follow.
    pub fn byte(&mut self) -> Result<u8, Unfit> {
        let (byte, rest) = self.rest.split_first().ok_or(Unfit::CUT)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Unfit> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Unfit::CUT)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Unfit> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Unfit::CUT)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn u32(&mut self) -> Result<u32, Unfit> {
        self.fixed().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Unfit> {
        self.fixed().map(u64::from_le_bytes)
    }

    /// A number of at most 64 bits.
    ///
    /// # Errors
    ///
    /// When it is longer.
    pub fn varint(&mut self) -> Result<u64, Unfit> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Unfit("a number in it is too large"))
    }

    /// A length or a place.
    ///
    /// # Errors
    ///
    /// When it is no number that fits.
    pub fn size(&mut self) -> Result<usize, Unfit> {
        usize::try_from(self.varint()?).map_err(|_| Unfit("a number in it is too large"))
    }

    /// So many of a thing, each of at least one byte: no more are made room for than can be there.
    fn count(&mut self) -> Result<usize, Unfit> {
        let count = self.size()?;
        if count > self.rest.len() { Err(Unfit::CUT) } else { Ok(count) }
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// When it is cut off or no UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Unfit> {
        let length = self.size()?;
        self.text_of(length)
    }

    /// What [`put_json`] wrote.
    fn json<T: DeserializeOwned>(&mut self) -> Result<T, Unfit> {
        serde_json::from_str(self.text()?).map_err(|_| Unfit("the JSON in it does not fit"))
    }

    fn text_of(&mut self, length: usize) -> Result<&'a str, Unfit> {
        std::str::from_utf8(self.bytes(length)?).map_err(|_| Unfit("a text in it is not UTF-8"))
    }
}

/// Appends a number.
pub fn put_varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

/// Appends a length or a place.
pub fn put_size(to: &mut Vec<u8>, size: usize) {
    put_varint(to, size as u64);
}

/// Appends a text.
pub fn put_text(to: &mut Vec<u8>, text: &str) {
    put_size(to, text.len());
    to.extend_from_slice(text.as_bytes());
}

/// Appends a value as JSON: what is rare, and may get other members.
///
/// # Panics
///
/// As [`super::frame::encode`].
fn put_json<T: Serialize>(to: &mut Vec<u8>, value: &T) {
    put_text(to, &serde_json::to_string(value).expect("stored types are plain data with text keys"));
}

/// The bits of those that are true, the first the lowest.
pub(super) fn flags<const N: usize>(of: [bool; N]) -> u8 {
    const { assert!(N <= 8, "a byte has eight bits") };
    of.iter().rev().fold(0, |flags, flag| (flags << 1) | u8::from(*flag))
}

/// [`flags`] taken apart. A bit that has no meaning is damage.
pub(super) fn unflags<const N: usize>(byte: u8) -> Result<[bool; N], Unfit> {
    const { assert!(N <= 8, "a byte has eight bits") };
    if N < 8 && byte >> N != 0 {
        return Err(Unfit("it has a flag without a meaning"));
    }
    let mut bit = 0;
    Ok([(); N].map(|()| {
        bit += 1;
        (byte >> (bit - 1)) & 1 == 1
    }))
}

impl Pack for bool {
    fn pack(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        match from.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Unfit("it is neither true nor false")),
        }
    }
}

impl Pack for String {
    fn pack(&self, to: &mut Vec<u8>) {
        put_text(to, self);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        from.text().map(str::to_owned)
    }
}

impl Pack for RecordId {
    fn pack(&self, to: &mut Vec<u8>) {
        put_text(to, self.as_str());
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        from.text().map(Self::from)
    }
}

impl Pack for Side {
    fn pack(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self == Self::Target));
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok(if bool::unpack(from)? { Self::Target } else { Self::Source })
    }
}

/// Seconds since 1970 (zigzag, as they may be before it), then nanoseconds.
impl Pack for DateTime<Utc> {
    fn pack(&self, to: &mut Vec<u8>) {
        let seconds = self.timestamp();
        put_varint(to, (seconds.cast_unsigned() << 1) ^ (seconds >> 63).cast_unsigned());
        put_varint(to, self.timestamp_subsec_nanos().into());
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let (zigzag, nanos) = (from.varint()?, from.varint()?);
        let seconds = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        let nanos = u32::try_from(nanos).ok();
        nanos.and_then(|nanos| Self::from_timestamp(seconds, nanos)).ok_or(Unfit("an instant in it is none"))
    }
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, to: &mut Vec<u8>) {
        put_size(to, self.len());
        for item in self {
            item.pack(to);
        }
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let count = from.count()?;
        let mut items = Self::with_capacity(count);
        for _ in 0..count {
            items.push(T::unpack(from)?);
        }
        Ok(items)
    }
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, to: &mut Vec<u8>) {
        self.is_some().pack(to);
        if let Some(item) = self {
            item.pack(to);
        }
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        bool::unpack(from)?.then(|| T::unpack(from)).transpose()
    }
}

impl<T: Pack> Pack for Box<T> {
    fn pack(&self, to: &mut Vec<u8>) {
        T::pack(self, to);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        T::unpack(from).map(Self::new)
    }
}

impl<A: Pack, B: Pack> Pack for (A, B) {
    fn pack(&self, to: &mut Vec<u8>) {
        self.0.pack(to);
        self.1.pack(to);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok((A::unpack(from)?, B::unpack(from)?))
    }
}

impl Pack for usize {
    fn pack(&self, to: &mut Vec<u8>) {
        put_size(to, *self);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        from.size()
    }
}

#[cfg(test)]
mod tests;
