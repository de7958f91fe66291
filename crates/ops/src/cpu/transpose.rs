//! A block of a matrix turned over.

/// Rows and columns: as many rows as lie side by side in the first-level cache also where they are a multiple of 4 KiB
/// apart.
pub const BLOCK: usize = 8;

type Block = [[f32; BLOCK]; BLOCK];

/// With AVX in three rounds of shuffles that exchange single values, pairs and halves.
#[inline(always)]
pub fn transposed(block: &Block) -> Block {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx) = super::isa::avx() {
        return shuffled(avx, block);
    }
    std::array::from_fn(|column| block.map(|row| row[column]))
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn shuffled(avx: pulp::core_arch::x86::Avx, block: &Block) -> Block {
    let [a, b, c, d, e, f, g, h] = pulp::cast::<Block, [std::arch::x86_64::__m256; BLOCK]>(*block);
    let singles = |a, b| (avx._mm256_unpacklo_ps(a, b), avx._mm256_unpackhi_ps(a, b));
    let ((a, b), (c, d), (e, f), (g, h)) = (singles(a, b), singles(c, d), singles(e, f), singles(g, h));
    let pairs = |a, b| (avx._mm256_shuffle_ps::<0b01_00_01_00>(a, b), avx._mm256_shuffle_ps::<0b11_10_11_10>(a, b));
    let ((a, c), (b, d), (e, g), (f, h)) = (pairs(a, c), pairs(b, d), pairs(e, g), pairs(f, h));
    let halves = |a, b| (avx._mm256_permute2f128_ps::<0x20>(a, b), avx._mm256_permute2f128_ps::<0x31>(a, b));
    let ((a, e), (c, g), (b, f), (d, h)) = (halves(a, e), halves(c, g), halves(b, f), halves(d, h));
    pulp::cast([a, c, b, d, e, g, f, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        let block: Block = std::array::from_fn(|row| std::array::from_fn(|column| (10 * row + column) as f32));
        let expected: Block = std::array::from_fn(|row| std::array::from_fn(|column| (10 * column + row) as f32));
        assert_eq!(transposed(&block), expected);
    }
}
