// Which kernel of a table is fastest depends on the shape and on the processor: where several may run, one can be measured once
// per shape (api/measure.hpp) and named here. Whatever is named, results are the same bit for bit.
#pragma once

#include <map>
#include <string>

#include "kernels/isa.hpp"

namespace bitwright {

struct KernelChoices {
  /// By what is computed (StepInfo::problem), the name of the fastest kernel. Names that no table has, and kernels that may not
  /// run, are passed over.
  std::map<std::string, std::string> fastest;
};

/// What a rule asks of a table of kernels: the instruction set at most, what was measured fastest (or empty).
struct KernelWish {
  Isa isa;
  std::string name;
};

}  // namespace bitwright
