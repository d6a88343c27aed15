#include "cloud-bridge/ingest/dead_letters.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <system_error>

#include "agent/base/crc32c.h"
#include "agent/base/units.h"

namespace joulespool::ingest {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view suffix = ".frame";
constexpr size_t recent_max = 256;  // bytes compared with the last so many

// "20260102T030405.678Z": no colons, so that the name is valid everywhere.
std::string compact_utc(int64_t utc_ns) {
  std::string text = format_utc(utc_ns, 3);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

std::string in_name(std::string_view reason) {
  std::string text(reason.substr(0, 40));
  for (char& c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) c = '_';
  return text;
}

std::string file_name(std::string_view reason, int64_t utc_ns, uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return compact_utc(utc_ns) + "-" + in_name(reason) + "-" + digits + std::string(suffix);
}

// The number in a name that file_name() made, 0 for other names.
uint64_t number_in(const std::string& name) {
  const size_t dash = name.rfind('-');
  if (dash == std::string::npos) return 0;
  uint64_t number = 0;
  for (size_t at = dash + 1; at < name.size() - suffix.size(); ++at) {
    if (name[at] < '0' || name[at] > '9' || number > 1'000'000'000'000) return 0;
    number = number * 10 + static_cast<uint64_t>(name[at] - '0');
  }
  return number;
}

bool write_file(const fs::path& path, wire::ByteView bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (file.good()) return true;
  std::error_code ignored;
  fs::remove(path, ignored);  // half a file is no evidence
  return false;
}

}  // namespace

Status DeadLetters::open() {
  if (folder_.empty()) return {};
  std::error_code error;
  fs::create_directories(folder_, error);
  fs::directory_iterator at(folder_, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.ends_with(suffix) || number_in(name) == 0) continue;  // somebody else's: neither counted nor removed
    std::error_code gone;
    const uint64_t size = at->file_size(gone);
    if (gone) continue;
    files_.push_back({name, size});
    bytes_ += size;
    next_number_ = std::max(next_number_, number_in(name) + 1);
  }
  std::sort(files_.begin(), files_.end(), [](const File& a, const File& b) { return a.name < b.name; });
  if (error) return Error{Errc::unreachable, "dead letters: " + folder_.string() + ": " + error.message()};
  make_room(0, 0);
  return {};
}

void DeadLetters::keep(std::string_view reason, wire::ByteView bytes, int64_t utc_ns) {
  const auto counter = counts_.rejected.find(reason);
  if (counter == counts_.rejected.end()) {
    counts_.rejected.emplace(reason, 1);
  } else {
    ++counter->second;
  }
  const std::pair<size_t, uint32_t> mark{bytes.size(), crc32c(bytes)};
  if (std::find(recent_.begin(), recent_.end(), mark) != recent_.end()) {
    ++counts_.repeated;
    return;
  }
  if (!write(reason, bytes, utc_ns)) {
    ++counts_.not_written;
    return;
  }
  ++counts_.kept;
  recent_.push_back(mark);
  if (recent_.size() > recent_max) recent_.pop_front();
}

bool DeadLetters::write(std::string_view reason, wire::ByteView bytes, int64_t utc_ns) {
  if (folder_.empty() || bytes.size() > limits_.bytes || limits_.files == 0) return false;
  make_room(bytes.size(), 1);
  const std::string name = file_name(reason, utc_ns, next_number_);
  if (!write_file(folder_ / name, bytes)) return false;
  ++next_number_;
  files_.push_back({name, bytes.size()});
  bytes_ += bytes.size();
  return true;
}

void DeadLetters::make_room(uint64_t size, size_t files) {
  while (!files_.empty() && (bytes_ + size > limits_.bytes || files_.size() + files > limits_.files)) {
    std::error_code ignored;
    fs::remove(folder_ / files_.front().name, ignored);
    bytes_ -= files_.front().size;
    files_.pop_front();
    ++counts_.removed;
  }
}

}  // namespace joulespool::ingest
