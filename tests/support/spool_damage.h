// Damage in the files of a spool, as a medium does it: under whoever has them open.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "agent/wire/types.h"
#include "tests/support/file_bytes.h"

namespace joulespool::test {

// Flips a bit of the file where it is.
inline void flip_bit_of(const std::string& path, size_t offset, unsigned bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  const auto value = static_cast<unsigned>(file.get());
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(value ^ (1U << bit)));
}

// Where these bytes lie in the logs of a spool: file and offset.
inline std::vector<std::pair<std::string, size_t>> places_in_logs(const std::string& directory, wire::ByteView piece) {
  std::vector<std::pair<std::string, size_t>> places;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!entry.path().string().ends_with("-wal")) continue;
    const wire::Bytes bytes = read_file(entry.path());
    for (auto at = bytes.begin(); (at = std::search(at, bytes.end(), piece.begin(), piece.end())) != bytes.end(); ++at)
      places.emplace_back(entry.path(), static_cast<size_t>(at - bytes.begin()));
  }
  return places;
}

// Flips a bit in the second half of a frame that lies in a log of the spool. False: no piece of it lies there once.
inline bool flip_in_frame(const std::string& directory, wire::ByteView frame) {
  constexpr size_t probe_bytes = 48;  // frames lie on pages: a short piece is likely to be on one of them
  for (size_t at = frame.size() / 2; at + probe_bytes <= frame.size(); at += probe_bytes) {
    const auto places = places_in_logs(directory, frame.subspan(at, probe_bytes));
    if (places.size() != 1) continue;
    flip_bit_of(places.front().first, places.front().second + probe_bytes / 2, 3);
    return true;
  }
  return false;
}

}  // namespace joulespool::test
