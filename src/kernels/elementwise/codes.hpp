// Codes of any width, one at a time; for the references.
#pragma once

#include "kernels/elementwise/elementwise.hpp"

namespace bitwright {

inline int32_t load(const void* data, DType type, int64_t i) {
  switch (type) {
    case DType::u8: return static_cast<const uint8_t*>(data)[i];
    case DType::i8: return static_cast<const int8_t*>(data)[i];
    case DType::u16: return static_cast<const uint16_t*>(data)[i];
    default: return static_cast<const int16_t*>(data)[i];
  }
}

inline void save(void* data, DType type, int64_t i, int32_t code) {
  switch (type) {
    case DType::u8: static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(code); return;
    case DType::i8: static_cast<int8_t*>(data)[i] = static_cast<int8_t>(code); return;
    case DType::u16: static_cast<uint16_t*>(data)[i] = static_cast<uint16_t>(code); return;
    default: static_cast<int16_t*>(data)[i] = static_cast<int16_t>(code); return;
  }
}

}  // namespace bitwright
