// One device's way from samples to frames: gaps, windows, waveform, numbering.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "agent/app/sample_ring.h"
#include "agent/app/wave_buffer.h"
#include "agent/codec/windows.h"
#include "agent/config/settings.h"
#include "agent/signal/gap_ledger.h"
#include "agent/signal/window_accumulator.h"
#include "agent/spool/spool.h"
#include "agent/wire/frame.h"

namespace joulespool::app {

using config::WaveMode;

struct PipelineSettings {
  std::string host;
  wire::DeviceIdentity device;
  std::string source;  // simulated, replay, joulescope
  std::string boot;    // id of this run of the agent
  uint64_t epoch = 0;
  int64_t window_us = 1000;
  WaveMode wave = WaveMode::off;
  size_t frame_size_max_bytes = wire::frame_size_max_default;
  std::vector<wire::Label> labels;
};

using NextSeqs = std::array<uint64_t, 3>;  // of lanes event, stat, wave

// What one cut gives the spool.
struct Cut {
  std::vector<spool::NewFrame> frames;
  std::optional<spool::DevicePosition> position;
};

struct HostTime {
  int64_t realtime_ns = 0;
  int64_t monotonic_ns = 0;
};

// One thread. Protocol: add ... add, cut(), then committed() or lost(), add ...
// A cut ends all lanes at the same sample, so that what a crash takes is the same for all of them.
class DevicePipeline {
 public:
  // `stored`: where an earlier run ended.
  DevicePipeline(PipelineSettings settings, const std::optional<spool::DevicePosition>& stored, const NextSeqs& next_seqs);

  void add(const OwnedBlock& block);
  void add(const device::SourceEvent& event);
  void add(const Overrun& overrun) { ledger_.on_overrun(overrun.sample_id_first, overrun.sample_id_end); }
  // Something for lane event: a gap that was found elsewhere, say.
  void record(wire::Event event);
  // Nothing more comes in this run: the next cut takes everything, and says so.
  void end(const std::string& reason);

  // Frames for all complete windows, their samples and the events recorded. Without samples: for the events only.
  Cut cut(const HostTime& now, bool with_samples = true);
  // Adds frames for events recorded since cut() to that cut.
  void cut_events(const HostTime& now, Cut& cut);
  // The last cut is stored. Gives its events, for whoever wants to tell people.
  std::vector<wire::Event> committed();
  // The last cut could not be stored: its samples become a gap, its numbers are used again. Gap records of single lanes are
  // forgotten: the frames they are about did not leave either.
  void lost(wire::GapReason reason, const std::string& detail);

  [[nodiscard]] size_t pending_samples() const { return pending_samples_; }
  [[nodiscard]] const wire::Totals& totals() const { return totals_; }
  [[nodiscard]] const wire::DeviceIdentity& device() const { return settings_.device; }
  [[nodiscard]] const wire::TimeAxis& axis() const { return axis_; }
  [[nodiscard]] uint64_t sample_id_end() const { return ledger_.sample_id_end(); }
  [[nodiscard]] const std::string& source() const { return settings_.source; }
  [[nodiscard]] const std::string& state() const { return state_; }  // waiting, streaming, lost, ended
  // Mean power over the last cut that had samples, W.
  [[nodiscard]] double power_w() const { return power_w_; }

 private:
  // Windows and samples of one axis.
  struct Segment {
    wire::TimeAxis axis;
    wire::UtcMap utc;
    std::vector<wire::Window> windows;
    IntervalSet samples;  // whose windows are not cut yet
    WaveBuffer wave;
  };
  struct InFlight {
    NextSeqs seqs{};
    wire::Totals totals;
    std::vector<wire::Event> events;
    std::vector<wire::Gap> samples;  // what becomes of the cut's samples if it is lost
  };

  void begin_axis(const OwnedBlock& block);
  void add_windows(const OwnedBlock& block, size_t skip);
  void cut_segment(Segment& segment, uint64_t end, const HostTime& now, Cut& cut);
  void cut_windows(const Segment& segment, std::span<const wire::Window> windows, const HostTime& now, Cut& cut);
  void add_frame(wire::FrameHeader header, wire::ByteView payload, spool::FrameState state, Cut& cut);
  [[nodiscard]] wire::FrameHeader header(wire::Lane lane, const wire::TimeAxis& axis, const wire::UtcMap& utc,
                                         const HostTime& now) const;
  void note_lost_if(const Segment& segment, uint64_t end);
  [[nodiscard]] std::vector<wire::Event> take_events();
  [[nodiscard]] size_t payload_bytes_max() const;
  [[nodiscard]] uint64_t first_uncut() const { return windows_.open() ? windows_.open_first() : ledger_.sample_id_end(); }

  PipelineSettings settings_;
  NextSeqs next_seqs_;
  signal::GapLedger ledger_;
  signal::WindowAccumulator windows_{1};
  wire::TimeAxis axis_;
  wire::UtcMap utc_;
  std::vector<Segment> segments_;
  std::vector<wire::Event> events_;
  wire::Totals totals_;
  InFlight in_flight_;
  codec::WindowEncoder window_encoder_;
  std::vector<float> power_;  // of the block at hand
  size_t pending_samples_ = 0;
  bool started_ = false;
  std::string state_ = "waiting";
  double power_w_ = 0;
};

}  // namespace joulespool::app
