use proptest::prelude::*;

use super::super::portable::Portable;
use super::{BLOCK, Classify, below, escaped};

/// All masks of a block: of quotes, backslashes, brackets, control characters and commas.
type Masks = [u64; 5];

fn plainly(block: &[u8; BLOCK]) -> Masks {
    let mask = |is: fn(u8) -> bool| {
        block.iter().enumerate().fold(0, |mask, (index, byte)| {
            mask | (u64::from(is(*byte)) << index)
        })
    };
    [
        mask(|byte| byte == b'"'),
        mask(|byte| byte == b'\\'),
        mask(|byte| b"{}[]".contains(&byte)),
        mask(|byte| byte < 0x20),
        mask(|byte| byte == b','),
    ]
}

fn classified(classify: impl Classify, block: &[u8; BLOCK]) -> Masks {
    let text = classify.text(block);
    let control = classify.control(block);
    assert_eq!(
        text.has_control,
        control != 0,
        "control characters of {block:?}"
    );
    [
        text.quote,
        text.backslash,
        classify.brackets(block),
        control,
        classify.equal(block, b','),
    ]
}

fn assert_all_agree(block: &[u8; BLOCK]) {
    let wanted = plainly(block);
    let solid = block.iter().all(|byte| (0x21..0x80).contains(byte));
    assert_eq!(
        classified(Portable, block),
        wanted,
        "portable masks of {block:?}"
    );
    assert_eq!(
        Portable.is_solid(block),
        solid,
        "portable solidity of {block:?}"
    );
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = super::super::avx2::Avx2::detect() {
        assert_eq!(classified(avx2, block), wanted, "AVX2 masks of {block:?}");
        assert_eq!(avx2.is_solid(block), solid, "AVX2 solidity of {block:?}");
    }
}

#[test]
fn every_byte_at_every_place_is_classified_alike() {
    for byte in 0..=u8::MAX {
        assert_all_agree(&[byte; BLOCK]);
        for place in 0..BLOCK {
            let mut block = [b'x'; BLOCK];
            block[place] = byte;
            assert_all_agree(&block);
        }
    }
}

proptest! {
    #[test]
    fn random_blocks_are_classified_alike(block in prop::array::uniform32(any::<[u8; 2]>())) {
        let mut bytes = [0; BLOCK];
        bytes.copy_from_slice(block.as_flattened());
        assert_all_agree(&bytes);
    }

    #[test]
    fn escapes_are_those_of_a_byte_by_byte_reader(masks in prop::collection::vec(any::<u64>(), 1..4), dense in any::<bool>()) {
        let mut carry = 0;
        let mut open = false;
        for mask in masks {
            let backslash = if dense { mask | mask >> 1 | mask << 7 } else { mask };
            let mut wanted = 0u64;
            for bit in 0..64 {
                if open {
                    wanted |= 1 << bit;
                    open = false;
                } else {
                    open = backslash >> bit & 1 == 1;
                }
            }
            prop_assert_eq!(escaped(backslash, &mut carry), wanted);
            prop_assert_eq!(carry == 1, open);
        }
    }

    #[test]
    fn prefix_xor_is_the_parity_of_what_came(bits in any::<u64>()) {
        let parity = |bit: u32| u64::from((bits & below(bit + 1)).count_ones() & 1);
        let wanted = (0..64).fold(0, |mask, bit| mask | parity(bit) << bit);
        prop_assert_eq!(Portable.prefix_xor(bits), wanted);
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = super::super::avx2::Avx2::detect() {
            prop_assert_eq!(avx2.prefix_xor(bits), wanted);
        }
    }
}
