// Operators of detection networks: RoiAlign, MaxRoiPool, NonMaxSuppression.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/real.hpp"

namespace bitwright {
namespace {

struct Corner {
  int64_t offset;
  float weight;
};

// Four neighbours of (y, x); more than one pixel outside counts as nothing.
void corners_of(float y, float x, int64_t height, int64_t width, Corner out[4]) {
  for (int i = 0; i < 4; ++i) out[i] = {0, 0};
  if (y < -1 || y > static_cast<float>(height) || x < -1 || x > static_cast<float>(width)) return;
  y = std::clamp(y, 0.0f, static_cast<float>(height - 1));
  x = std::clamp(x, 0.0f, static_cast<float>(width - 1));
  const auto top = static_cast<int64_t>(y), left = static_cast<int64_t>(x);
  const int64_t bottom = std::min(top + 1, height - 1), right = std::min(left + 1, width - 1);
  const float down = y - static_cast<float>(top), across = x - static_cast<float>(left);
  out[0] = {top * width + left, (1 - down) * (1 - across)};
  out[1] = {top * width + right, (1 - down) * across};
  out[2] = {bottom * width + left, down * (1 - across)};
  out[3] = {bottom * width + right, down * across};
}

struct Region {
  float top, left, bin_height, bin_width;
  int64_t samples_y, samples_x;
};

Region region_of(const OpContext& c, const float* roi, int64_t out_height, int64_t out_width) {
  const std::string mode = c.node().attr_string("coordinate_transformation_mode", "half_pixel");
  const bool half = mode == "half_pixel";
  const float scale = c.node().attr_float("spatial_scale", 1), shift = half ? 0.5f : 0.0f;
  float width = (roi[2] - roi[0]) * scale, height = (roi[3] - roi[1]) * scale;
  if (!half) width = std::max(width, 1.0f), height = std::max(height, 1.0f);
  Region r{roi[1] * scale - shift, roi[0] * scale - shift, height / static_cast<float>(out_height),
           width / static_cast<float>(out_width), 0, 0};
  const int64_t asked = c.node().attr_int("sampling_ratio", 0);
  auto count = [&](float bin) { return asked > 0 ? asked : static_cast<int64_t>(std::clamp(std::ceil(bin), 0.0f, 4096.0f)); };
  r.samples_y = count(r.bin_height), r.samples_x = count(r.bin_width);
  return r;
}

float sample_bin(const Region& r, const float* plane, int64_t height, int64_t width, int64_t by, int64_t bx, bool most) {
  float value = 0;
  bool first = true;
  for (int64_t iy = 0; iy < r.samples_y; ++iy)
    for (int64_t ix = 0; ix < r.samples_x; ++ix) {
      const float y = r.top + (static_cast<float>(by) + (static_cast<float>(iy) + 0.5f) / static_cast<float>(r.samples_y)) * r.bin_height;
      const float x = r.left + (static_cast<float>(bx) + (static_cast<float>(ix) + 0.5f) / static_cast<float>(r.samples_x)) * r.bin_width;
      Corner corners[4];
      corners_of(y, x, height, width, corners);
      for (const Corner& k : corners) {
        const float v = k.weight * plane[k.offset];
        value = !most ? value + v : first ? v : std::max(value, v);
        first = false;
      }
    }
  return most ? value : value / static_cast<float>(std::max<int64_t>(r.samples_y * r.samples_x, 1));
}

void run_roi_align(OpContext& c) {
  const Shape &x_shape = c.input(0).shape(), &rois_shape = c.input(1).shape();
  if (x_shape.size() != 4 || rois_shape.size() != 2 || rois_shape[1] != 4 || c.input(2).shape() != Shape{rois_shape[0]})
    c.malformed(str("image ", to_string(x_shape), ", regions ", to_string(rois_shape), " and indices do not fit"));
  const int64_t height = c.node().attr_int("output_height", 1), width = c.node().attr_int("output_width", 1);
  if (height < 1 || width < 1) c.malformed("the output's extents must be at least 1");
  const std::string mode = c.node().attr_string("mode", "avg");
  if (mode != "avg" && mode != "max") c.malformed(str("mode '", mode, "' is not avg or max"));
  RealOutput y(c, 0, real_type(c, 0), {rois_shape[0], x_shape[1], height, width});
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0), rois(c, 1);
  const int64_t channels = x_shape[1], plane = x_shape[2] * x_shape[3];
  if (plane == 0) c.malformed("the image is empty");
  for (int64_t i = 0; i < y.elements(); ++i) {
    const int64_t roi = i / (channels * height * width), ch = i / (height * width) % channels;
    const int64_t image = value_as_int(c.data(2), roi);
    if (image < 0 || image >= x_shape[0]) c.malformed(str("batch index ", image, " is outside ", x_shape[0], " images"));
    const Region r = region_of(c, rois.data + roi * 4, height, width);
    y.data()[i] = sample_bin(r, x.data + (image * channels + ch) * plane, x_shape[2], x_shape[3], i / width % height,
                             i % width, mode == "max");
  }
  y.finish();
}

// Opset 10 had no attribute and meant output_half_pixel.
void upgrade_roi_align(UpgradeContext& u) {
  if (u.opset < 16) u.node.attributes["coordinate_transformation_mode"] = std::string("output_half_pixel");
}

// rois: [R, 5] = image, x1, y1, x2, y2, rounded to whole pixels, both ends inside (Girshick 2015).
void run_max_roi_pool(OpContext& c) {
  const Shape &x_shape = c.input(0).shape(), &rois_shape = c.input(1).shape();
  const auto pooled = c.node().attr_ints("pooled_shape");
  if (x_shape.size() != 4 || rois_shape.size() != 2 || rois_shape[1] != 5)
    c.malformed(str("image ", to_string(x_shape), " and regions ", to_string(rois_shape), " do not fit"));
  if (pooled.size() != 2 || pooled[0] < 1 || pooled[1] < 1) c.malformed("pooled_shape wants two positive numbers");
  RealOutput y(c, 0, real_type(c, 0), {rois_shape[0], x_shape[1], pooled[0], pooled[1]});
  if (c.shape_only()) return;
  const RealInput x(c, 0), rois(c, 1);
  const float scale = c.node().attr_float("spatial_scale", 1);
  auto bounds = [&](const float* roi, int axis, int64_t bin) {  // [begin, end) of a bin, axis 0 = y
    const auto start = static_cast<int64_t>(std::round(roi[2 - axis] * scale));
    const auto end = static_cast<int64_t>(std::round(roi[4 - axis] * scale));
    const auto extent = static_cast<float>(std::max<int64_t>(end - start + 1, 1));
    const float size = extent / static_cast<float>(pooled[static_cast<size_t>(axis)]);
    const int64_t limit = x_shape[static_cast<size_t>(2 + axis)];
    return std::pair(std::clamp<int64_t>(static_cast<int64_t>(std::floor(static_cast<float>(bin) * size)) + start, 0, limit),
                     std::clamp<int64_t>(static_cast<int64_t>(std::ceil(static_cast<float>(bin + 1) * size)) + start, 0, limit));
  };
  for (int64_t i = 0; i < y.elements(); ++i) {
    const float* roi = rois.data + i / (x_shape[1] * pooled[0] * pooled[1]) * 5;
    const auto image = static_cast<int64_t>(roi[0]);
    if (!(roi[0] >= 0) || image >= x_shape[0]) c.malformed(str("region of image ", roi[0], ", there are ", x_shape[0]));
    const int64_t ch = i / (pooled[0] * pooled[1]) % x_shape[1];
    const auto rows = bounds(roi, 0, i / pooled[1] % pooled[0]), cols = bounds(roi, 1, i % pooled[1]);
    const float* plane = x.data + (image * x_shape[1] + ch) * x_shape[2] * x_shape[3];
    bool any = false;
    float most = 0;
    for (int64_t r = rows.first; r < rows.second; ++r)
      for (int64_t q = cols.first; q < cols.second; ++q, any = true)
        most = any ? std::max(most, plane[r * x_shape[3] + q]) : plane[r * x_shape[3] + q];
    y.data()[i] = most;
  }
  y.finish();
}

// ---- NonMaxSuppression

struct Box {
  float low_y, low_x, high_y, high_x;
};

Box box_at(const float* b, bool centred) {
  if (centred) return {b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
  return {std::min(b[0], b[2]), std::min(b[1], b[3]), std::max(b[0], b[2]), std::max(b[1], b[3])};
}

float overlap(const Box& a, const Box& b) {
  const float height = std::min(a.high_y, b.high_y) - std::max(a.low_y, b.low_y);
  const float width = std::min(a.high_x, b.high_x) - std::max(a.low_x, b.low_x);
  if (height <= 0 || width <= 0) return 0;
  const float both = height * width;
  const float all = (a.high_y - a.low_y) * (a.high_x - a.low_x) + (b.high_y - b.low_y) * (b.high_x - b.low_x) - both;
  return all > 0 ? both / all : 0;
}

// Boxes of one class in falling order of score (ties: lower index first), less those that overlap a kept one.
std::vector<int64_t> suppress(std::span<const Box> boxes, const float* scores, int64_t most, float threshold,
                              const float* least_score) {
  std::vector<int64_t> order, kept;
  for (int64_t i = 0; i < std::ssize(boxes); ++i)
    if (!least_score || scores[i] > *least_score) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  for (const int64_t i : order) {
    if (std::ssize(kept) >= most) break;
    const bool free = std::none_of(kept.begin(), kept.end(), [&](int64_t k) {
      return overlap(boxes[static_cast<size_t>(k)], boxes[static_cast<size_t>(i)]) > threshold;
    });
    if (free) kept.push_back(i);
  }
  return kept;
}

void run_nms(OpContext& c) {
  const Shape &boxes_shape = c.input(0).shape(), &scores_shape = c.input(1).shape();
  if (boxes_shape.size() != 3 || boxes_shape[2] != 4 || scores_shape.size() != 3 || scores_shape[0] != boxes_shape[0] ||
      scores_shape[2] != boxes_shape[1])
    c.malformed(str("boxes ", to_string(boxes_shape), " and scores ", to_string(scores_shape), " do not fit"));
  const Tensor boxes = to_f32(c.data(0)), scores = to_f32(c.data(1));
  const int64_t most = c.has(2) ? static_cast<int64_t>(value_as_double(c.data(2), 0)) : 0;
  const float threshold = real_scalar(c, 3, 0), least = real_scalar(c, 4, 0);
  const bool centred = c.node().attr_int("center_point_box", 0) != 0;
  std::vector<int64_t> rows;
  for (int64_t n = 0; n < scores_shape[0]; ++n) {
    std::vector<Box> all;
    for (int64_t i = 0; i < boxes_shape[1]; ++i)
      all.push_back(box_at(boxes.values<float>().data() + (n * boxes_shape[1] + i) * 4, centred));
    for (int64_t k = 0; k < scores_shape[1]; ++k) {
      const float* of_class = scores.values<float>().data() + (n * scores_shape[1] + k) * boxes_shape[1];
      for (const int64_t i : suppress(all, of_class, most, threshold, c.has(4) ? &least : nullptr))
        rows.insert(rows.end(), {n, k, i});
    }
  }
  Tensor y = c.output(0, DType::i64, {std::ssize(rows) / 3, 3});
  if (!c.shape_only()) std::copy(rows.begin(), rows.end(), y.values<int64_t>().begin());
}

const Op kOps[] = {
    {.name = "RoiAlign", .min_inputs = 3, .max_inputs = 3, .since = 16, .run = run_roi_align,
     .upgrade = upgrade_roi_align},
    {.name = "MaxRoiPool", .min_inputs = 2, .max_inputs = 2, .run = run_max_roi_pool},
    {.name = "NonMaxSuppression", .min_inputs = 2, .max_inputs = 5, .since = 10, .run = run_nms},
};

}  // namespace

std::span<const Op> ops_detection() { return kOps; }

}  // namespace bitwright
