// A library with the functions of libjls that are used, which writes what it is told as lines of text. Built from what its
// interface promises; the real library checks the same things and answers with the same codes.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>

#include "agent/cli/jls_library.h"

namespace jls = joulespool::cli::jls;

struct jls::Writer {
  std::FILE* file;
  std::map<uint16_t, int64_t> next_sample;  // by signal
  bool has_source;
};

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED uint32_t jls_version_u32() {
#ifdef JLS_RECORDER_OLD
  return 6U << 16 | 2;
#else
  return 12U << 16 | 1;
#endif
}
EXPORTED const char* jls_error_code_name(int32_t code) { return code == 5 ? "PARAMETER_INVALID" : "IO"; }

EXPORTED int32_t jls_wr_open(jls::Writer** writer, const char* path) {
  std::FILE* file = std::fopen(path, "w");
  if (file == nullptr) return 4;
  *writer = new jls::Writer{file, {}, false};
  return 0;
}

EXPORTED int32_t jls_wr_close(jls::Writer* writer) {
  const bool is_written = std::fprintf(writer->file, "end\n") > 0 && std::fclose(writer->file) == 0;
  delete writer;
  return is_written ? 0 : 4;
}

EXPORTED int32_t jls_wr_source_def(jls::Writer* writer, const jls::SourceDefinition* source) {
  if (source->source_id == 0 || source->source_id > 255) return 5;
  writer->has_source = true;
  std::fprintf(writer->file, "source %u %s %s %s %s %s\n", source->source_id, source->name, source->vendor, source->model,
               source->version, source->serial_number);
  return 0;
}

EXPORTED int32_t jls_wr_signal_def(jls::Writer* writer, const jls::SignalDefinition* signal) {
  if (!writer->has_source || signal->signal_id == 0 || signal->data_type != 0x2004 || signal->sample_rate == 0) return 5;
  writer->next_sample[signal->signal_id] = -1;
  std::fprintf(writer->file, "signal %u of %u %s %s %u Hz\n", signal->signal_id, signal->source_id, signal->name, signal->units,
               signal->sample_rate);
  return 0;
}

EXPORTED int32_t jls_wr_fsr_f32(jls::Writer* writer, uint16_t signal_id, int64_t sample_id, const float* values, uint32_t count) {
  const auto signal = writer->next_sample.find(signal_id);
  if (signal == writer->next_sample.end() || (signal->second >= 0 && signal->second != sample_id)) return 5;
  signal->second = sample_id + count;
  // It looks at the byte behind the values.
  volatile uint8_t behind = reinterpret_cast<const uint8_t*>(values + count)[0];
  static_cast<void>(behind);
  std::fprintf(writer->file, "samples %u %lld", signal_id, static_cast<long long>(sample_id));
  for (uint32_t at = 0; at < count; ++at) std::fprintf(writer->file, " %.9g", static_cast<double>(values[at]));
  std::fprintf(writer->file, "\n");
  return 0;
}

EXPORTED int32_t jls_wr_utc(jls::Writer* writer, uint16_t signal_id, int64_t sample_id, int64_t utc) {
  if (!writer->next_sample.contains(signal_id)) return 5;
  std::fprintf(writer->file, "utc %u %lld %lld\n", signal_id, static_cast<long long>(sample_id), static_cast<long long>(utc));
  return 0;
}
