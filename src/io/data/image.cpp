#include "io/data/image.hpp"

#include <climits>
#include <cmath>

#define STBI_NO_STDIO
#include <stb/stb_image.h>

#include "io/data/jpeg.hpp"
#include "io/data/png_check.hpp"

namespace bitwright {
namespace {

constexpr int64_t kMostPixels = int64_t{1} << 26;

/// Pixels that a file of so many bytes can hold. JPEG: a progressive file of nothing but DC differences takes 12 bits
/// for 256 pixels; five times that is accepted. PNG: deflate packs 1032 bytes into one; depth and colour stand in the
/// header.
int64_t most_pixels(Bytes file) {
  constexpr int64_t kJpegPixelsPerByte = 1000, kDeflateRatio = 1032;
  const auto bytes = static_cast<int64_t>(file.size());
  if (file[0] != std::byte{0x89} || bytes < 26) return std::min(kMostPixels, bytes * kJpegPixelsPerByte);
  constexpr int64_t kChannels[] = {1, 0, 3, 1, 2, 0, 4};  // by colour type
  const auto bits = static_cast<int64_t>(file[24]) * kChannels[std::min(6u, static_cast<unsigned>(file[25]))];
  return std::min(kMostPixels, bytes * kDeflateRatio * 8 / std::max<int64_t>(1, bits));
}

int64_t rounded_half(int64_t twice) {  // twice / 2, ties to even
  return twice / 2 + ((twice % 2 == 1 && (twice / 2) % 2 == 1) ? 1 : 0);
}

Image cropped(const Image& image, const Window& window) {
  Image out{window.height, window.width, image.channels, {}};
  out.pixels.reserve(static_cast<size_t>(window.height * window.width * image.channels));
  for (int64_t y = 0; y < window.height; ++y) {
    const auto row = image.pixels.begin() + ((window.top + y) * image.width + window.left) * image.channels;
    out.pixels.insert(out.pixels.end(), row, row + window.width * image.channels);
  }
  return out;
}

uint8_t gray_of(const uint8_t* rgb) {  // ITU-R 601-2 luma in Pillow's fixed point
  return static_cast<uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

Image with_channels(Image image, Channels wanted) {
  if (wanted == Channels::gray && image.channels == 3) {
    for (size_t i = 0; i < image.pixels.size() / 3; ++i) image.pixels[i] = gray_of(&image.pixels[i * 3]);
    image.pixels.resize(image.pixels.size() / 3);
    image.channels = 1;
  } else if ((wanted == Channels::rgb || wanted == Channels::bgr) && image.channels == 1) {
    std::vector<uint8_t> pixels;
    for (const uint8_t value : image.pixels) pixels.insert(pixels.end(), 3, value);
    image.pixels = std::move(pixels);
    image.channels = 3;
  } else if (wanted == Channels::bgr) {
    for (size_t i = 0; i < image.pixels.size(); i += 3) std::swap(image.pixels[i], image.pixels[i + 2]);
  }
  return image;
}

struct Size {
  int64_t height, width;
};

Size resized_size(const Image& image, const Preprocess& how) {
  if (how.resize_height > 0) return {how.resize_height, how.resize_width};
  if (how.resize_short == 0) return {image.height, image.width};
  const int64_t shorter = std::min(image.height, image.width);
  return {how.resize_short * image.height / shorter, how.resize_short * image.width / shorter};
}

float channel_value(const std::vector<float>& values, int64_t channel, int64_t channels, float standard,
                    std::string_view key) {
  if (values.empty()) return standard;
  if (values.size() == 1) return values[0];
  if (values.size() != static_cast<size_t>(channels))
    fail(ErrorCode::usage, "'", key, "' has ", values.size(), " numbers, the images have ", channels, " channels");
  return values[static_cast<size_t>(channel)];
}

Image decode_png(Bytes file, const std::string& where) {
  const auto* data = reinterpret_cast<const stbi_uc*>(file.data());
  const int size = static_cast<int>(file.size());
  int width = 0, height = 0, stored = 0;
  if (!stbi_info_from_memory(data, size, &width, &height, &stored) || width <= 0 || height <= 0)
    fail(ErrorCode::malformed, where, ": is not a JPEG or PNG image");
  const int64_t pixels = int64_t{width} * height;
  if (pixels > most_pixels(file))
    fail(ErrorCode::resource, where, ": claims ", width, " x ", height, " pixels, more than is accepted");
  const std::string_view fault = png_fault(file);
  if (!fault.empty()) fail(ErrorCode::malformed, where, ": the image is damaged (", fault, ")");
  const std::unique_ptr<stbi_uc, void (*)(void*)> decoded(
      stbi_load_from_memory(data, size, &width, &height, &stored, 3), stbi_image_free);
  if (!decoded) fail(ErrorCode::malformed, where, ": the image is damaged (", stbi_failure_reason(), ")");
  return {height, width, 3, {decoded.get(), decoded.get() + pixels * 3}};
}

}  // namespace

Image decode_image(Bytes file, const std::string& where) {
  if (file.empty() || file.size() > INT_MAX) fail(ErrorCode::malformed, where, ": is not a JPEG or PNG image");
  return is_jpeg(file) ? decode_jpeg(file, most_pixels(file), where) : decode_png(file, where);
}

Image prepared(Image image, const Preprocess& how, std::string_view where) {
  const auto [height, width] = resized_size(image, how);
  if (height == 0 || width == 0 || static_cast<double>(height) * static_cast<double>(width) > kMostPixels)
    fail(ErrorCode::mismatch, where, ": ", image.height, " x ", image.width, " pixels cannot be resized to ", height,
         " x ", width);
  Window window{0, 0, height, width};
  if (how.crop_height > 0) {
    if (how.crop_height > height || how.crop_width > width)
      fail(ErrorCode::mismatch, where, ": ", height, " x ", width, " pixels (after resize), too small for the crop of ",
           how.crop_height, " x ", how.crop_width, "; give a larger resize");
    window = {rounded_half(height - how.crop_height), rounded_half(width - how.crop_width), how.crop_height,
              how.crop_width};
  }
  if (height != image.height || width != image.width) {
    image = resized(image, height, width, how.interpolation, window);
  } else if (window.height != height || window.width != width) {
    image = cropped(image, window);
  }
  return with_channels(std::move(image), how.channels);
}

Shape shape_of(const Image& image, const Preprocess& how) {
  if (how.layout == PixelLayout::nhwc) return {image.height, image.width, image.channels};
  return {image.channels, image.height, image.width};
}

void write_pixels(const Image& image, const Preprocess& how, Tensor& batch, int64_t row) {
  const int64_t area = image.height * image.width, channels = image.channels;
  const bool planar = how.layout == PixelLayout::nchw;
  const int64_t step = planar ? 1 : channels;
  for (int64_t c = 0; c < channels; ++c) {
    const int64_t first = row * area * channels + (planar ? c * area : c);
    const uint8_t* src = image.pixels.data() + c;
    if (how.raw) {
      uint8_t* dst = batch.values<uint8_t>().data() + first;
      for (int64_t i = 0; i < area; ++i) dst[i * step] = src[i * channels];
      continue;
    }
    const float mean = channel_value(how.mean, c, channels, 0, "mean");
    const float deviation = channel_value(how.std, c, channels, 1, "std");
    float table[256];
    for (int code = 0; code < 256; ++code) table[code] = (static_cast<float>(code * how.scale) - mean) / deviation;
    float* dst = batch.values<float>().data() + first;
    for (int64_t i = 0; i < area; ++i) dst[i * step] = table[src[i * channels]];
  }
}

}  // namespace bitwright
