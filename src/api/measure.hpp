// Choosing by the clock: which kernel is fastest for a shape on this processor, and which layers integers slow down. What a layer
// computes never follows from a measurement unless the choice is written into the recipe, and so into the file: kernels of a
// table give the same bits, and a layer kept float is an override.
#pragma once

#include <optional>

#include "api/api.hpp"
#include "api/cost.hpp"

namespace bitwright {

/// Microseconds that each step of a program takes, in their order. Tests give their own clock.
using StepClock = std::function<std::vector<double>(const std::shared_ptr<const Program>& program)>;
/// Medians over runs on the sample for about `seconds`; ten runs at least.
StepClock step_clock(Sample sample, int threads, double seconds);

/// What was measured of one shape.
struct KernelTime {
  std::string problem, kernel;  // the fastest,
  double us = 0;                // and its time
  std::string usual;            // what the table takes unmeasured
  double usual_us = 0;
};
/// The fastest kernel for every shape of the program that can be computed by several and is not known yet: each kernel in turn
/// for all shapes at once. Another kernel than the table's first must be faster by 3 %.
KernelChoices measure_kernels(const Model& model, const CompileOptions& options, const std::vector<Shape>& shapes, const StepClock& clock,
                              std::vector<KernelTime>* measured = nullptr);

/// A layer that is faster in float, conversions around it included.
struct SlowLayer {
  std::string name;
  double integer_us = 0, float_us = 0;
};
/// Layers of a quantized model whose steps take longer than those that the model has in their place when this layer alone is
/// float.
std::vector<SlowLayer> slow_in_integers(const Model& quantized, const CompileOptions& options, const std::vector<Shape>& shapes,
                                        const StepClock& clock);
/// The recipe with an override for each that keeps it float and says why.
Recipe keeping_float(Recipe recipe, const std::vector<SlowLayer>& layers);

/// Where measured kernels are kept from one process to the next: $XDG_CACHE_HOME/bitwright or ~/.cache/bitwright, one file per
/// processor. Empty where neither variable is set.
std::string kernel_cache_path();
/// What the processor calls itself, and the instruction set that kernels may use at most: another cap is another processor.
std::string processor_name();
/// Of `path`. A file that is not there gives none; one that is damaged, of another version or of another processor too, and one
/// note says so.
KernelChoices read_kernel_choices(const std::string& path, const std::string& processor, Sink* sink = nullptr);
/// Whole or not at all. A place that cannot be written is one note.
void write_kernel_choices(const std::string& path, const std::string& processor, const KernelChoices& choices, Sink* sink = nullptr);

}  // namespace bitwright
