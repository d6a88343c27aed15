#include "agent/cli/sample_parts.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>

#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

constexpr int64_t time_interval_ns = ns_per_s;  // between the times that a writer gets
constexpr size_t fill_chunk = 4096;

std::string part_name(const wire::FrameHeader& header, uint64_t number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "-%06llu", static_cast<unsigned long long>(number));
  return header.device.id + "-" + hex_id(header.axis.life) + text.data();
}

nlohmann::json time_json(const std::optional<PartTime>& time) {
  if (!time) return nullptr;
  return {{"index", time->index}, {"sample_id", time->sample_id}, {"utc_ns", time->utc_ns}};
}

nlohmann::json describe(const SampleRows& rows, const std::string& format) {
  const wire::FrameHeader& header = rows.header;
  return {{"format", format},
          {"version", 1},
          {"host", header.host},
          {"device", {{"id", header.device.id}, {"model", header.device.model}, {"serial", header.device.serial}}},
          {"axis", hex_id(header.axis.life)},
          {"counter_rate_hz", header.axis.counter_rate_hz},
          {"step_ticks", rows.step},
          {"decimation", header.axis.decimation},
          {"sample_rate_hz", rows.rate_hz()},
          {"sample_id_first", rows.sample_id_first},
          {"utc_quality", to_string(header.utc.quality)},
          {"gaps", nlohmann::json::array()},
          {"labels", nlohmann::json::array()}};
}

}  // namespace

SampleParts::~SampleParts() {
  // An export that failed: the writer closes its files before their directory goes.
  if (part_) static_cast<void>(writer_->end());
}

Status SampleParts::take(const WindowRows&) {
  return Error{Errc::usage, writer_->format() + " holds samples: windows can be exported as csv or columns"};
}

Status SampleParts::take(const SampleRows& rows) {
  if (rows.i.empty()) return {};
  if (!goes_on(rows)) {
    if (Status status = end(); !status) return status;
    if (Status status = begin(rows); !status) return status;
  }
  if (Status status = fill_gap(rows); !status) return status;
  note_labels(rows.header);
  if (Status status = note_time(rows); !status) return status;
  part_->samples += rows.i.size();
  return writer_->add(rows.i, rows.v, rows.p);
}

bool SampleParts::goes_on(const SampleRows& rows) const {
  if (!part_) return false;
  const PartStart& start = part_->start;
  const uint64_t expected = start.sample_id_first + part_->samples * start.step;
  if (start.device != rows.header.device || start.axis != rows.header.axis.life || start.step != rows.step ||
      start.counter_rate_hz != rows.header.axis.counter_rate_hz || rows.sample_id_first < expected)
    return false;
  const uint64_t missing_ticks = rows.sample_id_first - expected;
  return missing_ticks % start.step == 0 && static_cast<double>(missing_ticks) <= gap_filled_s * start.counter_rate_hz &&
         part_->description["gaps"].size() < listed_max && part_->description["labels"].size() < listed_max;
}

Status SampleParts::begin(const SampleRows& rows) {
  part_.emplace();
  part_->name = part_name(rows.header, ++parts_);
  part_->start = {*directory_ / part_->name, rows.header.device, rows.header.axis.life,
                  rows.sample_id_first,      rows.step,          rows.header.axis.counter_rate_hz};
  part_->description = describe(rows, "joulespool-" + writer_->format());
  if (Status status = writer_->begin(part_->start); !status) {
    part_.reset();
    return status;
  }
  return {};
}

Status SampleParts::fill_gap(const SampleRows& rows) {
  static const std::array<float, fill_chunk> missing = [] {
    std::array<float, fill_chunk> values{};
    values.fill(std::numeric_limits<float>::quiet_NaN());
    return values;
  }();
  const uint64_t expected = part_->start.sample_id_first + part_->samples * rows.step;
  if (rows.sample_id_first == expected) return {};
  uint64_t left = (rows.sample_id_first - expected) / rows.step;
  part_->description["gaps"].push_back(
      {{"index", part_->samples}, {"samples", left}, {"sample_id_first", expected}, {"sample_id_end", rows.sample_id_first}});
  part_->samples += left;
  while (left > 0) {
    const std::span<const float> chunk(missing.data(), std::min<uint64_t>(left, fill_chunk));
    if (Status status = writer_->add(chunk, chunk, chunk); !status) return status;
    left -= chunk.size();
  }
  return {};
}

void SampleParts::note_labels(const wire::FrameHeader& header) {
  nlohmann::json& listed = part_->description["labels"];
  if (!listed.empty() && part_->labels == header.labels) return;
  part_->labels = header.labels;
  nlohmann::json labels = nlohmann::json::array();
  for (const wire::Label& label : header.labels) labels.push_back({{"key", label.key}, {"value", label.value}});
  listed.push_back({{"index", part_->samples}, {"labels", labels}});
}

// Each frame has a map of its own: the first of them counts for the first sample, the last one for the last sample.
Status SampleParts::note_time(const SampleRows& rows) {
  if (rows.header.utc.quality == wire::UtcQuality::unknown) return {};
  const PartTime first{part_->samples, rows.sample_id_first, rows.header.utc.utc_ns_at(rows.sample_id_first)};
  const uint64_t last_id = rows.sample_id(rows.i.size() - 1);
  part_->last_time = {part_->samples + rows.i.size() - 1, last_id, rows.header.utc.utc_ns_at(last_id)};
  if (part_->first_time && first.utc_ns - part_->told_utc_ns < time_interval_ns) return {};
  if (!part_->first_time) part_->first_time = first;
  part_->told_utc_ns = first.utc_ns;
  return writer_->add_time(first);
}

Status SampleParts::end() {
  if (!part_) return {};
  const bool has_later = part_->last_time && part_->last_time->utc_ns > part_->told_utc_ns;
  if (has_later)
    if (Status status = writer_->add_time(*part_->last_time); !status) return status;
  Part part = std::move(*part_);
  part_.reset();
  auto files = writer_->end();
  if (!files) return files.error();
  part.description["files"] = std::move(*files);
  part.description["samples"] = part.samples;
  part.description["first"] = time_json(part.first_time);
  part.description["last"] = time_json(part.last_time);
  auto file = OutputFile::create_in_place(*directory_ / (part.name + ".json"));
  if (!file) return file.error();
  const std::string text = part.description.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (Status status = (*file)->write(text); !status) return status;
  return (*file)->finish();
}

Status SampleParts::finish() {
  if (Status status = end(); !status) return status;
  return directory_->finish();
}

}  // namespace joulespool::cli
