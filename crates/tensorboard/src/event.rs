//! The messages in event files: the parts of TensorFlow's `event.proto` and `summary.proto` that are needed here.

/// One entry of an event file.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Event {
    /// The time at which it was written, in seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// The place on the horizontal axis.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// The version of the file, in its first event only.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    /// The values, in all other events.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
}

/// The values of one step.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Summary {
    /// The values.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

/// A named number or image.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    /// The name. TensorBoard groups names by what stands before the first `/`.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// The number; `None` in an image.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
    /// The image; `None` in a number.
    #[prost(message, optional, tag = "4")]
    pub image: Option<Image>,
}

/// A picture in a file format.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Image {
    /// The height in pixels.
    #[prost(int32, tag = "1")]
    pub height: i32,
    /// The width in pixels.
    #[prost(int32, tag = "2")]
    pub width: i32,
    /// The number of channels: 3 for RGB.
    #[prost(int32, tag = "3")]
    pub colorspace: i32,
    /// The bytes of a PNG file.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded_image_string: Vec<u8>,
}
