// A column of a recording in a file.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace joulespool::device {

// Recordings are held in memory; this many samples a column (1 GiB) are the limit.
constexpr size_t column_samples_max = size_t{1} << 28;

// The float32 little-endian values of a file, all bits kept; a name that ends with ".zst" is decompressed (any number of
// zstd frames). Errors name the file: usage (does not exist, cannot be read, empty, too long), damaged (size no multiple of
// 4, zstd data damaged or cut off).
Result<std::vector<float>> read_column(const std::string& path);

}  // namespace joulespool::device
