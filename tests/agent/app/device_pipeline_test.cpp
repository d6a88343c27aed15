#include "agent/app/device_pipeline.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "tests/agent/app/frame_account.h"

namespace {

using namespace joulespool;
using namespace joulespool::test;
using app::DevicePipeline;

// Keeps what was committed, like the spool.
struct Store {
  std::vector<spool::NewFrame> frames;
  std::optional<spool::DevicePosition> position;
  app::NextSeqs next{1, 1, 1};

  void commit(app::Cut cut) {
    for (spool::NewFrame& frame : cut.frames) {
      uint64_t& expected = next[static_cast<size_t>(frame.info.id.sequence.lane) - 1];
      REQUIRE(frame.info.id.seq == expected);
      ++expected;
      frames.push_back(std::move(frame));
    }
    if (cut.position) position = cut.position;
  }
};

}  // namespace

TEST_CASE("pipeline: over drops, overruns, failed commits and crashes every sample is in a wave frame or in one gap record") {
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    Store store;
    auto pipeline = std::make_unique<DevicePipeline>(settings(app::WaveMode::upload), store.position, store.next);
    uint64_t tick = 1000;
    for (int step = 0; step < 300; ++step) {
      const auto what = random() % 100;
      const size_t count = 1 + random() % 3000;
      if (what < 70) {
        pipeline->add(block(tick, count, 5));
        tick += count * decimation;
      } else if (what < 75) {
        tick += decimation * (1 + random() % 5000);  // the instrument drops
      } else if (what < 78) {
        pipeline->add(app::Overrun{5, tick, tick + count * decimation});
        tick += count * decimation;
      } else if (what < 80) {
        pipeline = std::make_unique<DevicePipeline>(settings(app::WaveMode::upload), store.position, store.next);  // killed
      } else {
        app::Cut cut = pipeline->cut({});
        if (random() % 5 == 0) {
          pipeline->lost(wire::GapReason::disk_full, "no space");
        } else {
          store.commit(std::move(cut));
          pipeline->committed();
        }
      }
    }
    pipeline->add(block(tick, 100, 5));
    tick += 100 * decimation;
    pipeline->end("test");
    store.commit(pipeline->cut({}));

    const Account account = account_of(store.frames);
    REQUIRE_FALSE(account.waves.empty());
    const uint64_t first =
        std::min(account.waves.intervals().front().first, account.gaps.empty() ? tick : account.gaps.intervals().front().first);
    IntervalSet everything = account.waves;
    uint64_t overlaps = account.overlaps;
    for (const auto& gap : account.gaps.intervals()) overlaps += everything.insert(gap.first, gap.end);
    CHECK(overlaps == 0);
    CHECK(everything.missing(first, tick).empty());
    CHECK(account.lost * decimation == account.gaps.size());
    CHECK(account.stat == totals_over(account.waves));
    REQUIRE(account.stopped);
    wire::Totals expected = account.stat;
    expected.samples_lost = account.lost;
    CHECK(account.stopped->totals == expected);
    CHECK(store.position->totals == expected);
    CHECK(store.position->sample_id_end == tick);
  }
}

TEST_CASE("pipeline: a frame that did not leave the spool, because the commit failed, has no gap record") {
  Store store;
  DevicePipeline pipeline(settings(app::WaveMode::upload), store.position, store.next);
  pipeline.add(block(0, 5000, 5));
  store.commit(pipeline.cut({}));
  pipeline.committed();
  wire::Gap evicted;
  evicted.reason = wire::GapReason::evicted;
  evicted.axis = 5;
  evicted.lane = wire::Lane::wave;
  evicted.frames = wire::SeqRange{1, 1};
  pipeline.add(block(10'000, 5000, 5));
  app::Cut cut = pipeline.cut({});
  pipeline.record(evicted);
  pipeline.cut_events({}, cut);
  pipeline.lost(wire::GapReason::disk_full, "no space");
  store.commit(pipeline.cut({}));
  const Account account = account_of(store.frames);
  REQUIRE(account.gap_list.size() == 1);
  CHECK(account.gap_list[0].reason == wire::GapReason::disk_full);
}

TEST_CASE("pipeline: frames stay below their limit and are nearly filled") {
  for (const size_t limit : {size_t{16 * 1024}, size_t{120 * 1024}}) {
    Store store;
    DevicePipeline pipeline(settings(app::WaveMode::upload, limit), store.position, store.next);
    for (uint64_t at = 0; at < 10; ++at) pipeline.add(block(at * 100'000, 50'000, 5));
    store.commit(pipeline.cut({}));
    size_t waves = 0, filled = 0;
    for (const spool::NewFrame& frame : store.frames) {
      CHECK(frame.bytes.size() <= limit);
      if (frame.info.id.sequence.lane != wire::Lane::wave) continue;
      ++waves;
      filled += frame.bytes.size() > limit * 8 / 10 ? 1U : 0U;
    }
    CHECK(waves > 1);
    CHECK(filled * 10 >= waves * 7);
  }
}

TEST_CASE("pipeline: without lane wave there are windows only, with keep the frames stay on the host") {
  Store off;
  DevicePipeline without(settings(app::WaveMode::off), off.position, off.next);
  without.add(block(0, 10'000, 5));
  off.commit(without.cut({}));
  for (const spool::NewFrame& frame : off.frames) CHECK(frame.info.id.sequence.lane != wire::Lane::wave);
  CHECK(off.next[2] == 1);

  Store kept;
  DevicePipeline keeping(settings(app::WaveMode::keep), kept.position, kept.next);
  keeping.add(block(0, 10'000, 5));
  kept.commit(keeping.cut({}));
  for (const spool::NewFrame& frame : kept.frames)
    CHECK((frame.info.state == spool::FrameState::kept) == (frame.info.id.sequence.lane == wire::Lane::wave));
  CHECK(kept.next[2] > 1);
}

TEST_CASE("pipeline: a counter that starts anew ends the old axis and starts another") {
  Store store;
  DevicePipeline pipeline(settings(app::WaveMode::upload), store.position, store.next);
  pipeline.add(block(1'000'000, 5000, 5));
  pipeline.add(block(0, 5000, 6));
  pipeline.end("test");
  store.commit(pipeline.cut({}));
  const Account account = account_of(store.frames);
  CHECK(account.starts == 2);
  REQUIRE(account.gap_list.size() == 1);
  CHECK(account.gap_list[0].open_ended);
  CHECK(account.stat.samples == 10'000);
  for (const spool::NewFrame& frame : store.frames) {
    const auto header = std::get<wire::Frame>(wire::read_frame(frame.bytes)).header;
    if (header.lane == wire::Lane::wave) CHECK((header.axis.life == 5) == (header.sample_id_first >= 1'000'000));
  }
}

TEST_CASE("pipeline: GPI bits arrive once, at their place, whatever the frames and whatever blocks repeat") {
  std::mt19937 random(7);
  const uint64_t ticks = 400'000;
  wire::Bytes bits(ticks / 8);
  for (std::byte& byte : bits) byte = static_cast<std::byte>(random());
  const auto bit_at = [&](uint64_t tick) { return (static_cast<unsigned>(bits[tick / 8]) >> (tick % 8)) & 1U; };
  Store store;
  DevicePipeline pipeline(settings(app::WaveMode::upload), store.position, store.next);
  for (uint64_t tick = 0; tick < ticks;) {
    const uint64_t first = random() % 3 == 0 ? tick - std::min<uint64_t>(tick, 2 * (random() % 5000)) : tick;
    const uint64_t end = tick + std::min<uint64_t>(ticks - tick, 2 * (1 + random() % 9000));
    app::OwnedBlock with_bits = block(first, (end - first) / decimation, 5);
    app::OwnedBlock::Packed& packed = with_bits.packed.emplace_back();
    packed.bytes.resize((end - first + 7) / 8);
    for (uint64_t at = first; at < end; ++at)
      packed.bytes[(at - first) / 8] |= static_cast<std::byte>(bit_at(at) << ((at - first) % 8));
    packed.run = {signal::SignalId::gpi0, 1, first, 1, end - first, packed.bytes};
    pipeline.add(with_bits);
    tick = end;
    if (random() % 4 == 0) {
      store.commit(pipeline.cut({}));
      pipeline.committed();
    }
  }
  pipeline.end("test");
  store.commit(pipeline.cut({}));
  uint64_t seen = 0;
  for (const spool::NewFrame& stored : store.frames) {
    const auto frame = std::get<wire::Frame>(wire::read_frame(stored.bytes));
    if (frame.header.lane != wire::Lane::wave) continue;
    const auto samples = codec::decode_samples(frame.payload, frame.header.codec, frame.header.samples);
    REQUIRE(samples.ok());
    for (const codec::DecodedPacked& packed : samples->packed)
      for (uint64_t at = 0; at < packed.count; ++at) {
        const unsigned bit = (static_cast<unsigned>(packed.data[at / 8]) >> (at % 8)) & 1U;
        REQUIRE(bit == bit_at(frame.header.sample_id_first + packed.offset + at * packed.stride));
        ++seen;
      }
  }
  CHECK(seen == ticks);
}
