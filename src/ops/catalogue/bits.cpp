// Logic on booleans (And, Or, Xor, Not), on the bits of integers (Bitwise*), and shifts.
#include "ops/broadcast.hpp"

namespace bitwright {
namespace {

void check_operands(const OpContext& c, bool fits, std::string_view wanted) {
  const DType a = c.input(0).dtype(), b = c.input(1).dtype();
  if (a != b || !fits) c.malformed(str("operands are ", name_of(a), " and ", name_of(b), ", wanted ", wanted));
}

template <class F>
void run_logic(OpContext& c, F f) {
  const Tensor &a = c.input(0), &b = c.input(1);
  check_operands(c, a.dtype() == DType::boolean, "bool");
  Tensor y = c.output(0, DType::boolean, broadcast_shapes(c, a.shape(), b.shape()));
  if (c.shape_only()) return;
  broadcast_apply(c, c.data(0).values<bool>().data(), a.shape(), c.data(1).values<bool>().data(), b.shape(),
                  y.values<bool>().data(), y.shape(), f);
}

void run_and(OpContext& c) {
  run_logic(c, [](bool a, bool b) { return a && b; });
}
void run_or(OpContext& c) {
  run_logic(c, [](bool a, bool b) { return a || b; });
}
void run_xor(OpContext& c) {
  run_logic(c, [](bool a, bool b) { return a != b; });
}

void run_not(OpContext& c) {
  if (c.input(0).dtype() != DType::boolean) c.malformed(str("operand is ", name_of(c.input(0).dtype()), ", wanted bool"));
  Tensor y = c.output(0, DType::boolean, c.input(0).shape());
  if (c.shape_only()) return;
  const auto x = c.data(0).values<bool>();
  for (size_t i = 0; i < x.size(); ++i) y.values<bool>()[i] = !x[i];
}

// Signs do not matter to these, so integers of one width share a loop: f(uint64, uint64), low bits kept.
template <class F>
void run_integers(OpContext& c, F f) {
  const Tensor &a = c.input(0), &b = c.input(1);
  check_operands(c, is_integer(a.dtype()), "integers");
  Tensor y = c.output(0, a.dtype(), broadcast_shapes(c, a.shape(), b.shape()));
  if (c.shape_only()) return;
  dispatch(a.dtype(), [&]<class T>(T*) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      broadcast_apply(c, c.data(0).values<T>().data(), a.shape(), c.data(1).values<T>().data(), b.shape(),
                      y.values<T>().data(), y.shape(),
                      [f](T x, T z) { return static_cast<T>(f(static_cast<uint64_t>(x), static_cast<uint64_t>(z))); });
    }
  });
}

void run_bitwise_and(OpContext& c) {
  run_integers(c, [](uint64_t a, uint64_t b) { return a & b; });
}
void run_bitwise_or(OpContext& c) {
  run_integers(c, [](uint64_t a, uint64_t b) { return a | b; });
}
void run_bitwise_xor(OpContext& c) {
  run_integers(c, [](uint64_t a, uint64_t b) { return a ^ b; });
}

void run_bit_shift(OpContext& c) {
  const std::string direction = c.node().attr_string("direction", "");
  check_operands(c, is_integer(c.input(0).dtype()) && !is_signed(c.input(0).dtype()), "unsigned integers");
  if (direction == "LEFT") return run_integers(c, [](uint64_t a, uint64_t by) { return by < 64 ? a << by : 0; });
  if (direction == "RIGHT") return run_integers(c, [](uint64_t a, uint64_t by) { return by < 64 ? a >> by : 0; });
  c.malformed(str("direction is '", direction, "', wanted LEFT or RIGHT"));
}

void run_bitwise_not(OpContext& c) {
  const Tensor& x = c.input(0);
  if (!is_integer(x.dtype())) c.malformed(str("operand is ", name_of(x.dtype()), ", wanted an integer"));
  Tensor y = c.output(0, x.dtype(), x.shape());
  if (c.shape_only()) return;
  const std::byte* from = c.data(0).raw();
  for (size_t i = 0; i < x.bytes(); ++i) y.raw()[i] = ~from[i];
}

const Op kOps[] = {
    {.name = "And", .min_inputs = 2, .max_inputs = 2, .since = 7, .run = run_and},
    {.name = "Or", .min_inputs = 2, .max_inputs = 2, .since = 7, .run = run_or},
    {.name = "Xor", .min_inputs = 2, .max_inputs = 2, .since = 7, .run = run_xor},
    {.name = "Not", .run = run_not},
    {.name = "BitwiseAnd", .min_inputs = 2, .max_inputs = 2, .since = 18, .run = run_bitwise_and},
    {.name = "BitwiseOr", .min_inputs = 2, .max_inputs = 2, .since = 18, .run = run_bitwise_or},
    {.name = "BitwiseXor", .min_inputs = 2, .max_inputs = 2, .since = 18, .run = run_bitwise_xor},
    {.name = "BitwiseNot", .since = 18, .run = run_bitwise_not},
    {.name = "BitShift", .min_inputs = 2, .max_inputs = 2, .since = 11, .run = run_bit_shift},
};

}  // namespace

std::span<const Op> ops_bits() { return kOps; }

}  // namespace bitwright
