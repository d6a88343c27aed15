// How the sources that compute their samples (simulation, recordings) hand them over: one thread, paced by a clock or by
// the sink, one buffer that is spoilt after every call.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/device/sample_source.h"

namespace joulespool::device {

// The memory behind one block; shared by all devices of a source and overwritten after each call, so that a sink that keeps
// a pointer is found out.
struct BlockBuffer {
  std::vector<float> i, v, p;
  std::vector<std::vector<std::byte>> packed;

  // Blocks of up to this many samples are put where the ones before were.
  void reserve(size_t samples);
  void spoil();
};

// What a device's samples are marked with during one run.
struct RunMarks {
  wire::TimeAxis axis;  // with life
  wire::UtcMap utc;
};

// How one device is delivered. Fixed over its life.
struct DeliveryPlan {
  wire::DeviceIdentity identity;
  wire::TimeAxis axis;                    // life is set for each run
  uint64_t life_seed = 0;                 // makes the life together with the origin and the id
  int64_t origin_utc_ns = 0;              // of sample_id 0; 0: at start
  uint64_t sample_id_limit = UINT64_MAX;  // `ended` is said there; a multiple of the decimation or 2^64-1
  uint32_t block_ms = 50;
  bool unpaced = false;  // begin at `resume`, follow wait_for_room(); else follow the clock, ignore `resume`
};

// One device: computes and hands over. Called from the delivery thread only.
class DeliveryTrack {
 public:
  virtual ~DeliveryTrack() = default;
  [[nodiscard]] virtual const DeliveryPlan& plan() const = 0;
  // A run begins at this sample: says `found`, unless the device is absent just then.
  virtual void begin(uint64_t sample_id, const RunMarks& marks, SampleSink& sink) = 0;
  // Hands over the samples with ids in [first, end), both multiples of the decimation, in one block or several.
  virtual void deliver(uint64_t first, uint64_t end, BlockBuffer& buffer, SampleSink& sink) = 0;
};

void say(SampleSink& sink, const std::string& device, SourceEvent::Kind kind, std::string text);

// start() and stop() from one thread at a time; a run can follow another.
class Delivery {
 public:
  // Both must outlive this.
  Delivery(Clock& clock, const std::vector<std::unique_ptr<DeliveryTrack>>& tracks) : clock_(clock), tracks_(tracks) {}
  ~Delivery() { stop(); }
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // Running already, or two devices of one name: usage. A device that ended while no run was on says the hole from its resume
  // point to its end (a gap `restart`), then `ended`.
  Status start(SampleSink& sink, const ResumePoints& resume);
  void stop();  // idempotent

 private:
  struct Run;
  void deliver_all(const std::stop_token& stop, std::vector<Run> runs, SampleSink& sink);
  bool deliver_unpaced(std::vector<Run>& runs, BlockBuffer& buffer, SampleSink& sink);
  Run make_run(DeliveryTrack& track, const ResumePoints& resume);

  Clock& clock_;
  const std::vector<std::unique_ptr<DeliveryTrack>>& tracks_;
  std::jthread thread_;
};

}  // namespace joulespool::device
