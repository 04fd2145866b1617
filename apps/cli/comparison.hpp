// The table that stands models side by side: used by compare and demo.
#pragma once

#include "shared.hpp"

namespace bitwright::cli {

struct Compared {
  std::string name;
  double file_bytes = 0;
  bool judged = false;
  Metric metric;
  Cost cost;
  Latency latency;
};

/// What networks are judged by: nothing where there are no data, the reference where the data hold no truth.
struct Judge {
  const Dataset* data = nullptr;
  std::shared_ptr<const Program> reference = {};
};
Compared measure(const Loaded& loaded, const std::string& name, const Judge& judge, double seconds, const Context& c);
std::string comparison_table(const std::vector<Compared>& rows);
/// "Size of the model (MB): 0.423146" and "Accuracy: 8391/10000 (84%)" for each (mission A0.11).
std::string comparison_lines(const std::vector<Compared>& rows);
Document comparison_document(const std::vector<Compared>& rows);

}  // namespace bitwright::cli
