/// The order in which the values of an image's feature map lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapOrder {
    /// (C, H, W), as candle has it.
    Planes,
    /// (H, W, C), channels last, which is closer to what most kernels compute with. Not all of them take it.
    Pixels,
}

impl MapOrder {
    /// Returns [`MapOrder::Pixels`] if `channels_last`.
    pub fn of(channels_last: bool) -> Self {
        if channels_last { Self::Pixels } else { Self::Planes }
    }
}
