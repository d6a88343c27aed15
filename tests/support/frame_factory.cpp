#include "tests/support/frame_factory.h"

#include <algorithm>
#include <cassert>
#include <map>

#include "agent/base/interval_set.h"

namespace joulespool::test {

using wire::Lane;

wire::Window window_of(uint64_t sample_id, uint32_t decimation, std::span<const float> i, std::span<const float> v,
                       std::span<const float> p) {
  wire::Window window;
  window.sample_id_first = sample_id;
  window.sample_id_end = sample_id + i.size() * decimation;
  window.count = i.size();
  for (size_t k = 0; k < i.size(); ++k) {
    const float power = p.empty() ? codec::product(i[k], v[k]) : p[k];
    const auto [iu, i_ok] = wire::to_units(i[k]);
    const auto [vu, v_ok] = wire::to_units(v[k]);
    const auto [pu, p_ok] = wire::to_units(power);
    if (!i_ok || !v_ok || !p_ok) continue;
    wire::Window one;
    one.sample_id_first = sample_id;
    one.sample_id_end = window.sample_id_end;
    one.count = one.valid = 1;
    one.i_sum = iu;
    one.v_sum = vu;
    one.p_sum = pu;
    one.i2_sum = int128{iu} * iu;
    one.v2_sum = int128{vu} * vu;
    one.i_min = one.i_max = i[k];
    one.v_min = one.v_max = v[k];
    one.p_min = one.p_max = power;
    window.merge(one);
    --window.count;  // it was counted above
  }
  return window;
}

wire::Window flat_window(uint64_t first, uint64_t end, uint64_t count) {
  const std::vector<float> i(count, 1.0F);
  const std::vector<float> v(count, 2.0F);
  wire::Window window = window_of(first, 1, i, v);
  window.sample_id_end = end;
  return window;
}

FrameFactory::FrameFactory(const std::string& device, uint64_t epoch, uint64_t axis) {
  header.host = "bench";
  header.device = {device, device.substr(0, device.find('-')), "1"};
  header.epoch = epoch;
  header.axis = {axis, 2'000'000, 2};
  header.utc = {0, 1'767'225'600'000'000'000, 2e6, wire::UtcQuality::host};
}

wire::Bytes FrameFactory::finish(Lane lane, wire::ByteView payload) {
  header.lane = lane;
  header.codec = codec != 0 ? codec : lane == Lane::event ? wire::event_codec : codec::codec_2;
  header.seq = next_seq(lane)++;
  wire::FrameHeader made = header;
  if (lane != Lane::wave && made.replaces.empty()) made.kept.reset();
  return wire::write_frame(made, payload);
}

wire::Bytes FrameFactory::wave(uint64_t sample_id, std::span<const float> i, std::span<const float> v, std::span<const float> p,
                               std::span<const codec::PackedSignal> packed) {
  const wire::Window all = window_of(sample_id, header.axis.decimation, i, v, p);
  header.sample_id_first = sample_id;
  header.sample_id_end = sample_id + i.size() * header.axis.decimation;
  header.samples = all.count;
  header.valid = all.valid;
  header.i_sum = all.i_sum;
  header.p_sum = all.p_sum;
  if (!header.keeps_all()) return finish(Lane::wave, encode_kept(i, v, p, packed));
  return finish(Lane::wave, samples_.encode({i, v, p, packed}));
}

// The windows' numbers are those of the header, which is complete.
wire::ByteView FrameFactory::encode_kept(std::span<const float> i, std::span<const float> v, std::span<const float> p,
                                         std::span<const codec::PackedSignal> packed) {
  std::vector<wire::Window> windows;
  for (uint64_t at = 0; at < i.size();) {
    const uint64_t sample_id = header.sample_id_first + at * header.axis.decimation;
    const uint64_t border = (sample_id / header.kept->window_ticks + 1) * header.kept->window_ticks;
    const uint64_t left = (border - sample_id + header.axis.decimation - 1) / header.axis.decimation;
    const size_t count = std::min<uint64_t>(i.size() - at, left);
    windows.push_back(window_of(sample_id, header.axis.decimation, i.subspan(at, count), v.subspan(at, count),
                                p.empty() ? p : p.subspan(at, count)));
    at += count;
  }
  const wire::KeptSamples kept = wire::kept_samples(header);
  std::vector<float> kept_i, kept_v;
  for (uint64_t k = 0; k < kept.count; ++k) {
    const uint64_t at = (kept.sample_id_first + k * kept.decimation - header.sample_id_first) / header.axis.decimation;
    kept_i.push_back(i[at]);
    kept_v.push_back(v[at]);
  }
  return samples_.encode({kept_i, kept_v, {}, packed, windows_.encode(windows, header.sample_id_first)});
}

wire::Bytes FrameFactory::stat(std::span<const wire::Window> windows) {
  assert(!windows.empty());
  wire::Window all;
  for (const wire::Window& window : windows) all.merge(window);
  header.sample_id_first = all.sample_id_first;
  header.sample_id_end = all.sample_id_end;
  header.samples = all.count;
  header.valid = all.valid;
  header.i_sum = all.i_sum;
  header.p_sum = all.p_sum;
  return finish(Lane::stat, windows_.encode(windows, header.sample_id_first));
}

wire::Bytes FrameFactory::merged(std::span<const wire::Bytes> frames, uint64_t window_ticks) {
  std::map<uint64_t, wire::Window> longer;  // by number
  std::map<uint64_t, IntervalSet> seqs;     // by epoch
  for (const wire::Bytes& bytes : frames) {
    const auto read = wire::read_frame(bytes);
    const auto& [old, payload] = std::get<wire::Frame>(read);
    seqs[old.epoch].insert(old.seq, old.seq + 1);
    for (const auto& [epoch, range] : old.replaces) seqs[epoch].insert(range.first, range.last + 1);
    const auto windows = codec::decode_windows(payload, old.codec, old.sample_id_first);
    for (const wire::Window& window : *windows) longer[window.sample_id_first / window_ticks].merge(window);
  }
  std::vector<wire::Window> windows;
  for (const auto& [number, window] : longer) windows.push_back(window);
  const wire::FrameHeader ordinary = header;
  header.kept = wire::Resolution{0, window_ticks, 0, false};
  for (const auto& [epoch, numbers] : seqs)
    for (const auto& range : numbers.intervals()) header.replaces.push_back({epoch, {range.first, range.end - 1}});
  wire::Bytes frame = stat(windows);
  header.kept = ordinary.kept;
  header.replaces = ordinary.replaces;
  return frame;
}

wire::Bytes FrameFactory::event(const std::vector<wire::Event>& events, uint64_t sample_id) {
  header.sample_id_first = header.sample_id_end = sample_id;
  header.samples = header.valid = 0;
  header.i_sum = header.p_sum = 0;
  return finish(Lane::event, wire::write_events(events));
}

wire::Bytes FrameFactory::flat_wave(uint64_t first, uint64_t count) {
  return wave(first, std::vector<float>(count, 1.0F), std::vector<float>(count, 2.0F));
}

wire::Bytes FrameFactory::flat_stat(uint64_t first, uint64_t end) {
  std::vector<wire::Window> windows;
  for (uint64_t at = first; at < end;) {
    const uint64_t next = std::min(end, (at / 2000 + 1) * 2000);
    windows.push_back(flat_window(at, next, (next - at) / header.axis.decimation));
    at = next;
  }
  return stat(windows);
}

wire::Bytes FrameFactory::started(uint64_t sample_id, bool wave_made, bool wave_uploaded) {
  wire::Started started{"0.1.0", "boot", header.axis.life, sample_id, {}, "simulated", 2000};
  started.lanes = {{Lane::event, next_seq(Lane::event), true}, {Lane::stat, next_seq(Lane::stat), true}};
  if (wave_made) started.lanes.push_back({Lane::wave, next_seq(Lane::wave), wave_uploaded});
  return event({started}, sample_id);
}

wire::Bytes FrameFactory::stopped(uint64_t sample_id_end) {
  return event({wire::Stopped{"asked to", sample_id_end, {}}}, sample_id_end);
}

wire::Bytes FrameFactory::gap(uint64_t first, uint64_t end, wire::GapReason reason) {
  wire::Gap gap;
  gap.reason = reason;
  gap.axis = header.axis.life;
  gap.sample_id_first = first;
  gap.sample_id_end = end;
  gap.samples_lost = (end - first) / header.axis.decimation;
  return event({gap}, end);
}

sink::StoredRecord as_record(wire::Bytes bytes, int64_t arrival_utc_ns) {
  sink::StoredRecord record;
  const auto frame = wire::read_frame(bytes);
  const auto* good = std::get_if<wire::Frame>(&frame);
  record.partition_key = good != nullptr ? good->header.device.id : "?";
  record.arrival_utc_ns = arrival_utc_ns;
  record.data = std::move(bytes);
  return record;
}

}  // namespace joulespool::test
