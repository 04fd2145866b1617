// The time of every step, as `bench` shows it: a table, a document, a trace.
#pragma once

#include "api/layers.hpp"
#include "report/table.hpp"

namespace bitwright::cli {

/// A table, and below it what the limits have to do with the time of the whole.
std::string layers_text(const std::vector<LayerTime>& layers);
DocumentList layers_document(const std::vector<LayerTime>& layers);
/// "2 threads, avx512: 1.04 T multiply-adds/s in int8, 260.10 G in float32, 61.3 GB/s from memory of the network's size"
std::string machine_text(const Machine& machine);
Document to_document(const Machine& machine);

/// Events of Chrome's trace format (chrome://tracing, ui.perfetto.dev): one process per model, one event per step, the steps of
/// a run one after another.
DocumentList trace_events(const std::string& model, int64_t process, const std::vector<LayerTime>& layers);

}  // namespace bitwright::cli
