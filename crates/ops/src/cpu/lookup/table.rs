use super::LookupConv;
use crate::cpu::{
    matmul::{Matrix, matmul},
    parallel, scratch,
    simd::BLOCK_WIDTH,
};

impl LookupConv {
    /// Orders the weights (filters, dimensions, window) in blocks of filters, (dimensions, window, filters of the block), with
    /// zeros for filters that do not exist.
    pub(super) fn pack(&self, weight: &[f32]) -> Vec<f32> {
        let mut packed = vec![0f32; self.packed_len()];
        self.for_each_weight(|filter, inner| {
            packed[self.packed_index(filter, inner)] = weight[filter * self.per_filter() + inner]
        });
        packed
    }

    /// Returns weights, or their gradients, to the order (filters, dimensions, window).
    pub(super) fn unpack(&self, packed: &[f32]) -> Vec<f32> {
        let mut weight = vec![0f32; self.filters * self.per_filter()];
        self.for_each_weight(|filter, inner| {
            weight[filter * self.per_filter() + inner] = packed[self.packed_index(filter, inner)]
        });
        weight
    }

    /// Returns the number of weights of a filter.
    fn per_filter(&self) -> usize {
        self.dimensions * self.sequences.window()
    }

    fn for_each_weight(&self, mut f: impl FnMut(usize, usize)) {
        for filter in 0..self.filters {
            (0..self.per_filter()).for_each(|inner| f(filter, inner));
        }
    }

    fn packed_index(&self, filter: usize, inner: usize) -> usize {
        filter / BLOCK_WIDTH * self.packed_block_len() + inner * BLOCK_WIDTH + filter % BLOCK_WIDTH
    }

    /// Returns the weights of a block of filters, a matrix of (dimensions, window · filters of the block).
    fn matrix_of_block<'a>(&self, packed: &'a [f32], block: usize) -> Matrix<'a> {
        let values = &packed[block * self.packed_block_len()..][..self.packed_block_len()];
        Matrix::new(values, self.dimensions, self.sequences.window() * BLOCK_WIDTH)
    }

    /// Writes the table of a block of filters.
    pub(super) fn fill_table(&self, vectors: &[f32], packed: &[f32], block: usize, table: &mut [f32]) {
        let vectors = Matrix::new(vectors, self.sequences.ids(), self.dimensions);
        let (of_ids, outside) = table.split_at_mut(self.sequences.ids() * self.sequences.window() * BLOCK_WIDTH);
        matmul(of_ids, vectors, self.matrix_of_block(packed, block), |_| ());
        outside.fill(0.);
    }

    /// Calls `f` with the tables of all blocks of filters, or with nothing if each sequence has its own or none are wanted.
    pub(super) fn with_tables<R>(
        &self,
        wanted: bool,
        vectors: &[f32],
        packed: &[f32],
        f: impl FnOnce(&[f32]) -> R,
    ) -> R {
        let len = self.sequences.table_len();
        let total = if wanted && !self.own_vectors { self.blocks() * len } else { 0 };
        // Scratch starts at a cache line, so that no row straddles two.
        scratch::with([total], |[tables]| {
            parallel::chunks(tables, len, 2 * self.sequences.ids() * packed.len(), |block, table| {
                self.fill_table(vectors, packed, block, table);
            });
            f(tables)
        })
    }

    /// Calls `f` with the table of a sequence and a block of filters: one of `tables`, or the sequence's own.
    pub(super) fn with_table<R>(
        &self,
        tables: &[f32],
        vectors: &[f32],
        packed: &[f32],
        [sequence, block]: [usize; 2],
        f: impl FnOnce(&[f32]) -> R,
    ) -> R {
        let len = self.sequences.table_len();
        if !self.own_vectors {
            return f(&tables[block * len..][..len]);
        }
        scratch::with([len], |[table]| {
            self.fill_table(self.vectors_of(vectors, sequence), packed, block, table);
            f(table)
        })
    }

    /// Adds to the packed gradient of a block's weights what follows from the gradient of its table. `product` is scratch of
    /// the same size.
    pub(super) fn add_weight_gradient(
        &self,
        vectors: &[f32],
        table: &[f32],
        product: &mut [f32],
        gradient: &mut [f32],
    ) {
        let vectors = Matrix::new(vectors, self.sequences.ids(), self.dimensions);
        matmul(product, vectors.transposed(), self.table_matrix(table), |_| ());
        gradient.iter_mut().zip(product).for_each(|(sum, part)| *sum += *part);
    }

    /// Adds to the gradient of vectors what follows from the gradient of the table of a block of filters. `product` is scratch
    /// of the same size.
    pub(super) fn add_vector_gradient(
        &self,
        packed: &[f32],
        block: usize,
        table: &[f32],
        product: &mut [f32],
        gradient: &mut [f32],
    ) {
        matmul(product, self.table_matrix(table), self.matrix_of_block(packed, block).transposed(), |_| ());
        gradient.iter_mut().zip(product).for_each(|(sum, part)| *sum += *part);
    }

    /// Returns the rows of a table that belong to ids as a matrix of (ids, window · filters of the block).
    fn table_matrix<'a>(&self, table: &'a [f32]) -> Matrix<'a> {
        let (ids, columns) = (self.sequences.ids(), self.sequences.window() * BLOCK_WIDTH);
        Matrix::new(&table[..ids * columns], ids, columns)
    }
}
