#include "agent/device/delivery.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "agent/base/int128.h"
#include "agent/device/tick_hash.h"

namespace joulespool::device {
namespace {

// How long a device that follows the sink asks it for room before stop() and the others get a chance.
constexpr std::chrono::milliseconds room_wait{10};

int64_t ticks_to_ns(uint64_t ticks, uint32_t rate_hz) {
  return static_cast<int64_t>((static_cast<int128>(ticks) * ns_per_s + rate_hz - 1) / rate_hz);
}

uint64_t ns_to_ticks(int64_t ns, uint32_t rate_hz) {
  return ns <= 0 ? 0 : static_cast<uint64_t>(static_cast<int128>(ns) * rate_hz / ns_per_s);
}

uint64_t round_up(uint64_t tick, uint32_t decimation) {
  const uint64_t rest = tick % decimation;
  return rest == 0 ? tick : tick + (decimation - rest);
}

uint64_t block_ticks(const DeliveryPlan& plan) {
  const uint64_t ticks = uint64_t{plan.block_ms} * plan.axis.counter_rate_hz / 1000;
  return std::max<uint64_t>(ticks - ticks % plan.axis.decimation, plan.axis.decimation);
}

}  // namespace

void BlockBuffer::reserve(size_t samples) {
  for (std::vector<float>* column : {&i, &v, &p}) column->reserve(samples);
}

void BlockBuffer::spoil() {
  constexpr int pattern = 0xA5;
  for (std::vector<float>* column : {&i, &v, &p})
    if (!column->empty()) std::memset(column->data(), pattern, column->size() * sizeof(float));
  for (auto& run : packed) std::fill(run.begin(), run.end(), std::byte{pattern});
}

void say(SampleSink& sink, const std::string& device, SourceEvent::Kind kind, std::string text) {
  SourceEvent event;
  event.kind = kind;
  event.text = std::move(text);
  sink.on_event(device, event);
}

// One device during one run.
struct Delivery::Run {
  DeliveryTrack* track = nullptr;
  RunMarks marks;
  uint64_t next = 0;                 // sample_id
  uint64_t stored_end = UINT64_MAX;  // where an earlier run of the agent ended in this life; none: nowhere
  uint64_t block_ticks = 0;
  int64_t mono_origin_ns = 0;  // of sample_id 0 on the monotonic clock; may be before its start
  bool begun = false;
  bool ended = false;

  [[nodiscard]] bool unpaced() const { return track->plan().unpaced; }
  [[nodiscard]] uint64_t block_end() const {
    return std::min((next / block_ticks + 1) * block_ticks, track->plan().sample_id_limit);
  }
  // When what comes next has happened in the device's time: the begin, then the end of each block.
  [[nodiscard]] int64_t due_ns() const {
    const uint64_t tick = begun && next < track->plan().sample_id_limit ? block_end() : next;
    return mono_origin_ns + ticks_to_ns(tick, marks.axis.counter_rate_hz);
  }
  [[nodiscard]] size_t samples() const { return static_cast<size_t>((block_end() - next) / marks.axis.decimation); }
  void advance(BlockBuffer& buffer, SampleSink& sink);
  void say_missed(SampleSink& sink) const;
};

// It ended while nobody listened: no block will come that could show the hole.
void Delivery::Run::say_missed(SampleSink& sink) const {
  const uint64_t limit = track->plan().sample_id_limit;
  if (begun || stored_end >= limit) return;
  SourceEvent event;
  event.kind = SourceEvent::Kind::gap;
  event.gap.reason = wire::GapReason::restart;
  event.gap.axis = marks.axis.life;
  event.gap.sample_id_first = stored_end;
  event.gap.sample_id_end = limit;
  sink.on_event(track->plan().identity.id, event);
}

// One step: begin, a block, or the end.
void Delivery::Run::advance(BlockBuffer& buffer, SampleSink& sink) {
  const DeliveryPlan& plan = track->plan();
  if (next >= plan.sample_id_limit) {
    ended = true;
    say_missed(sink);
    const std::string at = "sample_id " + std::to_string(plan.sample_id_limit);
    say(sink, plan.identity.id, SourceEvent::Kind::ended, (begun ? "ended at " : "was over before the start, at ") + at);
  } else if (!begun) {
    begun = true;
    track->begin(next, marks, sink);
  } else {
    const uint64_t end = block_end();
    track->deliver(next, end, buffer, sink);
    next = end;
  }
}

Delivery::Run Delivery::make_run(DeliveryTrack& track, const ResumePoints& resume) {
  const DeliveryPlan& plan = track.plan();
  const int64_t now_ns = clock_.realtime_ns();
  const uint32_t rate = plan.axis.counter_rate_hz;
  Run run;
  run.track = &track;
  run.block_ticks = block_ticks(plan);
  const auto stored = resume.find(plan.identity.id);
  if (plan.unpaced && stored != resume.end()) run.next = round_up(stored->second.sample_id_end, plan.axis.decimation);
  // Without a fixed origin a paced device begins a new life now; an unpaced one goes on with its only one.
  const int64_t origin_ns =
      plan.origin_utc_ns != 0 ? plan.origin_utc_ns : now_ns - (plan.unpaced ? ticks_to_ns(run.next, rate) : 0);
  run.mono_origin_ns = clock_.monotonic_ns() - (now_ns - origin_ns);
  if (!plan.unpaced) run.next = round_up(ns_to_ticks(now_ns - origin_ns, rate), plan.axis.decimation);
  run.marks.axis = plan.axis;
  run.marks.axis.life = life_of(plan.life_seed, plan.unpaced ? plan.origin_utc_ns : origin_ns, plan.identity.id);
  if (stored != resume.end() && stored->second.axis.life == run.marks.axis.life) run.stored_end = stored->second.sample_id_end;
  run.marks.utc = {0, origin_ns, static_cast<double>(rate), wire::UtcQuality::host};
  return run;
}

Status Delivery::start(SampleSink& sink, const ResumePoints& resume) {
  if (thread_.joinable()) return Error{Errc::usage, "the source is running already"};
  std::set<std::string> names;
  std::vector<Run> runs;
  for (const auto& track : tracks_) {
    if (!names.insert(track->plan().identity.id).second)
      return Error{Errc::usage,
                   "device " + track->plan().identity.id + " is given twice: each needs a model and serial of its own"};
    runs.push_back(make_run(*track, resume));
  }
  thread_ = std::jthread([this, &sink, runs = std::move(runs)](const std::stop_token& stop) { deliver_all(stop, runs, sink); });
  return {};
}

void Delivery::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

// One step for each device that follows the sink and has room there. False: none has.
bool Delivery::deliver_unpaced(std::vector<Run>& runs, BlockBuffer& buffer, SampleSink& sink) {
  bool progressed = false;
  for (Run& run : runs) {
    if (run.ended || !run.unpaced()) continue;
    const bool is_block = run.begun && run.next < run.track->plan().sample_id_limit;
    if (is_block && !sink.wait_for_room(run.track->plan().identity.id, run.samples(), std::chrono::milliseconds{0})) continue;
    run.advance(buffer, sink);
    progressed = true;
  }
  return progressed;
}

void Delivery::deliver_all(const std::stop_token& stop, std::vector<Run> runs, SampleSink& sink) {
  BlockBuffer buffer;
  size_t samples_max = 0;
  for (const Run& run : runs) samples_max = std::max<size_t>(samples_max, run.block_ticks / run.marks.axis.decimation);
  buffer.reserve(samples_max);
  const auto is_active = [](const Run& run) { return !run.ended; };
  const auto earlier = [](const Run& a, const Run& b) {  // paced before unpaced, ended last
    const auto key = [](const Run& run) { return run.ended ? 2 : run.unpaced() ? 1 : 0; };
    return key(a) != key(b) ? key(a) < key(b) : key(a) == 0 && a.due_ns() < b.due_ns();
  };
  while (!stop.stop_requested() && std::any_of(runs.begin(), runs.end(), is_active)) {
    Run& first = *std::min_element(runs.begin(), runs.end(), earlier);
    const auto unpaced = std::find_if(runs.begin(), runs.end(), [](const Run& run) { return !run.ended && run.unpaced(); });
    const bool progressed = deliver_unpaced(runs, buffer, sink);
    if (!first.unpaced() && !first.ended) {
      const bool due = unpaced == runs.end() ? clock_.wait_until(first.due_ns(), stop) : clock_.monotonic_ns() >= first.due_ns();
      if (due) first.advance(buffer, sink);
    }
    if (!progressed && unpaced != runs.end())  // the next round asks again
      static_cast<void>(sink.wait_for_room(unpaced->track->plan().identity.id, unpaced->samples(), room_wait));
  }
}

}  // namespace joulespool::device
