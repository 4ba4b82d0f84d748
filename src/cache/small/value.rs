//! What is kept under a key: the bytes, and a head of our own that says whose they are and that they are whole.
//!
//! The store's own deletes and checks are not relied upon: what comes back is believed only if its head names what was
//! asked for and its checksum is right.

use std::io::{Read, Write};
use std::sync::LazyLock;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use foyer::{Code, Error, ErrorKind};
use xxhash_rust::xxh3::Xxh3;

use super::{Kind, LARGEST};

/// The version of the head. A store of another one is begun anew.
const VERSION: u8 = 1;

/// Bytes of the head: version, kind, two of zeros, length, digest, checksum.
const HEAD: usize = 28;

/// The name that something is kept under: a digest of its kind and its own digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) u128);

impl Key {
    pub(super) fn of(kind: Kind, digest: u128) -> Self {
        let mut hasher = Xxh3::new();
        hasher.update(kind.as_str().as_bytes());
        hasher.update(&digest.to_be_bytes());
        Self(hasher.digest128())
    }
}

impl Code for Key {
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        writer
            .write_all(&self.0.to_be_bytes())
            .map_err(Error::io_error)
    }

    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        let mut bytes = [0; 16];
        reader.read_exact(&mut bytes).map_err(Error::io_error)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    fn estimated_size(&self) -> usize {
        16
    }
}

/// Something that is kept, or the mark that what was kept is not to be told any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    version: u8,
    kind: u8,
    digest: u128,
    checksum: u32,
    bytes: Bytes,
}

/// What comes back is not what was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged;

impl Value {
    pub(super) fn new(kind: Kind, digest: u128, bytes: Bytes) -> Self {
        let kind = kind_number(kind);
        Self {
            version: VERSION,
            kind,
            digest,
            checksum: checksum(kind, digest, &bytes),
            bytes,
        }
    }

    /// The mark that there is nothing.
    pub(super) fn nothing(kind: Kind, digest: u128) -> Self {
        Self::new(kind, digest, Bytes::new())
    }

    /// The bytes that were put under this name; none where they were forgotten since.
    pub(super) fn bytes(&self, kind: Kind, digest: u128) -> Result<Option<Bytes>, Damaged> {
        let is_it = self.version == VERSION
            && self.kind == kind_number(kind)
            && self.digest == digest
            && self.checksum == checksum(self.kind, digest, &self.bytes);
        match is_it {
            true => Ok((!self.bytes.is_empty()).then(|| self.bytes.clone())),
            false => Err(Damaged),
        }
    }

    /// Bytes of the value as it is written.
    pub(super) fn size(&self) -> usize {
        HEAD + self.bytes.len()
    }
}

impl Code for Value {
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        let mut head = [0; HEAD];
        head[0] = self.version;
        head[1] = self.kind;
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        head[4..8].copy_from_slice(&length.to_be_bytes());
        head[8..24].copy_from_slice(&self.digest.to_be_bytes());
        head[24..28].copy_from_slice(&self.checksum.to_be_bytes());
        writer.write_all(&head).map_err(Error::io_error)?;
        writer.write_all(&self.bytes).map_err(Error::io_error)
    }

    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        let mut head = [0; HEAD];
        reader.read_exact(&mut head).map_err(Error::io_error)?;
        let number = |at: usize| [head[at], head[at + 1], head[at + 2], head[at + 3]];
        let length = usize::try_from(u32::from_be_bytes(number(4))).unwrap_or(usize::MAX);
        if length > LARGEST {
            return Err(Error::new(ErrorKind::Parse, "a value is too long"));
        }
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes).map_err(Error::io_error)?;
        let mut digest = [0; 16];
        digest.copy_from_slice(&head[8..24]);
        Ok(Self {
            version: head[0],
            kind: head[1],
            digest: u128::from_be_bytes(digest),
            checksum: u32::from_be_bytes(number(24)),
            bytes: bytes.into(),
        })
    }

    fn estimated_size(&self) -> usize {
        self.size()
    }
}

/// The kind as it is written.
fn kind_number(kind: Kind) -> u8 {
    match kind {
        Kind::Record => 1,
        Kind::Body => 2,
    }
}

fn checksum(kind: u8, digest: u128, bytes: &[u8]) -> u32 {
    /// Making a digest looks up what the processor can do.
    static BLANK: LazyLock<Digest> = LazyLock::new(|| Digest::new(CrcAlgorithm::Crc32Iscsi));
    let mut crc = *BLANK;
    crc.update(&[VERSION, kind]);
    crc.update(&digest.to_be_bytes());
    crc.update(bytes);
    u32::try_from(crc.finalize()).expect("it has 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &Value) -> Vec<u8> {
        let mut written = Vec::new();
        value.encode(&mut written).expect("room");
        written
    }

    #[test]
    fn what_is_written_is_read_back_under_its_own_name_only() {
        let value = Value::new(Kind::Record, 7, Bytes::from_static(b"abc"));
        let read = Value::decode(&mut written(&value).as_slice()).expect("a value");
        assert_eq!(
            read.bytes(Kind::Record, 7),
            Ok(Some(Bytes::from_static(b"abc")))
        );
        assert_eq!(read.bytes(Kind::Body, 7), Err(Damaged));
        assert_eq!(read.bytes(Kind::Record, 8), Err(Damaged));
        let nothing = Value::nothing(Kind::Body, 9);
        assert_eq!(nothing.bytes(Kind::Body, 9), Ok(None));
    }

    #[test]
    fn every_bit_of_a_value_counts() {
        let bytes = written(&Value::new(
            Kind::Body,
            1 << 77,
            Bytes::from_static(b"bytes"),
        ));
        // Two bytes of the head are not used yet.
        for bit in (0..bytes.len() * 8).filter(|bit| !(16..32).contains(bit)) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read = Value::decode(&mut flipped.as_slice());
            let found = read.map(|value| value.bytes(Kind::Body, 1 << 77));
            assert!(matches!(found, Err(_) | Ok(Err(Damaged))), "bit {bit}");
        }
    }

    #[test]
    fn kinds_keep_apart() {
        assert_ne!(Key::of(Kind::Record, 1), Key::of(Kind::Body, 1));
        assert_ne!(Key::of(Kind::Record, 1), Key::of(Kind::Record, 2));
    }
}
