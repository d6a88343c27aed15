// Whole files as bytes. What cannot be read or written ends the program: no test goes on without it.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "agent/wire/types.h"

namespace joulespool::test {

inline void require_file(bool fine, const std::filesystem::path& path) {
  if (fine) return;
  std::perror(path.c_str());
  std::exit(1);
}

inline wire::Bytes read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  require_file(in.is_open() && !in.bad(), path);
  wire::Bytes bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

inline void write_file(const std::filesystem::path& path, wire::ByteView bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  require_file(static_cast<bool>(out.flush()), path);
}

}  // namespace joulespool::test
