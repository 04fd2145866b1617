// The calibration run: the float network is run over some data, the values that need a grid are watched, and the table is
// completed: grids of activations, codes of weights, int32 biases. Data stream batch by batch in memory that does not
// depend on their number. Records of a batch are run a few at a time where that gives the same (apart.hpp); counts do not depend on
// order, batches are put together in theirs: the result is the same for every number of threads.
#pragma once

#include <functional>

#include "calibrate/observer.hpp"
#include "calibrate/place.hpp"
#include "core/rows.hpp"
#include "core/sink.hpp"

namespace bitwright {

/// Where batches come from: inputs(i) gives the network's inputs by position for batch i of `count`; it is called from
/// several threads, except for a network with state: its batches are steps, run one after another.
struct Batches {
  int64_t count = 0;
  std::function<std::vector<Tensor>(int64_t)> inputs;
  /// Whether batch i begins a sequence (state back to zero); empty: only the first does.
  std::function<bool(int64_t)> begins_sequence = {};
  /// Of the last batch: repeats that fill it up are run and not observed.
  Counted last = {};

  Counted counted(int64_t i) const { return i + 1 == count ? last : Counted(); }
};

struct CalibrateOptions {
  int threads = 0;  // 0: one per core
  ObserverOptions observer;
  std::string weight_observer = "minmax";
  Sink* sink = nullptr;
};

/// What became of one place (mission A0.17).
struct SiteRange {
  Site site;
  std::string name, observer;
  float min = 0, max = 0;    // chosen; of weights per channel: over all
  float seen_min = 0, seen_max = 0;
  QParams qparams;           // of the first channel
  int64_t parameters = 1;    // scales
  uint64_t values = 0, dropped = 0;  // finite values seen; infinities and NaN left out
  GroupId tied = 0;
};

struct CalibrationReport {
  std::vector<SiteRange> ranges;
  int64_t batches = 0;
};

/// Statistics of the values at these output sites over all batches. Error{numeric} names nothing: values that are not
/// finite are counted and left out. Error{mismatch} when a batch does not fit the network.
std::map<Site, Statistics> collect(const Model& model, const std::map<Site, Needs>& sites, const Batches& batches,
                                   const CalibrateOptions& options);

/// What each place that needs data must gather.
std::map<Site, Needs> needs_of(const Placement& placement);

/// Fills every open entry. `seen` holds the statistics of needs_of(placement). A value that was never finite is an
/// Error{numeric} that names it; weights that are not finite likewise.
Model fill(Placement placement, const std::map<Site, Statistics>& seen, const CalibrateOptions& options,
           CalibrationReport* report = nullptr);

/// collect and fill.
Model calibrate(Placement placement, const Batches& batches, const CalibrateOptions& options,
                CalibrationReport* report = nullptr);

/// The grid that an input of a node is read on: its own entry's or its producer's; nullptr for float or open ones.
const Grid* grid_read(const Model& model, const Uses& uses, const Node& node, size_t input);

}  // namespace bitwright
