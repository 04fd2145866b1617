// Attention (opset 23): softmax(scale * Q K^T + mask) V with grouped heads, key and value caches, causal and given masks,
// soft cap; and RotaryEmbedding. Recognised attention subgraphs become this operator too.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "ops/broadcast.hpp"
#include "ops/gemm.hpp"
#include "ops/real.hpp"

namespace bitwright {
namespace {

struct Heads {  // a 4-D view [batch, heads, length, size] of a 3-D [batch, length, heads * size] or 4-D tensor
  int64_t batch, heads, length, size;
  bool flat;
  int64_t at(int64_t b, int64_t h) const { return flat ? (b * length * heads + h) * size : (b * heads + h) * length * size; }
  int64_t row() const { return flat ? heads * size : size; }
};

Heads read_heads(const OpContext& c, size_t i, const char* attribute) {
  const Shape& s = c.input(i).shape();
  if (s.size() == 4) return {s[0], s[1], s[2], s[3], false};
  if (s.size() != 3) c.malformed(str("input ", i, " has shape ", to_string(s), ", wanted 3 or 4 axes"));
  const int64_t heads = c.node().attr_int(attribute, 0);
  if (heads < 1 || s[2] % heads != 0) c.malformed(str(attribute, "=", heads, " does not divide ", s[2]));
  return {s[0], heads, s[1], s[2] / heads, true};
}

struct Problem {
  Heads q, k, v;
  int64_t past = 0, total = 0;  // cached and all keys
  float scale = 1, softcap = 0;
  bool causal = false;
};

Problem read_problem(const OpContext& c) {
  Problem p{read_heads(c, 0, "q_num_heads"), read_heads(c, 1, "kv_num_heads"), read_heads(c, 2, "kv_num_heads")};
  if (c.has(4)) p.past = c.input(4).dim(2);
  if (c.has(4) != c.has(5)) c.malformed("past_key and past_value must both be given");
  p.total = p.past + p.k.length;
  const bool fit = p.k.batch == p.q.batch && p.v.batch == p.q.batch && p.k.size == p.q.size && p.v.heads == p.k.heads &&
                   p.v.length == p.k.length && p.k.heads > 0 && p.q.heads % p.k.heads == 0;
  if (!fit)
    c.malformed(str("Q ", to_string(c.input(0).shape()), ", K ", to_string(c.input(1).shape()), " and V ",
                    to_string(c.input(2).shape()), " do not fit each other"));
  if (c.has(4) && (c.input(4).shape() != Shape{p.q.batch, p.k.heads, p.past, p.k.size} ||
                   c.input(5).shape() != Shape{p.q.batch, p.v.heads, p.past, p.v.size}))
    c.malformed("past_key or past_value does not fit K and V");
  p.scale = c.node().attr_float("scale", 1 / std::sqrt(static_cast<float>(p.q.size)));
  p.softcap = c.node().attr_float("softcap", 0);
  p.causal = c.node().attr_int("is_causal", 0) != 0;
  return p;
}

// [batch, heads, past + length, size] from the cache and the new part.
Tensor with_past(const OpContext& c, size_t input, size_t past_input, const Heads& h, int64_t past) {
  const RealInput fresh(c, input);
  const Tensor old = c.has(past_input) ? to_f32(c.data(past_input)) : Tensor();
  Tensor all(DType::f32, {h.batch, h.heads, past + h.length, h.size});
  float* to = all.values<float>().data();
  for (int64_t b = 0; b < h.batch; ++b)
    for (int64_t head = 0; head < h.heads; ++head) {
      const int64_t plane = b * h.heads + head;
      if (past > 0) std::copy_n(old.values<float>().data() + plane * past * h.size, past * h.size, to);
      to += past * h.size;
      for (int64_t t = 0; t < h.length; ++t, to += h.size)
        std::copy_n(fresh.data + h.at(b, head) + t * h.row(), h.size, to);
    }
  return all;
}

// What is added to the scores, [batch, heads, queries, keys] by broadcasting; a boolean mask keeps where true. A mask may
// be shorter than the keys: the rest is masked out.
struct Mask {
  Tensor values;  // f32
  Shape strides;
  int64_t keys = 0;
  std::vector<int64_t> used;  // keys in use per sequence (nonpad_kv_seqlen); empty: all
  float at(int64_t b, int64_t h, int64_t i, int64_t j) const {
    if (!used.empty() && j >= used[static_cast<size_t>(b)]) return -std::numeric_limits<float>::infinity();
    if (values.empty()) return 0;
    if (keys != 1 && j >= keys) return -std::numeric_limits<float>::infinity();
    return values.values<float>()[static_cast<size_t>(b * strides[0] + h * strides[1] + i * strides[2] + j * strides[3])];
  }
};

Mask read_mask(const OpContext& c, const Problem& p) {
  Mask mask;
  if (c.has(6)) mask.used = values_as_int(c.data(6));
  if (c.has(6) && std::ssize(mask.used) != p.q.batch) c.malformed("nonpad_kv_seqlen wants one number per sequence");
  if (!c.has(3)) return mask;
  Tensor given = c.data(3);
  Shape out = {p.q.batch, p.q.heads, p.q.length, p.total};
  if (given.rank() < 1 || given.rank() > 4) c.malformed(str("attn_mask has shape ", to_string(given.shape())));
  mask.keys = given.dim(-1);
  if (mask.keys != 1 && mask.keys < p.total) out.back() = mask.keys;
  if (broadcast_shapes(c, given.shape(), out) != out)
    c.malformed(str("attn_mask ", to_string(given.shape()), " does not broadcast to ", to_string(out)));
  mask.strides = broadcast_strides(given.shape(), out);
  if (given.dtype() == DType::boolean) {
    mask.values = Tensor(DType::f32, given.shape());
    for (size_t i = 0; i < static_cast<size_t>(given.elements()); ++i)
      mask.values.values<float>()[i] = given.values<bool>()[i] ? 0.0f : -std::numeric_limits<float>::infinity();
  } else {
    mask.values = to_f32(given);
  }
  return mask;
}

void softmax_row(float* row, int64_t count) {
  const float most = *std::max_element(row, row + count);
  float sum = 0;
  for (int64_t j = 0; j < count; ++j) {
    row[j] = std::exp(row[j] - most);
    sum += row[j];
  }
  for (int64_t j = 0; j < count; ++j) row[j] /= sum;
}

// Scores of one head [queries, keys] in stages; `report(stage)`: 0 scaled products, 2 soft-capped, 1 masked, 3 softmax
// (the numbering of qk_matmul_output_mode).
template <class Report>
void finish_scores(const Problem& p, const Mask& mask, int64_t b, int64_t h, float* s, Report report) {
  const int64_t count = p.q.length * p.total;
  report(0);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t query = i / p.total, key = i % p.total;
    s[i] += mask.at(b, h, query, key);
    if (p.causal && key > query + p.past) s[i] = -std::numeric_limits<float>::infinity();
  }
  report(1);
  if (p.softcap > 0)
    for (int64_t i = 0; i < count; ++i) s[i] = p.softcap * std::tanh(s[i] / p.softcap);
  report(2);
  for (int64_t i = 0; i < p.q.length; ++i) softmax_row(s + i * p.total, p.total);
  report(3);
}

void run_attention(OpContext& c) {
  const Problem p = read_problem(c);
  const DType type = real_type(c, 0);
  const Shape shape = p.q.flat ? Shape{p.q.batch, p.q.length, p.q.heads * p.v.size}
                               : Shape{p.q.batch, p.q.heads, p.q.length, p.v.size};
  RealOutput y(c, 0, type, shape);
  std::optional<RealOutput> key_cache, value_cache, scores;
  if (c.wants(1)) key_cache.emplace(c, 1, real_type(c, 1), Shape{p.k.batch, p.k.heads, p.total, p.k.size});
  if (c.wants(2)) value_cache.emplace(c, 2, real_type(c, 2), Shape{p.v.batch, p.v.heads, p.total, p.v.size});
  if (c.wants(3)) scores.emplace(c, 3, type, Shape{p.q.batch, p.q.heads, p.q.length, p.total});
  if (c.shape_only()) return;
  const RealInput q(c, 0);
  const Tensor k = with_past(c, 1, 4, p.k, p.past), v = with_past(c, 2, 5, p.v, p.past);
  if (key_cache) std::copy_n(k.values<float>().data(), k.elements(), key_cache->data());
  if (value_cache) std::copy_n(v.values<float>().data(), v.elements(), value_cache->data());
  const Mask mask = read_mask(c, p);
  const int64_t mode = c.node().attr_int("qk_matmul_output_mode", 0), count = p.q.length * p.total;
  const Heads out{p.q.batch, p.q.heads, p.q.length, p.v.size, p.q.flat};
  std::vector<float> s(static_cast<size_t>(count));
  for (int64_t plane = 0; plane < p.q.batch * p.q.heads; ++plane) {
    const int64_t b = plane / p.q.heads, h = plane % p.q.heads;
    const int64_t kv = b * p.k.heads + h / (p.q.heads / p.k.heads);
    const float* keys = k.values<float>().data() + kv * p.total * p.k.size;
    const float* values = v.values<float>().data() + kv * p.total * p.v.size;
    gemm(c, pack_rows(q.data + p.q.at(b, h), p.q.length, p.q.size, p.q.row(), 1), p.total,
         pack_from(keys, p.k.size, 1, p.k.size), s.data(), p.total);
    for (float& score : s) score *= p.scale;
    finish_scores(p, mask, b, h, s.data(), [&](int64_t stage) {
      if (scores && stage == mode) std::copy(s.begin(), s.end(), scores->data() + plane * count);
    });
    gemm(c, pack_rows(s.data(), p.q.length, p.total, p.total, 1), p.v.size, pack_from(values, p.total, p.v.size, 1),
         y.data() + out.at(b, h), out.row());
  }
  y.finish();
  for (auto* extra : {&key_cache, &value_cache, &scores})
    if (*extra) (*extra)->finish();
}

// ---- RotaryEmbedding: x [batch, heads, length, size] or [batch, length, heads * size]; cos and sin [positions, half],
// or [batch, length, half] without position_ids.
void run_rotary(OpContext& c) {
  const Heads h = read_heads(c, 0, "num_heads");
  const Shape cache = c.input(1).shape();
  if (cache.empty() || c.input(2).shape() != cache) c.malformed("the cosine and sine caches have different shapes");
  const int64_t asked = c.node().attr_int("rotary_embedding_dim", 0), row = cache.back();
  const int64_t half = asked > 0 ? asked / 2 : row;
  if (2 * half > h.size || half > row) c.malformed(str("a cache of ", row, " does not fit heads of size ", h.size));
  if (c.has(3) ? cache.size() != 2 || c.input(3).shape() != Shape{h.batch, h.length}
               : cache != Shape{h.batch, h.length, row})
    c.malformed(str("caches ", to_string(cache), " do not fit ", h.batch, " sequences of ", h.length));
  const bool interleaved = c.node().attr_int("interleaved", 0) != 0;
  RealOutput y(c, 0, real_type(c, 0), c.input(0).shape());
  if (c.shape_only()) return;
  const RealInput x(c, 0), cosine(c, 1), sine(c, 2);
  for (int64_t i = 0; i < h.batch * h.heads * h.length; ++i) {
    const int64_t t = i % h.length, b = i / h.length / h.heads, at = h.at(b, i / h.length % h.heads) + t * h.row();
    const int64_t position = c.has(3) ? value_as_int(c.data(3), b * h.length + t) : b * h.length + t;
    if (position < 0 || position >= cosine.tensor.elements() / std::max<int64_t>(row, 1))
      c.malformed(str("position ", position, " is outside the cache"));
    std::copy_n(x.data + at, h.size, y.data() + at);
    for (int64_t j = 0; j < half; ++j) {
      const int64_t first = at + (interleaved ? 2 * j : j), second = interleaved ? first + 1 : first + half;
      const float co = cosine.data[position * row + j], si = sine.data[position * row + j];
      y.data()[first] = co * x.data[first] - si * x.data[second];
      y.data()[second] = si * x.data[first] + co * x.data[second];
    }
  }
  y.finish();
}

const Op kOps[] = {
    {.name = "Attention", .min_inputs = 3, .max_inputs = 7, .max_outputs = 4, .since = 23, .run = run_attention},
    {.name = "RotaryEmbedding", .min_inputs = 3, .max_inputs = 4, .since = 23, .run = run_rotary},
};

}  // namespace

std::span<const Op> ops_attention() { return kOps; }

}  // namespace bitwright
