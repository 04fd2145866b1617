// How records become inputs: what to do with pixels, words and samples. A plain struct with a small TOML form, which
// stands in the recipe or in a `data.toml` beside the data:
//
//   resize = 256            # short side; [256, 256] for an exact size
//   crop = 224
//   scale = 0.00784313725   # x * scale, then (x - mean) / std
//   mean = [1, 1, 1]
//   label_offset = 1
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bitwright {

struct Document;

enum class Interpolation { bilinear, bicubic };
enum class Channels { as_stored, rgb, bgr, gray };
enum class PixelLayout { nchw, nhwc };

/// Pixels 0..255 -> (x * scale - mean) / std per channel of the output, after resize and centre crop.
struct Preprocess {
  int64_t resize_short = 0;                    // pixels of the shorter side, the other truncated; 0: no such resize
  int64_t resize_height = 0, resize_width = 0;  // exact size; 0: no such resize
  Interpolation interpolation = Interpolation::bilinear;
  int64_t crop_height = 0, crop_width = 0;  // 0: no crop
  double scale = 1;
  std::vector<float> mean, std;  // empty: 0 and 1; one number, or one per output channel in output order
  Channels channels = Channels::as_stored;
  PixelLayout layout = PixelLayout::nchw;
  bool raw = false;  // u8 pixels as they are, nothing normalised
};

struct TextOptions {
  std::string vocabulary;    // vocab.txt (WordPiece) or vocab.json (characters); empty: looked for beside the data
  int64_t max_length = 128;  // tokens with [CLS] and [SEP]
  bool pad_to_max = false;   // else to the longest of the batch
  bool time_major = true;    // characters: [T,B] rather than [B,T]
};

enum class SoundFeature { samples, magnitude };

struct AudioOptions {
  int64_t frame = 0, hop = 0;  // samples per record and from record to record; 0: a file is a record
  /// What a record gives: its samples, or the magnitudes |rfft| of them without a window, [frame / 2 + 1].
  SoundFeature feature = SoundFeature::samples;
};

/// An input that is the same in every record, bound by its name: a sampling rate, a threshold.
struct ConstantInput {
  std::string name;
  double value = 0;
  bool whole = false;  // an i64 scalar, else f32
};

struct DataOptions {
  std::string format;         // a reader's name; empty: recognised from the content
  std::string split;          // "train" or "test" where a folder holds both
  std::string select;         // see selection.hpp; empty: all records
  std::string input;          // name of the input the records feed; empty: by position
  int64_t classes = 0;        // labels must be below; 0: not known
  int64_t label_offset = 0;   // added to every label: 1 where output 0 is a background class
  int64_t sequence = 0;       // npy, npz: records of one sequence, for networks with state; 0: the whole file is one
  std::vector<ConstantInput> constants;
  Preprocess image;
  TextOptions text;
  AudioOptions audio;
};

/// Sets the keys that `toml` gives; the others stay. `where` names the text in errors. Error{malformed} for broken TOML,
/// Error{usage} for unknown keys (with the nearest name) and values out of range.
void apply_toml(DataOptions& options, std::string_view toml, const std::string& where);
/// The same from the [data] table of a recipe.
void apply_document(DataOptions& options, const Document& document, const std::string& where);
/// The TOML form of what differs from the defaults; apply_toml reads it back.
std::string to_toml(const DataOptions& options);
/// The defaults changed by PATH.toml or by data.toml in the folder (of a file: beside it), if there is one.
DataOptions options_beside(const std::string& path);

}  // namespace bitwright
