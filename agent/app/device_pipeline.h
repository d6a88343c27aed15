// One device's way from samples to frames: gaps, windows, waveform, numbering.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/app/coarsening.h"
#include "agent/app/device_condition.h"
#include "agent/app/device_status.h"
#include "agent/app/pipeline_settings.h"
#include "agent/app/sample_ring.h"
#include "agent/app/wave_buffer.h"
#include "agent/base/interval_set.h"
#include "agent/codec/windows.h"
#include "agent/signal/clock_watch.h"
#include "agent/signal/cross_check.h"
#include "agent/signal/gap_ledger.h"
#include "agent/signal/window_accumulator.h"
#include "agent/spool/spool.h"

namespace joulespool::app {

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
// A cut ends all lanes at the same sample, so that what a crash takes is the same for all of them. Where the waveform gets a
// lower rate, that is as far behind the newest sample as its filter reaches.
class DevicePipeline {
 public:
  // `stored`: where an earlier run ended.
  DevicePipeline(PipelineSettings settings, const std::optional<spool::DevicePosition>& stored, const NextSeqs& next_seqs);

  void add(const OwnedBlock& block);
  // Is it news for people? Trouble of a device without an axis has no frame yet to stand in: whoever adds it tells people at
  // once, and committed() does not give it later.
  bool add(const device::SourceEvent& event);
  void add(const Overrun& overrun);
  // Something for lane event: a gap that was found elsewhere, say.
  void record(wire::Event event);
  // Nothing more comes in this run: the next cut takes everything, and says so.
  void end(const std::string& reason);

  // Frames for all complete windows, their samples and the events recorded. Without samples: for the events only.
  Cut cut(const HostTime& now, bool with_samples = true);
  // Adds frames to the last cut: at `level`, in the place of others that leave with the same commit (lost() keeps those).
  void add_merged(std::vector<CoarseFrame> frames, uint8_t level, const HostTime& now, Cut& cut);
  // Adds frames for events recorded since cut() to that cut.
  void cut_events(const HostTime& now, Cut& cut);
  // The last cut is stored. Gives its events, for whoever wants to tell people (except those that were told before).
  std::vector<wire::Event> committed();
  // The last cut could not be stored: its samples become a gap, its numbers are used again. Gap records of single lanes are
  // forgotten: the frames they are about did not leave either.
  void lost(wire::GapReason reason, const std::string& detail);

  [[nodiscard]] size_t pending_samples() const { return pending_samples_; }  // since the last cut
  [[nodiscard]] const wire::DeviceIdentity& device() const { return settings_.device; }
  [[nodiscard]] CoarseningSettings coarsening() const { return {settings_.frame_size_max_bytes, settings_.window_us}; }
  // Is its counter known? Without it no frame can be made.
  [[nodiscard]] bool has_axis() const { return axis_.counter_rate_hz != 0; }
  [[nodiscard]] const wire::Totals& totals() const { return totals_; }
  [[nodiscard]] const std::string& source() const { return settings_.source; }
  // A device known from earlier runs has come back: this source has it now.
  void set_source(const std::string& source) { settings_.source = source; }
  [[nodiscard]] DeviceStatus status() const;

 private:
  // Windows and samples of one axis.
  struct Segment {
    wire::TimeAxis axis;
    wire::UtcMap utc;
    WaveBuffer wave;
    std::vector<wire::Window> windows = {};  // complete, and not cut yet
    IntervalSet samples = {};                // whose windows are not cut yet
  };
  struct Recorded {
    wire::Event event;
    bool told = false;  // to people, already
  };
  // An axis that is over, while events of its time wait: they go into frames of their own.
  struct EndedAxis {
    wire::TimeAxis axis;
    wire::UtcMap utc;
    uint64_t sample_id_end = 0;
  };
  struct InFlight {
    NextSeqs seqs{};
    wire::Totals totals;
    std::vector<Recorded> events;
    std::vector<EndedAxis> ended_axes;
    std::vector<wire::Gap> samples;  // what becomes of the cut's samples if it is lost
  };

  void begin_axis(const OwnedBlock& block);
  [[nodiscard]] Segment segment_of(const wire::UtcMap& utc) const;
  void add_windows(const OwnedBlock& block, size_t skip);
  void record(Recorded recorded);
  void record_disagreement(const signal::Disagreement& found);
  void note(const char* kind, const std::string& detail, bool told = false);
  void cut_segment(Segment& segment, uint64_t end, const HostTime& now, Cut& cut);
  void cut_windows(const Segment& segment, std::span<const wire::Window> windows, const HostTime& now, Cut& cut);
  void add_frame(wire::FrameHeader header, wire::ByteView payload, spool::FrameState state, Cut& cut, uint8_t level = 0);
  [[nodiscard]] wire::FrameHeader header(wire::Lane lane, const wire::TimeAxis& axis, const wire::UtcMap& utc,
                                         const HostTime& now) const;
  void note_live(std::span<const wire::Window> windows);
  void note_lost_if(const Segment& segment, uint64_t end);
  [[nodiscard]] std::vector<Recorded> take_events();
  void cut_event_frame(std::span<const Recorded> events, const EndedAxis& of, const HostTime& now, Cut& cut);
  [[nodiscard]] size_t empty_frame_bytes() const;
  [[nodiscard]] size_t payload_bytes_max() const { return settings_.frame_size_max_bytes - empty_frame_bytes(); }
  [[nodiscard]] uint64_t cut_end() const;
  [[nodiscard]] std::optional<uint64_t> first_waiting() const;

  PipelineSettings settings_;
  NextSeqs next_seqs_;
  signal::GapLedger ledger_;
  signal::WindowAccumulator windows_{1};
  wire::TimeAxis axis_;
  wire::UtcMap utc_;
  std::vector<Segment> segments_;
  std::vector<Recorded> events_;
  std::vector<EndedAxis> ended_axes_;
  wire::Totals totals_;
  InFlight in_flight_;
  codec::WindowEncoder window_encoder_;
  ByteBudget wave_budget_;
  size_t pending_samples_ = 0;
  bool started_ = false;
  bool ended_ = false;
  DeviceCondition condition_;
  signal::ClockWatch clock_watch_;
  signal::CrossCheck cross_check_;
  wire::Window live_;  // of the last cut that had samples
  std::map<wire::GapReason, GapCount> gaps_;
};

}  // namespace joulespool::app
