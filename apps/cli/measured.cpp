#include "measured.hpp"

#include "report/table.hpp"

namespace bitwright::cli {
namespace {

constexpr double kSeconds = 0.3;  // per program that is timed

}  // namespace

std::shared_ptr<const KernelChoices> known_kernels(Sink* sink) {
  return std::make_shared<const KernelChoices>(read_kernel_choices(kernel_cache_path(), processor_name(), sink));
}

CompileOptions with_measured_kernels(const Model& model, CompileOptions options, const Sample& sample, const Context& c) {
  options.kernels = known_kernels(c.sink);
  std::vector<KernelTime> measured;
  const KernelChoices choices = measure_kernels(model, options, sample.shapes(), step_clock(sample, c.threads, kSeconds), &measured);
  for (const KernelTime& time : measured)
    if (time.kernel != time.usual)
      report_note(c.sink, str(time.problem, ": ", time.kernel, " takes ", fixed(time.us, 1), " us, ", time.usual, " ", fixed(time.usual_us, 1)));
  report_note(c.sink, str("measured ", measured.size(), " shapes; ", options.kernels->fastest.size(), " were known"));
  if (!measured.empty()) write_kernel_choices(kernel_cache_path(), processor_name(), choices, c.sink);
  options.kernels = std::make_shared<const KernelChoices>(choices);
  return options;
}

}  // namespace bitwright::cli
