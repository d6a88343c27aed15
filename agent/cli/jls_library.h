// libjls, the library of Joulescope's file format, loaded at run time: no build needs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "agent/base/result.h"

namespace joulespool::cli {

// The part of the library's C interface that is used here, as of versions 0.7.0 and later.
namespace jls {

struct Writer;

struct SourceDefinition {
  uint16_t source_id = 0;  // from 1
  const char* name = "";
  const char* vendor = "";
  const char* model = "";
  const char* version = "";
  const char* serial_number = "";
};

struct SignalDefinition {
  uint16_t signal_id = 0;
  uint16_t source_id = 0;
  uint8_t signal_type = 0;  // 0: fixed sample rate
  uint16_t reserved = 0;
  uint32_t data_type = 0;
  uint32_t sample_rate = 0;       // Hz
  uint32_t samples_per_data = 0;  // 0 in this and the next five: the library's choice
  uint32_t sample_decimate_factor = 0;
  uint32_t entries_per_summary = 0;
  uint32_t summary_decimate_factor = 0;
  uint32_t annotation_decimate_factor = 0;
  uint32_t utc_decimate_factor = 0;
  int64_t sample_id_offset = 0;
  const char* name = "";
  const char* units = "";
};
static_assert(sizeof(void*) != 8 || (sizeof(SignalDefinition) == 64 && offsetof(SignalDefinition, sample_id_offset) == 40));

constexpr uint32_t data_type_float32 = 0x2004;
// Times count 2^-30 s since 2018-01-01T00:00:00Z.
constexpr int64_t utc_epoch_s = 1'514'764'800;
constexpr int utc_fraction_bits = 30;

// All return 0 or an error code.
using Open = int32_t (*)(Writer** writer, const char* path);
using Close = int32_t (*)(Writer* writer);
using DefineSource = int32_t (*)(Writer* writer, const SourceDefinition* source);
using DefineSignal = int32_t (*)(Writer* writer, const SignalDefinition* signal);
using WriteFloats = int32_t (*)(Writer* writer, uint16_t signal_id, int64_t sample_id, const float* values, uint32_t count);
using WriteUtc = int32_t (*)(Writer* writer, uint16_t signal_id, int64_t sample_id, int64_t utc);
using ErrorName = const char* (*)(int32_t code);

}  // namespace jls

struct JlsLibrary {
  jls::Open open = nullptr;
  jls::Close close = nullptr;
  jls::DefineSource define_source = nullptr;
  jls::DefineSignal define_signal = nullptr;
  jls::WriteFloats write_floats = nullptr;
  jls::WriteUtc write_utc = nullptr;
  jls::ErrorName error_name = nullptr;  // may be missing
  std::string version;                  // "0.12.1"
};

// `path`: empty for "libjls.so" where the system's loader finds it. Stays loaded until the process ends. Errors: unreachable (not
// there, not libjls, too old; with what to install).
Result<JlsLibrary> load_jls_library(const std::string& path);

// Nanoseconds since 1970 in the library's time.
int64_t jls_time(int64_t utc_ns);

}  // namespace joulespool::cli
