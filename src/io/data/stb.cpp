// The one place where stb_image is compiled, for PNG and deflate (JPEG is libjpeg-turbo's); its warnings are switched off for
// this file (src/CMakeLists.txt).
#define STBI_NO_STDIO
#define STBI_ONLY_PNG
#define STBI_NO_LINEAR
#define STBI_MAX_DIMENSIONS (1 << 16)
// Damaged files must not abort, nor show what was in memory before.
#define STBI_ASSERT(condition) ((void)0)
#define STBI_MALLOC(bytes) calloc(1, bytes)
#define STBI_REALLOC(memory, bytes) realloc(memory, bytes)
#define STBI_FREE(memory) free(memory)
#define STB_IMAGE_IMPLEMENTATION
#include <stdlib.h>

#include <stb/stb_image.h>
