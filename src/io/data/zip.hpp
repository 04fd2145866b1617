// The part of zip that .npz needs: members stored or deflated, zip64, no encryption.
#pragma once

#include "io/data/inflate.hpp"

namespace bitwright {

struct ZipMember {
  std::string name;
  Bytes bytes;  // unpacked
  std::shared_ptr<const void> keep;
};

/// The members of a zip file in the order of its directory. Error{malformed, unsupported} starts with the file's path.
std::vector<ZipMember> read_zip(const MappedFile& file);

}  // namespace bitwright
