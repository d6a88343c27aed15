#include "cloud-bridge/app/run_bridge.h"

#include <random>

#include "agent/base/log.h"
#include "agent/mqtt/paho_bus.h"
#include "cloud-bridge/sink/kinesis_sink.h"

namespace joulespool::bridge {
namespace {

// A stream becomes active within half a minute; an emulator may be started after us.
constexpr int stream_timeout_ms = 120'000;

static_assert(batch::BatchLimits().request_records == sink::records_per_request_max);
static_assert(batch::BatchLimits().request_bytes == sink::request_bytes_max);
static_assert(batch::BatchLimits().record_bytes == sink::record_bytes_max);

uint64_t random_seed() {
  std::random_device random;
  return (static_cast<uint64_t>(random()) << 32) | random();
}

}  // namespace

BridgeSetup make_setup(const BridgeSettings& settings) {
  BridgeSetup setup;
  setup.id = settings.id;
  setup.bus = settings.bus;
  setup.workers = settings.workers;
  setup.inbox_bytes = settings.memory_max_bytes / 4;
  setup.pipeline.parts = settings.parts;
  setup.pipeline.batch.held_bytes = settings.memory_max_bytes - setup.inbox_bytes;
  setup.pipeline.dead_letter_folder = settings.dead_letter_folder;
  setup.pipeline.dead_letters = settings.dead_letters;
  return setup;
}

Status run_bridge(const BridgeSettings& settings, Clock& clock, const std::stop_token& stop) {
  if (settings.create_stream) {
    log_event(LogLevel::info, "stream_awaited", {{"stream", settings.kinesis.stream}, {"timeout_ms", stream_timeout_ms}});
    const Status ready = sink::ensure_stream(settings.kinesis, settings.shards, stream_timeout_ms, clock, stop);
    if (!ready && ready.error().code == Errc::cancelled) return {};
    if (!ready) return ready.error();
  }
  const auto make_sink = [&] { return sink::make_kinesis_sink(settings.kinesis, clock); };
  Bridge bridge(make_setup(settings), mqtt::make_paho_bus, make_sink, clock, random_seed());
  return bridge.run(stop);
}

}  // namespace joulespool::bridge
