// Whether a thread may use tile registers. Machines exist that announce them and then fault or, with a faulty compiler,
// multiply wrongly; so every thread computes something known with them first, and whoever fails uses vectors instead.
#pragma once

namespace bitwright {

/// Whether `correct` returns true in this thread: neither false nor by an illegal instruction, which it may execute. Says so
/// on stderr, once per process, if not.
bool tiles_pass(bool (*correct)() noexcept) noexcept;

}  // namespace bitwright
