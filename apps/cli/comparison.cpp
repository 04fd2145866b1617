#include "comparison.hpp"

namespace bitwright::cli {
namespace {

std::string outcome(const Compared& row) {
  if (!row.judged) return "";
  const Metric& m = row.metric;
  if (m.task == Task::similarity) return fixed(m.spearman, 4);
  if (m.task == Task::compare) return fixed(m.snr_db, 1) + " dB";
  return fixed(100 * m.accuracy(), 2) + " %";
}

std::string interval(const Compared& row) {
  if (!row.judged || !row.metric.counts()) return "";
  return fixed(100 * row.metric.low, 2) + " ... " + fixed(100 * row.metric.high, 2);
}

// Share of records on which a model answers as the first one does.
std::string agreement(const Compared& first, const Compared& row) {
  const auto &a = first.metric.classes, &b = row.metric.classes;
  if (&first == &row || a.empty() || a.size() != b.size()) return "";
  size_t same = 0;
  for (size_t i = 0; i < a.size(); ++i) same += a[i] == b[i];
  return fixed(100 * static_cast<double>(same) / static_cast<double>(a.size()), 2) + " %";
}

std::string ratio(double first, double value) { return value > 0 ? fixed(first / value, 2) + "x" : ""; }

}  // namespace

Compared measure(const Loaded& loaded, const std::string& name, const Judge& judge, double seconds, const Context& c) {
  Compared row;
  row.name = name;
  row.file_bytes = loaded.file_bytes;
  row.judged = judge.data && (judge.data->task() != Task::none || judge.reference);
  const EvaluateOptions options{.threads = c.threads, .sink = c.sink, .reference = judge.reference};
  if (row.judged) row.metric = in_model(loaded.path, [&] { return evaluate(loaded.program, *judge.data, options); });
  const Program& program = *loaded.program;
  in_model(loaded.path, [&] {
    const Sample sample = judge.data ? sample_of(program, *judge.data) : sample_of(program);
    row.cost = cost_of(program, sample);
    row.latency = measure_latency(loaded.program, sample, c.threads, seconds, c.sink);
  });
  return row;
}

std::string comparison_table(const std::vector<Compared>& rows) {
  TextTable quality({"model", ">accuracy", ">95 % interval", ">agrees", ">size MB", ">smaller", ">latency ms", ">faster"});
  TextTable work({"per record", ">multiply-adds", ">in integers", ">bit operations", ">moved MB"});
  const Compared& first = rows.front();
  for (const Compared& row : rows) {
    quality.row({row.name, outcome(row), interval(row), agreement(first, row), fixed(row.file_bytes / 1e6, 6),
                 ratio(first.file_bytes, row.file_bytes), fixed(row.latency.median_ms, 3),
                 ratio(first.latency.median_ms, row.latency.median_ms)});
    work.row({row.name, count_text(static_cast<double>(row.cost.macs)), fixed(100 * row.cost.integer_share(), 1) + " %",
              count_text(row.cost.bit_operations), fixed(static_cast<double>(row.cost.bytes_moved) / 1e6, 3)});
  }
  return quality.text() + "\n" + work.text();
}

std::string comparison_lines(const std::vector<Compared>& rows) {
  std::string text;
  for (const Compared& row : rows) {
    text += row.name + "\nSize of the model (MB): " + fixed(row.file_bytes / 1e6, 6) + "\n";
    if (row.judged && row.metric.counts())
      text += str("Accuracy: ", row.metric.correct, "/", row.metric.n, " (", fixed(100 * row.metric.accuracy(), 0), "%)\n");
  }
  return text;
}

Document comparison_document(const std::vector<Compared>& rows) {
  DocumentList list;
  for (const Compared& row : rows) {
    Document d;
    d.set("model", row.name).set("bytes", static_cast<int64_t>(row.file_bytes)).set("size_ratio", rows[0].file_bytes / row.file_bytes);
    d.set("latency_ms", row.latency.median_ms).set("speed_up", rows[0].latency.median_ms / row.latency.median_ms);
    d.set("macs", row.cost.macs).set("integer_share", row.cost.integer_share());
    d.set("bit_operations", row.cost.bit_operations).set("bytes_moved", row.cost.bytes_moved);
    if (row.judged) d.set("metric", to_document(row.metric));
    list.push_back(d);
  }
  return Document().set("models", list);
}

}  // namespace bitwright::cli
