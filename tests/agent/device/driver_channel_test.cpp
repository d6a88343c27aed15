#include "agent/device/driver_channel.h"

#include <doctest/doctest.h>
#include <sys/eventfd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

using namespace joulespool;
using device::ChannelItem;
using device::ChannelSink;
using device::SharedRing;
using device::SourceEvent;

namespace {

const std::string id = "js220-1";

struct Channel {
  explicit Channel(size_t ring_bytes)
      : ring([ring_bytes] {
          auto made = SharedRing::create(ring_bytes);
          REQUIRE(made.ok());
          return std::move(*made);
        }()),
        wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        sink(ring, wake.get()) {}

  // The oldest item is in `item`; false: none.
  bool read() {
    const auto record = ring.front();
    REQUIRE(record.ok());
    if (record->empty()) return false;
    bytes.assign(record->begin(), record->end());
    REQUIRE(device::read_item(bytes, item).ok());
    ring.pop();
    return true;
  }

  SharedRing ring;
  device::FileDescriptor wake;
  ChannelSink sink;
  std::vector<std::byte> bytes;
  ChannelItem item;
};

struct Samples {
  explicit Samples(size_t count) : i(count), v(count) {
    for (size_t k = 0; k < count; ++k) {
      i[k] = static_cast<float>(k) * 1e-6F;
      v[k] = -static_cast<float>(k);
    }
    i[0] = std::numeric_limits<float>::quiet_NaN();
    const uint32_t odd_nan = 0xFFC12345;
    std::memcpy(&v[0], &odd_nan, sizeof odd_nan);
  }
  [[nodiscard]] signal::SampleBlock block(uint64_t sample_id, uint64_t life = 5) const {
    return {sample_id, {life, 2'000'000, 2}, {17, -4, 1999999.25, wire::UtcQuality::instrument}, i, v, {}, {}};
  }
  std::vector<float> i, v;
};

template <class T>
bool same_bytes(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

// Blocks and gaps that came, as one stretch: fails where one begins elsewhere than the one before ended.
struct Account {
  uint64_t next = 0;
  uint64_t samples = 0, lost = 0, gaps = 0, notes = 0, others = 0;
  std::string note;

  void add(const ChannelItem& item) {
    if (!item.event) {
      CHECK(item.block.sample_id == next);
      next = item.block.sample_id_end();
      samples += item.block.count();
    } else if (item.event->kind == SourceEvent::Kind::gap) {
      CHECK(item.event->gap.reason == wire::GapReason::overrun);
      CHECK(item.event->gap.sample_id_first == next);
      CHECK((item.event->gap.sample_id_end - next) / 2 == item.event->gap.samples_lost);
      next = item.event->gap.sample_id_end;
      lost += item.event->gap.samples_lost;
      ++gaps;
    } else if (item.event->kind == SourceEvent::Kind::note) {
      note = item.event->text;
      ++notes;
    } else {
      ++others;
    }
  }
};

}  // namespace

TEST_CASE("driver channel: a block arrives bit for bit, with its map and its packed runs") {
  Channel channel(1 << 20);
  const Samples samples(1001);
  std::vector<std::byte> range(501, std::byte{0x73}), gpi(251, std::byte{0xA5});
  const signal::PackedRun runs[] = {{signal::SignalId::current_range, 4, 3'000'000'000'000, 2, 1001, range},
                                    {signal::SignalId::gpi0, 1, 3'000'000'000'000, 1, 2002, gpi}};
  signal::SampleBlock block = samples.block(3'000'000'000'000);
  block.packed = runs;
  SUBCASE("without power") {}
  SUBCASE("with power of its own") { block.p = samples.i; }
  channel.sink.on_samples(id, block);
  eventfd_t woken = 0;
  CHECK(::eventfd_read(channel.wake.get(), &woken) == 0);
  REQUIRE(channel.read());
  const signal::SampleBlock& got = channel.item.block;
  CHECK(channel.item.device == id);
  CHECK(got.sample_id == block.sample_id);
  CHECK(got.axis == block.axis);
  CHECK(got.utc == block.utc);
  CHECK(same_bytes(got.i, block.i));
  CHECK(same_bytes(got.v, block.v));
  CHECK(same_bytes(got.p, block.p));
  REQUIRE(got.packed.size() == 2);
  for (size_t n = 0; n < 2; ++n) {
    CHECK(got.packed[n].signal == runs[n].signal);
    CHECK(got.packed[n].bits == runs[n].bits);
    CHECK(got.packed[n].sample_id == runs[n].sample_id);
    CHECK(got.packed[n].decimation == runs[n].decimation);
    CHECK(got.packed[n].count == runs[n].count);
    CHECK(same_bytes(got.packed[n].data, runs[n].data));
  }
  CHECK(!channel.read());
}

TEST_CASE("driver channel: an event arrives with all it says") {
  Channel channel(1 << 16);
  SourceEvent event;
  event.kind = SourceEvent::Kind::statistics;
  event.text = "why \xc2\xb5";
  event.identity = {id, "js220", "1"};
  event.firmware = "1.3.0";
  event.gap = {wire::GapReason::device_lost, 1, 2, 3, true, 4, -5, 6, {}, {}, "detail"};
  event.statistics = {7, 8, -(int128{1} << 100), int128{1} << 126};
  channel.sink.on_event(id, event);
  REQUIRE(channel.read());
  REQUIRE(channel.item.event);
  const SourceEvent& got = *channel.item.event;
  CHECK(got.kind == event.kind);
  CHECK(got.text == event.text);
  CHECK(got.identity == event.identity);
  CHECK(got.firmware == event.firmware);
  CHECK(got.gap == event.gap);
  CHECK(got.statistics.sample_id_first == 7);
  CHECK(got.statistics.sample_id_end == 8);
  CHECK((got.statistics.charge == event.statistics.charge));
  CHECK((got.statistics.energy == event.statistics.energy));
}

TEST_CASE("driver channel: what does not fit is one gap with the exact range, told before the next block") {
  Channel channel(256 << 10);
  const Samples samples(1000);
  uint64_t sent = 0;
  const auto send = [&](int blocks) {
    for (int n = 0; n < blocks; ++n, ++sent) channel.sink.on_samples(id, samples.block(sent * 2000));
  };
  Account account;
  send(100);  // 800 kB into 256 KiB
  CHECK(!channel.sink.wait_for_room(id, 10'000, {}));
  while (channel.read()) account.add(channel.item);
  CHECK(account.gaps == 0);
  send(1);
  while (channel.read()) account.add(channel.item);
  CHECK(account.gaps == 1);
  CHECK(account.samples + account.lost == sent * 1000);
  CHECK(account.next == sent * 2000);
  CHECK(channel.sink.wait_for_room(id, 10'000, {}));
  SUBCASE("again and again, with a reader that takes little") {
    std::mt19937 random(3);
    for (int round = 0; round < 2000; ++round) {
      send(static_cast<int>(random() % 5));
      for (unsigned n = random() % 4; n > 0 && channel.read(); --n) account.add(channel.item);
    }
    while (channel.read()) account.add(channel.item);
    channel.sink.flush();
    while (channel.read()) account.add(channel.item);
    CHECK(account.samples + account.lost == sent * 1000);
    CHECK(account.next == sent * 2000);
    CHECK(account.notes == 0);
  }
}

TEST_CASE("driver channel: events have room where samples have none, and are counted where they have none either") {
  Channel channel(256 << 10);
  const Samples samples(1000);
  for (uint64_t n = 0; n < 100; ++n) channel.sink.on_samples(id, samples.block(n * 2000));
  SourceEvent statistics;
  statistics.kind = SourceEvent::Kind::statistics;
  SUBCASE("a hundred") {
    for (int n = 0; n < 100; ++n) channel.sink.on_event(id, statistics);
    Account account;
    while (channel.read()) account.add(channel.item);
    CHECK(account.others == 100);
    CHECK(account.gaps == 1);
    CHECK(account.next == 200'000);
  }
  SUBCASE("ten thousand") {
    for (int n = 0; n < 10'000; ++n) channel.sink.on_event(id, statistics);
    Account account;
    while (channel.read()) account.add(channel.item);
    channel.sink.flush();
    while (channel.read()) account.add(channel.item);
    CHECK(account.others < 10'000);
    CHECK(account.notes == 1);
    CHECK(account.note.find(std::to_string(10'000 - account.others) + " events") == 0);
  }
}

TEST_CASE("driver channel: losses of two lives of the counter are two gaps") {
  Channel channel(24 << 10);
  const Samples samples(1500);
  channel.sink.on_samples(id, samples.block(0, 1));
  channel.sink.on_samples(id, samples.block(3000, 1));
  channel.sink.on_samples(id, samples.block(6000, 2));
  REQUIRE(channel.read());
  CHECK(!channel.read());
  channel.sink.flush();
  for (const uint64_t life : {1U, 2U}) {
    REQUIRE(channel.read());
    REQUIRE(channel.item.event);
    CHECK(channel.item.event->gap.axis == life);
    CHECK(channel.item.event->gap.samples_lost == 1500);
  }
  CHECK(!channel.read());
}

TEST_CASE("driver channel: a text without end is cut") {
  Channel channel(64 << 10);
  SourceEvent event;
  event.text.assign(1 << 20, 'x');
  channel.sink.on_event(id, event);
  REQUIRE(channel.read());
  CHECK(channel.item.event->text == std::string(device::event_text_max, 'x'));
}

TEST_CASE("driver channel: damaged records are refused or harmless, whatever byte is wrong") {
  Channel channel(64 << 10);
  const Samples samples(100);
  std::vector<std::byte> gpi(13, std::byte{0xA5});
  const signal::PackedRun run{signal::SignalId::gpi0, 1, 42, 2, 100, gpi};
  signal::SampleBlock block = samples.block(42);
  block.packed = {&run, 1};
  channel.sink.on_samples(id, block);
  REQUIRE(channel.read());
  std::vector<std::vector<std::byte>> records = {channel.bytes};
  SourceEvent event;
  event.kind = SourceEvent::Kind::found;
  event.identity = {id, "js220", "1"};
  channel.sink.on_event(id, event);
  REQUIRE(channel.read());
  records.push_back(channel.bytes);

  for (const std::vector<std::byte>& whole : records) {
    ChannelItem item;
    for (size_t size = 0; size < whole.size(); ++size) CHECK(!device::read_item(std::span(whole).first(size), item).ok());
    std::vector<std::byte> longer = whole;
    longer.resize(whole.size() + 8);
    CHECK(!device::read_item(longer, item).ok());
    std::mt19937 random(11);
    for (int round = 0; round < 100'000; ++round) {
      std::vector<std::byte> damaged = whole;
      for (unsigned n = 1 + random() % 4; n > 0; --n)
        damaged[random() % std::min<size_t>(damaged.size(), 200)] =
            random() % 3 == 0 ? std::byte{0xFF} : static_cast<std::byte>(random());
      if (!device::read_item(damaged, item).ok() || item.event) continue;
      REQUIRE(item.block.i.size() == item.block.v.size());
      REQUIRE(item.block.axis.decimation > 0);
      REQUIRE(item.block.sample_id_end() > item.block.sample_id);
      for (const signal::PackedRun& packed : item.block.packed)
        REQUIRE(packed.data.size() == (packed.count * packed.bits + 7) / 8);
      bool are_floats = true;  // reads all of them
      for (const float value : item.block.i) are_floats = are_floats && (std::isnan(value) || value >= -HUGE_VALF);
      REQUIRE(are_floats);
    }
  }
}
