#include "io/data/selection.hpp"

#include <charconv>
#include <numeric>
#include <utility>

#include "core/error.hpp"

namespace bitwright {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

struct Parser {
  std::string_view step;

  [[noreturn]] void refuse() const {
    fail(ErrorCode::usage, "selection '", step,
         "' is not understood; use all, A:B, A:B:STEP, odd, even, first N or shuffle SEED, joined by commas");
  }

  uint64_t number(std::string_view digits) const {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value > INT64_MAX) refuse();
    return value;
  }
};

std::vector<int64_t> every(const std::vector<int64_t>& from, uint64_t first, uint64_t end, uint64_t step) {
  std::vector<int64_t> out;
  end = std::min<uint64_t>(end, from.size());
  for (uint64_t i = first; i < end; i += std::min<uint64_t>(step, from.size())) out.push_back(from[i]);
  return out;
}

/// SplitMix64 (Steele, Lea and Flood 2014): one multiply-xor chain per number of a counter.
uint64_t random_bits(uint64_t seed, uint64_t counter) {
  uint64_t z = seed + (counter + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void shuffle(std::vector<int64_t>& records, uint64_t seed) {
  for (uint64_t i = records.size(); i > 1; --i) {
    const auto wide = static_cast<unsigned __int128>(random_bits(seed, i)) * i;
    std::swap(records[i - 1], records[static_cast<size_t>(wide >> 64)]);
  }
}

void apply_range(std::vector<int64_t>& records, const Parser& parse) {
  const auto parts = split(parse.step, ':');
  if (parts.size() > 3) parse.refuse();
  const uint64_t first = parts[0].empty() ? 0 : parse.number(parts[0]);
  const uint64_t end = parts[1].empty() ? records.size() : parse.number(parts[1]);
  const uint64_t step = parts.size() == 3 ? parse.number(parts[2]) : 1;
  if (step == 0) parse.refuse();
  records = every(records, first, end, step);
}

void apply_step(std::vector<int64_t>& records, std::string_view step) {
  const Parser parse{step};
  if (step == "all") return;
  if (step == "odd") {
    records = every(records, 0, records.size(), 2);
  } else if (step == "even") {
    records = every(records, 1, records.size(), 2);
  } else if (step.substr(0, 6) == "first ") {
    records = every(records, 0, parse.number(trimmed(step.substr(6))), 1);
  } else if (step.substr(0, 8) == "shuffle ") {
    shuffle(records, parse.number(trimmed(step.substr(8))));
  } else if (step.find(':') != std::string_view::npos) {
    apply_range(records, parse);
  } else {
    parse.refuse();
  }
}

}  // namespace

std::vector<int64_t> selected_records(int64_t size, const std::string& text) {
  std::vector<int64_t> records(static_cast<size_t>(size));
  std::iota(records.begin(), records.end(), 0);
  for (const auto& step : split(text, ',')) apply_step(records, trimmed(step));
  return records;
}

}  // namespace bitwright
