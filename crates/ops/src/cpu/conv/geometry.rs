use super::super::tile::{ROWS, Steps, WIDTH};
use crate::Window;

/// The sizes of one convolution.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub batch: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the convolution's output, before any pooling.
    pub output: [usize; 2],
    pub window: Window,
    pub epilogue: Epilogue,
}

/// What is done with the sums before they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epilogue {
    None,
    Relu,
    /// ReLU and the maximum of 2×2 windows side by side.
    ReluMaxPool,
}

impl Epilogue {
    /// Height and width of the result, from those of the sums.
    pub fn result(self, size: [usize; 2]) -> [usize; 2] {
        if self == Epilogue::ReluMaxPool { size.map(|n| n / 2) } else { size }
    }
}

impl Shape {
    /// Height and width of the result.
    pub fn result(&self) -> [usize; 2] {
        self.epilogue.result(self.output)
    }

    /// Values of an image's result.
    pub fn results(&self) -> usize {
        self.out_channels * self.result().iter().product::<usize>()
    }

    /// Values of an image.
    pub fn image(&self) -> usize {
        self.in_channels * self.input[0] * self.input[1]
    }

    /// The length of one dot product: C_in·kh·kw.
    pub fn patch(&self) -> usize {
        self.in_channels * self.window.kernel[0] * self.window.kernel[1]
    }

    /// Floating-point operations of an image's forward pass.
    pub fn work(&self) -> usize {
        2 * self.out_channels * self.patch() * self.output[0] * self.output[1]
    }
}

/// Where the values of one image lie. An image is held padded and channels last, (H + 2p, W + 2p, C_in); but by
/// [`Geometry::of_planes`] as it is, (C_in, H, W).
#[derive(Debug)]
pub struct Geometry {
    /// One row of the padded image.
    pub row: usize,
    /// The padded image, and what a block may read or write beyond it.
    pub image: usize,
    /// Where the patch of each output position starts: row by row, or, with pooling, window by window. The last is
    /// repeated to a multiple of [`ROWS`].
    pub positions: Vec<usize>,
    /// The same without the repetitions, to sum over.
    pub outputs: Steps,
    /// Where the values of a patch lie, from its start, in the order (ky, kx, C_in).
    pub taps: Steps,
    /// The same to go through in blocks of [`ROWS`], the last one repeated.
    pub tap_rows: Vec<usize>,
    /// The columns of a patch row, kw·C_in, rounded up to a multiple of [`WIDTH`].
    pub segment: usize,
    /// C_out in blocks of [`WIDTH`].
    pub blocks: usize,
}

impl Geometry {
    pub fn new(s: &Shape) -> Self {
        let Window { kernel, stride, padding } = s.window;
        let pixel = s.in_channels;
        let row = (s.input[1] + 2 * padding[1]) * pixel;
        let start = |y: usize, x: usize| y * stride[0] * row + x * stride[1] * pixel;
        let [height, width] = s.result();
        let results = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let positions: Vec<usize> = if s.epilogue == Epilogue::ReluMaxPool {
            results
                .flat_map(|(y, x)| [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(i, j)| start(2 * y + i, 2 * x + j)))
                .collect()
        } else {
            results.map(|(y, x)| start(y, x)).collect()
        };
        let taps = (0..kernel[0]).flat_map(|ky| (0..kernel[1] * pixel).map(move |i| ky * row + i)).collect();
        let image = (s.input[0] + 2 * padding[0]) * row + WIDTH;
        Self::with(s, row, image, positions, taps)
    }

    /// For kernels of 1×1.
    pub fn of_planes(s: &Shape) -> Self {
        let len = s.input[0] * s.input[1];
        let taps = (0..s.in_channels).map(|channel| channel * len).collect();
        Self::with(s, s.input[1], s.image(), (0..len).collect(), taps)
    }

    fn with(s: &Shape, row: usize, image: usize, positions: Vec<usize>, taps: Vec<usize>) -> Self {
        Self {
            row,
            image,
            positions: in_rows(positions.clone()),
            outputs: Steps::new(positions),
            tap_rows: in_rows(taps.clone()),
            taps: Steps::new(taps),
            segment: (s.window.kernel[1] * s.in_channels).next_multiple_of(WIDTH),
            blocks: s.out_channels.div_ceil(WIDTH),
        }
    }

    /// Where the output channels of a position lie in a blocked matrix.
    pub fn channels(&self, s: &Shape) -> Steps {
        Steps::new((0..s.out_channels).map(|c| c / WIDTH * self.positions.len() * WIDTH + c % WIDTH).collect())
    }

    /// The length of a matrix of all positions × all output channels, in blocks: (blocks, positions, [`WIDTH`]).
    pub fn blocked(&self) -> usize {
        self.blocks * self.positions.len() * WIDTH
    }
}

/// Repeats the last offset until there are whole blocks.
fn in_rows(mut offsets: Vec<usize>) -> Vec<usize> {
    let last = offsets.last().copied().unwrap_or(0);
    offsets.resize(offsets.len().next_multiple_of(ROWS), last);
    offsets
}
