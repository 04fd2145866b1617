// Which memory is mapped from files: what may be dropped without losing anything.
#pragma once

#include <cstddef>
#include <memory>

namespace bitwright {

/// Takes over a read-only mapping of a file: unmapped with the last copy.
std::shared_ptr<const void> own_file_pages(void* memory, size_t bytes);

}  // namespace bitwright
