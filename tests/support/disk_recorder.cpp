#include "tests/support/disk_recorder.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <string_view>

namespace joulespool::test {
namespace {

constexpr uint64_t sector_bytes = 512;

class Recording {
 public:
  static Recording& the() {
    static Recording recording;
    return recording;
  }
  void start(const std::string& folder) {
    const std::lock_guard lock(mutex_);
    folder_ = folder;
    calls_.clear();
    numbers_.clear();
    descriptors_.clear();
    on_ = true;
  }
  std::vector<DiskCall> stop() {
    const std::lock_guard lock(mutex_);
    on_ = false;
    return std::move(calls_);
  }
  void add(DiskCall call) {
    const std::lock_guard lock(mutex_);
    if (on_) calls_.push_back(std::move(call));
  }

  void opened(int descriptor, const char* path, int flags) {
    const std::lock_guard lock(mutex_);
    if (!on_ || descriptor < 0 || path == nullptr) return;
    descriptors_.erase(descriptor);
    if (path == folder_) {
      descriptors_[descriptor] = folder_number;
      return;
    }
    const auto name = name_of(path);
    if (!name || (flags & O_ACCMODE) == O_RDONLY) return;
    const auto [known, is_new] = numbers_.try_emplace(*name, last_number_ + 1);
    if (is_new) {
      ++last_number_;
      DiskCall call{DiskCall::Kind::create, known->second, *name, {}, 0, {}};
      calls_.push_back(std::move(call));
    }
    descriptors_[descriptor] = known->second;
  }
  void closed(int descriptor) {
    const std::lock_guard lock(mutex_);
    descriptors_.erase(descriptor);
  }
  void written(int descriptor, const void* bytes, ssize_t size, uint64_t position) {
    const std::lock_guard lock(mutex_);
    const auto file = file_of(descriptor);
    if (!file || size <= 0) return;
    const auto* first = static_cast<const std::byte*>(bytes);
    calls_.push_back({DiskCall::Kind::write, *file, {}, {}, position, wire::Bytes(first, first + size)});
  }
  void truncated(int descriptor, uint64_t size) {
    const std::lock_guard lock(mutex_);
    if (const auto file = file_of(descriptor)) calls_.push_back({DiskCall::Kind::truncate, *file, {}, {}, size, {}});
  }
  void synced(int descriptor) {
    const std::lock_guard lock(mutex_);
    const auto found = descriptors_.find(descriptor);
    if (!on_ || found == descriptors_.end()) return;
    const bool folder = found->second == folder_number;
    calls_.push_back({folder ? DiskCall::Kind::sync_folder : DiskCall::Kind::sync, found->second, {}, {}, 0, {}});
  }
  void removed(const char* path) {
    const std::lock_guard lock(mutex_);
    const auto name = name_of(path);
    if (!on_ || !name || numbers_.erase(*name) == 0) return;
    calls_.push_back({DiskCall::Kind::remove, 0, *name, {}, 0, {}});
  }
  void renamed(const char* from, const char* to) {
    const std::lock_guard lock(mutex_);
    const auto name = name_of(from);
    if (!on_ || !name) return;
    const auto target = name_of(to);
    const auto known = numbers_.extract(*name);
    if (!known) return;
    if (target) numbers_[*target] = known.mapped();
    calls_.push_back({DiskCall::Kind::rename, 0, *name, target.value_or(""), 0, {}});
  }

 private:
  static constexpr uint64_t folder_number = 0;

  std::optional<std::string> name_of(std::string_view path) const {
    if (!on_ || !path.starts_with(folder_ + "/")) return std::nullopt;
    const std::string name(path.substr(folder_.size() + 1));
    const bool ours = name.starts_with("segment-") || name.starts_with("spool.db");
    return ours && name.find('/') == std::string::npos && !name.ends_with("-shm") ? std::optional(name) : std::nullopt;
  }
  std::optional<uint64_t> file_of(int descriptor) const {
    const auto found = descriptors_.find(descriptor);
    return on_ && found != descriptors_.end() && found->second != folder_number ? std::optional(found->second) : std::nullopt;
  }

  std::mutex mutex_;
  bool on_ = false;
  std::string folder_;
  uint64_t last_number_ = 0;
  std::map<std::string, uint64_t> numbers_;  // files by name
  std::map<int, uint64_t> descriptors_;
  std::vector<DiskCall> calls_;
};

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

void put(wire::Bytes& content, uint64_t position, wire::ByteView bytes) {
  if (content.size() < position + bytes.size()) content.resize(position + bytes.size());
  std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<std::ptrdiff_t>(position));
}

void apply(wire::Bytes& content, const DiskCall& call) {
  if (call.kind == DiskCall::Kind::truncate) content.resize(call.position);
  else put(content, call.position, call.bytes);
}

void apply_torn(wire::Bytes& content, const DiskCall& call, std::mt19937_64& random) {
  if (call.kind == DiskCall::Kind::truncate) {
    if (random() % 2 == 0) content.resize(call.position);
    return;
  }
  const wire::ByteView bytes(call.bytes);
  for (uint64_t at = 0; at < bytes.size();) {
    const uint64_t position = call.position + at;
    const uint64_t size = std::min<uint64_t>(bytes.size() - at, sector_bytes - position % sector_bytes);
    if (random() % 2 == 0) put(content, position, bytes.subspan(at, size));
    at += size;
  }
}

struct File {
  wire::Bytes synced;
  std::vector<const DiskCall*> pending;
};

void change_name(std::map<std::string, uint64_t>& names, const DiskCall& call) {
  if (call.kind == DiskCall::Kind::create) names[call.name] = call.file;
  if (call.kind == DiskCall::Kind::remove) names.erase(call.name);
  if (call.kind == DiskCall::Kind::rename) {
    const auto moved = names.extract(call.name);
    if (moved && !call.to.empty()) names[call.to] = moved.mapped();
  }
}

wire::Bytes content_after_cut(const File& file, Unsynced unsynced, std::mt19937_64& random) {
  wire::Bytes content = file.synced;
  for (const DiskCall* call : file.pending) {
    if (unsynced == Unsynced::kept || (unsynced == Unsynced::some && random() % 2 == 0)) apply(content, *call);
    if (unsynced == Unsynced::torn) apply_torn(content, *call, random);
  }
  return content;
}

}  // namespace

void DiskRecorder::start(const std::string& folder) { Recording::the().start(folder); }
void DiskRecorder::mark(uint64_t value) { Recording::the().add({DiskCall::Kind::mark, 0, {}, {}, value, {}}); }
std::vector<DiskCall> DiskRecorder::stop() { return Recording::the().stop(); }

std::map<std::string, wire::Bytes> files_after_cut(const std::vector<DiskCall>& calls, size_t cut, Unsynced unsynced,
                                                   std::mt19937_64& random) {
  std::map<uint64_t, File> files;
  std::map<std::string, uint64_t> names;
  std::vector<const DiskCall*> pending_names;
  for (size_t at = 0; at < cut; ++at) {
    const DiskCall& call = calls[at];
    switch (call.kind) {
      case DiskCall::Kind::write:
      case DiskCall::Kind::truncate: files[call.file].pending.push_back(&call); break;
      case DiskCall::Kind::sync:
        for (const DiskCall* one : files[call.file].pending) apply(files[call.file].synced, *one);
        files[call.file].pending.clear();
        break;
      case DiskCall::Kind::sync_folder:
        for (const DiskCall* one : pending_names) change_name(names, *one);
        pending_names.clear();
        break;
      case DiskCall::Kind::create:
      case DiskCall::Kind::remove:
      case DiskCall::Kind::rename: pending_names.push_back(&call); break;
      case DiskCall::Kind::mark: break;
    }
  }
  size_t names_kept = unsynced == Unsynced::kept ? pending_names.size() : 0;
  if (unsynced == Unsynced::some || unsynced == Unsynced::torn) names_kept = random() % (pending_names.size() + 1);
  for (size_t at = 0; at < names_kept; ++at) change_name(names, *pending_names[at]);
  std::map<std::string, wire::Bytes> after;
  for (const auto& [name, file] : names) after[name] = content_after_cut(files[file], unsynced, random);
  return after;
}

}  // namespace joulespool::test

// ---- in front of the C library

using joulespool::test::next;
using joulespool::test::Recording;

extern "C" {

int open(const char* path, int flags, ...) {
  static const auto real = next<int (*)(const char*, int, ...)>("open");
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  const int descriptor = real(path, flags, mode);
  Recording::the().opened(descriptor, path, flags);
  return descriptor;
}

int open64(const char* path, int flags, ...) {
  static const auto real = next<int (*)(const char*, int, ...)>("open64");
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  const int descriptor = real(path, flags, mode);
  Recording::the().opened(descriptor, path, flags);
  return descriptor;
}

int close(int descriptor) {
  static const auto real = next<int (*)(int)>("close");
  Recording::the().closed(descriptor);
  return real(descriptor);
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  const off_t position = ::lseek(descriptor, 0, SEEK_CUR);
  const ssize_t written = real(descriptor, bytes, size);
  if (position >= 0) Recording::the().written(descriptor, bytes, written, static_cast<uint64_t>(position));
  return written;
}

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t position) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  const ssize_t written = real(descriptor, bytes, size, position);
  Recording::the().written(descriptor, bytes, written, static_cast<uint64_t>(position));
  return written;
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t position) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  const ssize_t written = real(descriptor, bytes, size, position);
  Recording::the().written(descriptor, bytes, written, static_cast<uint64_t>(position));
  return written;
}

int ftruncate(int descriptor, off_t size) noexcept {
  static const auto real = next<int (*)(int, off_t)>("ftruncate");
  Recording::the().truncated(descriptor, static_cast<uint64_t>(size));
  return real(descriptor, size);
}

int ftruncate64(int descriptor, off64_t size) noexcept {
  static const auto real = next<int (*)(int, off64_t)>("ftruncate64");
  Recording::the().truncated(descriptor, static_cast<uint64_t>(size));
  return real(descriptor, size);
}

int fsync(int descriptor) {
  static const auto real = next<int (*)(int)>("fsync");
  Recording::the().synced(descriptor);
  return real(descriptor);
}

int fdatasync(int descriptor) {
  static const auto real = next<int (*)(int)>("fdatasync");
  Recording::the().synced(descriptor);
  return real(descriptor);
}

int unlink(const char* path) noexcept {
  static const auto real = next<int (*)(const char*)>("unlink");
  const int done = real(path);
  if (done == 0) Recording::the().removed(path);
  return done;
}

int rename(const char* from, const char* to) noexcept {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  const int done = real(from, to);
  if (done == 0) Recording::the().renamed(from, to);
  return done;
}

}  // extern "C"
