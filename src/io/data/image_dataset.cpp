#include "io/data/image_dataset.hpp"

namespace bitwright {

std::vector<std::string> ImageDataset::input_names() const {
  if (options_.input.empty()) return {};
  return {options_.input};
}

std::string ImageDataset::description() const {
  const Preprocess& how = options_.image;
  const bool untouched = !how.raw && how.scale == 1 && how.mean.empty() && how.std.empty();
  return str(kind_, ", ", size(), " records", untouched ? ", pixels as stored (0 ... 255)" : "");
}

Batch ImageDataset::read(std::span<const int64_t> records) const {
  const Preprocess& how = options_.image;
  Batch batch;
  batch.records = static_cast<int64_t>(records.size());
  Tensor pixels;
  Shape first_shape;
  for (size_t i = 0; i < records.size(); ++i) {
    const std::string name = where(records[i]);
    const Image picture = prepared(image(records[i]), how, name);
    const Shape shape = shape_of(picture, how);
    if (i == 0) {
      first_shape = shape;
      Shape whole = shape;
      whole.insert(whole.begin(), batch.records);
      pixels = Tensor(how.raw ? DType::u8 : DType::f32, whole);
    } else if (shape != first_shape) {
      fail(ErrorCode::mismatch, name, ": the image is ", to_string(shape), ", the others of the batch are ",
           to_string(first_shape), "; give resize and crop");
    }
    write_pixels(picture, how, pixels, static_cast<int64_t>(i));
    batch.labels.push_back(label(records[i]));
  }
  batch.inputs.push_back(std::move(pixels));
  return batch;
}

}  // namespace bitwright
