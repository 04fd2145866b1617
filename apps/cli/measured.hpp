// Measured kernels on the command line: used by every command that runs networks, made by --measure-kernels.
#pragma once

#include "api/measure.hpp"
#include "command.hpp"

namespace bitwright::cli {

/// What earlier runs measured on this processor.
std::shared_ptr<const KernelChoices> known_kernels(Sink* sink);
/// The options with these and with what is measured now of `model`, which is kept; a note says what changed.
CompileOptions with_measured_kernels(const Model& model, CompileOptions options, const Sample& sample, const Context& c);

}  // namespace bitwright::cli
