#include "layers.hpp"

#include "core/text.hpp"

namespace bitwright::cli {
namespace {

std::string percent(double share) { return share > 0 ? fixed(100 * share, 1) + " %" : std::string(); }

double per_second(int64_t amount, const LayerTime& layer) { return static_cast<double>(amount) / std::max(layer.us, 1e-3) * 1e6; }

/// "bound by compute 71.3 %, overhead 20.1 %, memory 8.6 %"
std::string bounds_line(const std::vector<LayerTime>& layers) {
  std::vector<std::string> parts;
  for (const Bound bound : {Bound::compute, Bound::memory, Bound::overhead}) {
    double share = 0;
    for (const LayerTime& layer : layers)
      if (layer.bound == bound) share += layer.share;
    if (share > 0) parts.push_back(str(name_of(bound), " ", percent(share)));
  }
  return parts.empty() ? std::string() : "bound by " + join(parts, ", ") + "\n";
}

}  // namespace

std::string layers_text(const std::vector<LayerTime>& layers) {
  TextTable table({"step", "kernel", ">us", ">of time", ">multiply-adds", ">G/s", ">of peak", ">GB/s", "bound by"});
  double us = 0;
  for (const LayerTime& layer : layers) {
    const StepInfo& step = layer.step;
    table.row({step.name, step.kernel, fixed(layer.us, 1), percent(layer.share), step.macs > 0 ? count_text(static_cast<double>(step.macs)) : "",
               step.macs > 0 ? fixed(per_second(step.macs, layer) / 1e9, 1) : "", percent(layer.peak_share),
               fixed(per_second(step.bytes, layer) / 1e9, 1), std::string(name_of(layer.bound))});
    us += layer.us;
  }
  return str(table.text(), layers.size(), " steps, ", fixed(us / 1e3, 3), " ms together; ", bounds_line(layers));
}

DocumentList layers_document(const std::vector<LayerTime>& layers) {
  DocumentList list;
  for (const LayerTime& layer : layers)
    list.push_back(Document().set("step", layer.step.name).set("kernel", layer.step.kernel).set("integer", layer.step.integer)
                       .set("us", layer.us).set("share", layer.share).set("macs", layer.step.macs).set("bytes", layer.step.bytes)
                       .set("peak_share", layer.peak_share).set("bandwidth_share", layer.bandwidth_share)
                       .set("bound", name_of(layer.bound)));
  return list;
}

std::string machine_text(const Machine& machine) {
  const std::string threads = str(machine.threads, machine.threads == 1 ? " thread" : " threads");
  const std::string bytes = fixed(machine.bytes / 1e9, 1) + " GB/s from memory of the network's size";
  if (machine.macs == 0) return str(threads, ": ", bytes, "; the arithmetic peak of ", name_of(machine.isa), " is not known");
  return str(threads, ", ", name_of(machine.isa), ": ", count_text(machine.macs), " multiply-adds/s in int8, ", count_text(machine.float_macs),
             " in float32, ", bytes);
}

Document to_document(const Machine& machine) {
  return Document().set("isa", name_of(machine.isa)).set("threads", int64_t{machine.threads}).set("macs_per_second", machine.macs)
      .set("float_macs_per_second", machine.float_macs).set("bytes_per_second", machine.bytes);
}

DocumentList trace_events(const std::string& model, int64_t process, const std::vector<LayerTime>& layers) {
  DocumentList events;
  events.push_back(Document().set("name", "process_name").set("ph", "M").set("pid", process).set("args", Document().set("name", model)));
  double at = 0;
  for (const LayerTime& layer : layers) {
    const Document args = Document().set("kernel", layer.step.kernel).set("macs", layer.step.macs).set("bytes", layer.step.bytes)
                              .set("peak_share", layer.peak_share).set("bound", name_of(layer.bound));
    events.push_back(Document().set("name", layer.step.name.empty() ? layer.step.kernel : layer.step.name).set("cat", layer.step.integer ? "integer" : "other")
                         .set("ph", "X").set("pid", process).set("tid", 0).set("ts", at).set("dur", layer.us).set("args", args));
    at += layer.us;
  }
  return events;
}

}  // namespace bitwright::cli
