// stb_image 2.27, which Debian 12 has, trusts the Huffman tables of a JPEG file: too many symbols, symbols out of range or
// a scan that names a table never defined make it touch memory that is not its own. This walk over the markers refuses
// such files before they are decoded. Where the two would read a file differently, stb ends with an error of its own.
#pragma once

#include "io/data/reader.hpp"

namespace bitwright {

/// What is wrong with the tables of a JPEG file; empty when nothing is (or when it is no JPEG file).
std::string_view jpeg_fault(Bytes file);

}  // namespace bitwright
