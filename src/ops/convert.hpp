// Numbers of any element type as doubles or int64 and back: one place that knows every type (also 8-, 4- and 2-bit
// ones), for Cast and for operators whose loops would otherwise be compiled once per type.
#pragma once

#include "core/tensor.hpp"

namespace bitwright {

/// Elements [at, at + count). As int64: u64 keeps its bits, floats are cut towards zero and limited.
void read_numbers(const Tensor& tensor, int64_t at, int64_t count, double* to);
void read_numbers(const Tensor& tensor, int64_t at, int64_t count, int64_t* to);
/// Integers keep their low bits; floats are rounded half to even (8 bits and less: saturating).
void write_numbers(Tensor& tensor, int64_t at, int64_t count, const double* from);
void write_numbers(Tensor& tensor, int64_t at, int64_t count, const int64_t* from);

}  // namespace bitwright
