// Pictures: decoded and resized to the very bits that Pillow gives, so that accuracies equal those people measure with
// it.
#pragma once

#include "io/data/reader.hpp"

namespace bitwright {

struct Image {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> pixels;  // [height, width, channels]
};

/// A part of an image, in pixels of that image.
struct Window {
  int64_t top = 0, left = 0, height = 0, width = 0;
};

/// A JPEG or PNG file as RGB; grey becomes three equal channels, alpha is dropped. Refused (Error{malformed,
/// resource}): damaged files, more than 2^26 pixels, more pixels than a file of that size can hold.
Image decode_image(Bytes file, const std::string& where);

/// The window of the image resized to height x width. Pillow's ImagingResample for 8 bits: the filter stretched when
/// shrinking (antialiasing), weights of 22 fraction bits, rows first, rounded to 8 bits after each of the two passes.
Image resized(const Image& image, int64_t height, int64_t width, Interpolation interpolation, const Window& window);

/// Resize, centre crop (offset (size - crop) / 2 rounded half to even) and channels as `how` says. Error{mismatch} when
/// the crop does not fit.
Image prepared(Image image, const Preprocess& how, std::string_view where);

/// Shape of one prepared image in a batch: [C,H,W] or [H,W,C].
Shape shape_of(const Image& image, const Preprocess& how);
/// Writes a prepared image as record `row` of `batch` ([N] + shape_of, f32, or u8 when raw).
/// Error{usage} when mean or std has another number of channels.
void write_pixels(const Image& image, const Preprocess& how, Tensor& batch, int64_t row);

}  // namespace bitwright
