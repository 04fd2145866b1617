// What --data takes: the readers, and the lines of a data.toml.
#include "explain/explain.hpp"

namespace bitwright::cli {
namespace {

struct Line {
  std::string_view line, meaning;
};
constexpr Line kLines[] = {
    {"split = \"train\"", "which half, where a folder holds both (or \"test\")"},
    {"select = \"first 512\"", "which records, as --select"},
    {"input = \"x\"", "the network's input that the records feed"},
    {"label_offset = 1", "added to every label"},
    {"constants = { sr = 16000 }", "inputs that are the same in every record"},
    {"resize = 256", "pictures: the shorter side in pixels; [224, 224]: exactly"},
    {"crop = 224", "pictures: from the centre"},
    {"channels = \"bgr\"", "pictures: or rgb, gray"},
    {"layout = \"nhwc\"", "pictures: or nchw"},
    {"scale = 0.00392156862745098", "pictures: (pixel * scale - mean) / std; pixels are 0 ... 255"},
    {"mean = [0.485, 0.456, 0.406]", "one number, or one per channel"},
    {"std = [0.229, 0.224, 0.225]", "likewise"},
    {"raw = true", "pictures: codes 0 ... 255 for a network that takes uint8"},
    {"vocabulary = \"vocab.txt\"", "text: else looked for beside the data"},
    {"max_length = 128", "text: tokens at most"},
    {"frame = 512", "sound: samples per record; hop = 128: from record to record"},
    {"sequence = 100", "arrays: records of one sequence, for networks with state"},
};

void explain_data(const ExplainArgs&, const Context& c) {
  TextTable readers({"reader", "reads"}), lines({"line of data.toml", "meaning"});
  for (const ReaderInfo& reader : dataset_readers()) readers.row({std::string(reader.name), std::string(reader.summary)});
  for (const Line& line : kLines) lines.row({std::string(line.line), std::string(line.meaning)});
  if (c.json) return c.print(Document().set("readers", readers.document()).set("lines", lines.document()));
  c.print("--data PATH is recognised by its content; READER:PATH forces a reader.\n\n" + readers.text() +
          "\nHow records become inputs stands in data.toml in the folder of the data, in PATH.toml, or in --data-options.\n\n" +
          lines.text());
}

}  // namespace

const Topic kTopicData = {"data", "what --data and --data-options take", explain_data};

}  // namespace bitwright::cli
