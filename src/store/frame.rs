//! The frame around every value: one format byte, a CRC-32 of the rest (little endian), then the value.
//!
//! ```text
//! [1][crc32 of what follows, 4 bytes LE][JSON …]
//! [2][crc32 of what follows, 4 bytes LE][compact form …]
//! ```
//!
//! Links, records that are seen and intents are written in their compact form ([`Pack`]); written as JSON, by an import or by
//! this program before it knew that form, they are read all the same.
//!
//! The checksum covers what the disk or a torn write may have changed; the format byte tells a value of a newer
//! program from a damaged one, so that a downgrade says what is wrong instead of guessing.

use serde::{Serialize, de::DeserializeOwned};

use super::{Key, Pack, StoreError};

/// The format byte of JSON.
pub const FORMAT: u8 = 1;
/// The format byte of the compact form.
pub const PACKED: u8 = 2;

const HEADER: usize = 5;

/// Room for most values, so that a buffer does not grow step by step.
const USUAL: usize = 512;

/// The framed value.
///
/// # Panics
///
/// When serde cannot make JSON of `value`: a map whose keys are not texts, or a failing `Serialize`. Our own types
/// have neither, so this is a mistake in the program and never caused by data.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL);
    bytes.extend([FORMAT, 0, 0, 0, 0]);
    serde_json::to_writer(&mut bytes, value).expect("stored types are plain data with text keys");
    seal(&mut bytes);
    bytes
}

/// The framed value in its compact form.
#[must_use]
pub fn pack<T: Pack>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL);
    bytes.extend([PACKED, 0, 0, 0, 0]);
    value.pack(&mut bytes);
    seal(&mut bytes);
    bytes
}

/// The framed value of JSON text that is already known to be JSON.
#[must_use]
pub fn encode_json(json: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + json.len());
    bytes.extend([FORMAT, 0, 0, 0, 0]);
    bytes.extend(json.as_bytes());
    seal(&mut bytes);
    bytes
}

/// The value in a frame read at `key`.
///
/// # Errors
///
/// [`StoreError::Damaged`] when the frame is cut off, was changed since it was written, is of a format this program
/// does not know, or does not hold a `T`.
pub fn decode<T: DeserializeOwned>(key: &Key, bytes: &[u8]) -> Result<T, StoreError> {
    match open(key, bytes)? {
        Opened::Json(json) => from_json(key, json),
        Opened::Packed(_) => Err(damaged(key, "it is in the compact form, which a value of its kind never is".into())),
    }
}

/// The value in a frame read at `key`, in its compact form or as JSON.
///
/// # Errors
///
/// As [`decode`].
pub fn unpack<T: Pack + DeserializeOwned>(key: &Key, bytes: &[u8]) -> Result<T, StoreError> {
    match open(key, bytes)? {
        Opened::Json(json) => from_json(key, json),
        Opened::Packed(packed) => {
            T::unpack_all(packed).map_err(|error| damaged(key, format!("its compact form does not fit: {error}")))
        }
    }
}

/// What is inside a frame.
enum Opened<'a> {
    Json(&'a [u8]),
    Packed(&'a [u8]),
}

fn from_json<T: DeserializeOwned>(key: &Key, json: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json).map_err(|error| damaged(key, format!("its JSON does not fit: {error}")))
}

fn open<'a>(key: &Key, bytes: &'a [u8]) -> Result<Opened<'a>, StoreError> {
    let Some((header, inside)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(damaged(key, format!("it has {} bytes, fewer than a frame's header", bytes.len())));
    };
    let [format, checksum @ ..] = *header;
    let opened = match format {
        FORMAT => Opened::Json(inside),
        PACKED => Opened::Packed(inside),
        _ => {
            let reason = format!(
                "its format is {format}, this program knows {FORMAT} and {PACKED}; a newer version of reconciled wrote \
                 it, or it is damaged"
            );
            return Err(damaged(key, reason));
        }
    };
    if crc32fast::hash(inside) != u32::from_le_bytes(checksum) {
        return Err(damaged(key, "its checksum does not match: it was changed or cut off after it was written".into()));
    }
    Ok(opened)
}

fn seal(bytes: &mut [u8]) {
    if let Some((header, inside)) = bytes.split_first_chunk_mut::<HEADER>() {
        header[1..].copy_from_slice(&crc32fast::hash(inside).to_le_bytes());
    }
}

fn damaged(key: &Key, reason: String) -> StoreError {
    StoreError::Damaged { key: format!("{key:?}"), reason }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::store::Space;

    fn key() -> Key {
        Key::new(Space::Link, &["clients", "42"])
    }

    #[track_caller]
    fn check_refused(bytes: &[u8], reason: &str) {
        let error = decode::<Value>(&key(), bytes).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("clients/42"), "{error}");
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        check_refused(b"", "fewer than a frame's header");
        check_refused(&[1, 0, 0, 0], "fewer than a frame's header");
        check_refused(&[3, 0, 0, 0, 0], "format is 3");
        check_refused(&pack(&"a text".to_owned()), "compact form, which");
        check_refused(&[1, 9, 9, 9, 9, b'1'], "checksum");
        check_refused(&encode_json("{"), "JSON does not fit");
        assert!(decode::<u8>(&key(), &encode("text")).is_err(), "another type");
    }

    #[test]
    fn a_text_of_json_and_a_value_have_the_same_frame() {
        assert_eq!(encode_json(r#"{"a":1.10}"#), encode(&serde_json::from_str::<Value>(r#"{"a":1.10}"#).unwrap()));
        assert_eq!(decode::<Value>(&key(), &encode(&json!(null))).unwrap(), Value::Null);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text: String) {
            prop_assert_eq!(decode::<String>(&key(), &encode(&text)).unwrap(), text);
        }

        #[test]
        fn any_changed_byte_is_noticed(text: String, at: prop::sample::Index, flip in 1..=u8::MAX) {
            let mut bytes = encode(&text);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(decode::<String>(&key(), &bytes).is_err());
        }

        #[test]
        fn any_cut_is_noticed(text: String, keep: prop::sample::Index) {
            let bytes = encode(&text);
            let keep = keep.index(bytes.len());
            prop_assert!(decode::<String>(&key(), &bytes[..keep]).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = decode::<Value>(&key(), &bytes);
        }
    }
}
