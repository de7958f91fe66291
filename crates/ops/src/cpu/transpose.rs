//! Transposition of matrices in 8×8 blocks.

use super::isa::vectorised;

/// The number of rows and columns of a block. Eight cache lines fit one set of the first-level cache, so the rows of a
/// block stay there also where they are a multiple of 4 KiB apart and fall into the same set.
pub const BLOCK_SIDE: usize = 8;

type Block = [[f32; BLOCK_SIDE]; BLOCK_SIDE];

/// Transposes a matrix: `to[j·to_stride + i] = from[i·from_stride + j]` for i < rows and j < columns.
#[inline(always)]
pub fn transpose(from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize, [rows, columns]: [usize; 2]) {
    for first in (0..rows).step_by(BLOCK_SIDE) {
        let count = BLOCK_SIDE.min(rows - first);
        let to = &mut to[first..];
        if count < BLOCK_SIDE {
            let mut row = 0;
            while row < count {
                let (from, to) = (&from[(first + row) * from_stride..], &mut to[row..]);
                row += match count - row {
                    4.. => transpose_few::<4>(from, from_stride, to, to_stride, columns),
                    3 => transpose_few::<3>(from, from_stride, to, to_stride, columns),
                    2 => transpose_few::<2>(from, from_stride, to, to_stride, columns),
                    _ => transpose_few::<1>(from, from_stride, to, to_stride, columns),
                };
            }
            continue;
        }
        let mut lines = [from; BLOCK_SIDE];
        for (i, line) in lines.iter_mut().enumerate() {
            *line = &from[(first + i) * from_stride..][..columns];
        }
        let mut to = to.chunks_mut(to_stride).take(columns);
        let whole = columns / BLOCK_SIDE * BLOCK_SIDE;
        for j in (0..whole).step_by(BLOCK_SIDE) {
            let mut block = [[0f32; BLOCK_SIDE]; BLOCK_SIDE];
            for (row, line) in block.iter_mut().zip(lines) {
                row.copy_from_slice(&line[j..j + BLOCK_SIDE]);
            }
            for (row, to) in transpose_block(&block).iter().zip(to.by_ref()) {
                to[..BLOCK_SIDE].copy_from_slice(row);
            }
        }
        for (j, to) in (whole..).zip(to) {
            for (to, line) in to[..BLOCK_SIDE].iter_mut().zip(lines) {
                *to = line[j];
            }
        }
    }
}

/// Transposes `ROWS` rows, fewer than a block, and returns their number.
#[inline(always)]
fn transpose_few<const ROWS: usize>(
    from: &[f32],
    from_stride: usize,
    to: &mut [f32],
    to_stride: usize,
    columns: usize,
) -> usize {
    let mut lines = [from; ROWS];
    for (i, line) in lines.iter_mut().enumerate() {
        *line = &from[i * from_stride..][..columns];
    }
    for (j, to) in to.chunks_mut(to_stride).take(columns).enumerate() {
        for (to, line) in to[..ROWS].iter_mut().zip(lines) {
            *to = line[j];
        }
    }
    ROWS
}

vectorised! {
/// Computes [`transpose`], for callers that are not compiled for the instruction set in use.
pub fn transpose_rows<'a>(from: &'a [f32], from_stride: usize, to: &'a mut [f32], to_stride: usize, size: [usize; 2]) {
    transpose(from, from_stride, to, to_stride, size);
}
}

/// Transposes a matrix of `size[0]` rows and `size[1]` columns.
pub fn transpose_matrix(from: &[f32], to: &mut [f32], size: [usize; 2]) {
    transpose_rows(from, size[1], to, size[0], size);
}

/// Transposes an 8×8 block of f32.
#[inline(always)]
fn transpose_block(block: &Block) -> Block {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx) = super::isa::avx() {
        return transpose_block_avx(avx, block);
    }
    std::array::from_fn(|column| block.map(|row| row[column]))
}

/// Transposes an 8×8 block of f32 in three rounds of shuffles, which exchange single values, pairs and halves.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transpose_block_avx(avx: pulp::core_arch::x86::Avx, block: &Block) -> Block {
    let [a, b, c, d, e, f, g, h] = pulp::cast::<Block, [std::arch::x86_64::__m256; BLOCK_SIDE]>(*block);
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
    fn any_number_of_rows_becomes_columns_and_nothing_beside_them_is_written() {
        for (rows, columns) in (1..=19).flat_map(|rows| (1..=18).map(move |columns| (rows, columns))) {
            let [from_stride, to_stride] = [columns + 2, rows + 3];
            let from: Vec<f32> = (0..rows * from_stride).map(|i| i as f32).collect();
            let mut to = vec![-1.; columns * to_stride];
            transpose_rows(&from, from_stride, &mut to, to_stride, [rows, columns]);
            for (i, &value) in to.iter().enumerate() {
                let (j, i) = (i / to_stride, i % to_stride);
                assert_eq!(value, if i < rows { from[i * from_stride + j] } else { -1. }, "{rows}x{columns}");
            }
        }
    }

    #[test]
    fn rows_become_columns() {
        let block: Block = std::array::from_fn(|row| std::array::from_fn(|column| (10 * row + column) as f32));
        let expected: Block = std::array::from_fn(|row| std::array::from_fn(|column| (10 * column + row) as f32));
        assert_eq!(transpose_block(&block), expected);
    }
}
