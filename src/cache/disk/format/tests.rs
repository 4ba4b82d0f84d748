//! The format is what is on disks: the bytes here change with [`VERSION`] only.

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

use super::*;

fn header() -> Header {
    Header {
        disk: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
        number: 7,
        geometry: Geometry {
            segment_bytes: 1 << 30,
            class: Class::K128,
        },
        incarnation: 99,
        made_at: 1_700_000_000,
    }
}

fn entry() -> Entry {
    let mut sums = [0; PAGES];
    (sums[0], sums[2]) = (0xaabb_ccdd, 0x1122_3344);
    Entry {
        incarnation: 99,
        block: BlockId {
            body: BodyDigest(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
            index: 5,
        },
        block_length: 1 << 20,
        epoch: Epoch(3),
        pinned: true,
        pages: Pages(0b101),
        positions: Positions::from_bits(0x02),
        sequence: 100,
        written_at: 1_700_000_001,
        sums,
    }
}

#[test]
fn a_header_is_golden() {
    let bytes = header().encode();
    assert_eq!(
        hex::encode(&bytes[..96]),
        concat!(
            "46425345474d4e540100000000000000100f0e0d0c0b0a090807060504030201",
            "07000000f01f0000000000400000000000000200000000000000100000000000",
            "00000100000000000000200000000000630000000000000000f1536500000000",
        )
    );
    assert!(bytes[96..HEADER - 4].iter().all(|byte| *byte == 0));
    assert_eq!(hex::encode(&bytes[HEADER - 4..]), "8628f90c");
    assert_eq!(Header::decode(&bytes), Ok(header()));
}

#[test]
fn an_entry_is_golden() {
    let bytes = entry().encode(7, 12);
    let front = concat!(
        "01010000000000006300000000000000100f0e0d0c0b0a090807060504030201",
        "0500000000001000030000000100050002000000000000006400000000000000",
        "01f1536500000000ddccbbaa000000004433221100000000",
    );
    assert_eq!(hex::encode(&bytes[..88]), front);
    assert!(bytes[88..ENTRY - 4].iter().all(|byte| *byte == 0));
    assert_eq!(hex::encode(&bytes[ENTRY - 4..]), "9e52d0bf");
    assert_eq!(Entry::decode(&bytes, 7, 12), Some(entry()));
    assert!(entry().fits(Class::K128));
}

#[test]
fn an_entry_in_another_place_is_none() {
    let bytes = entry().encode(7, 12);
    assert_eq!(Entry::decode(&bytes, 7, 13), None);
    assert_eq!(Entry::decode(&bytes, 8, 12), None);
    assert_eq!(Entry::decode(&[0; ENTRY], 7, 12), None);
}

#[test]
fn another_version_is_told_and_another_shape_refused() {
    let mut bytes = header().encode();
    bytes[8] = 2;
    assert_eq!(Header::decode(&bytes), Err(NoHeader::Version(2)));
    let mut bytes = header().encode();
    bytes[64..72].copy_from_slice(&(2 * PAGE).to_le_bytes());
    assert_eq!(Header::decode(&bytes), Err(NoHeader::Damaged));
    let sum = checksum::seeded(&[], &bytes[..HEADER - 4]);
    bytes[HEADER - 4..].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(Header::decode(&bytes), Err(NoHeader::Shape));
    assert_eq!(Header::decode(&[0; HEADER]), Err(NoHeader::Foreign));
    assert_eq!(Header::decode(b"FBSEGMNT"), Err(NoHeader::Foreign));
}

#[test]
fn an_entry_that_no_slot_can_have_does_not_fit() {
    let fits = |change: fn(&mut Entry)| {
        let mut entry = entry();
        change(&mut entry);
        entry.fits(Class::K128)
    };
    assert!(fits(|_| ()));
    assert!(!fits(|it| it.pages = Pages(0)), "no page");
    assert!(!fits(|it| it.pages = Pages(0b111)), "more than fit");
    assert!(!fits(|it| it.pages = Pages(0b110)), "other pages");
    assert!(
        !fits(|it| it.positions = Positions::from_bits(0x22)),
        "one page twice"
    );
    assert!(!fits(|it| it.block_length = 2 << 16), "beyond the block");
    assert!(!fits(|it| it.block_length = 0), "an empty block");
    assert!(fits(|it| it.block_length = (2 << 16) + 1));
}

fn entries() -> impl Strategy<Value = Entry> {
    let numbers = (any::<[u64; 4]>(), any::<[u32; 3]>());
    let pages = (any::<u16>(), any::<bool>(), any::<[u32; PAGES]>());
    (any::<u128>(), numbers, pages).prop_map(|(body, (longs, words), (pages, pinned, sums))| {
        Entry {
            incarnation: longs[0],
            block: BlockId {
                body: BodyDigest(body),
                index: words[0],
            },
            block_length: words[1],
            epoch: Epoch(words[2]),
            pinned,
            pages: Pages(pages),
            positions: Positions::from_bits(longs[1]),
            sequence: longs[2],
            written_at: longs[3],
            sums,
        }
    })
}

proptest! {
    #[test]
    fn an_entry_is_read_as_it_was_written(entry in entries(), number in any::<u32>(), slot in any::<u32>()) {
        prop_assert_eq!(Entry::decode(&entry.encode(number, slot), number, slot), Some(entry));
    }

    #[test]
    fn an_entry_with_any_bit_changed_is_none(entry in entries(), bit in 0..ENTRY * 8) {
        let mut bytes = entry.encode(1, 2);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(Entry::decode(&bytes, 1, 2), None);
    }

    #[test]
    fn a_header_with_any_bit_changed_is_none(bit in 0..HEADER * 8) {
        let mut bytes = header().encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Header::decode(&bytes).is_err());
    }

    #[test]
    fn bytes_of_anything_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(Entry::decode(&bytes, 0, 0), None);
        prop_assert!(Header::decode(&bytes).is_err());
    }
}
