// The power fails at every moment of a spool's life, and the medium holds what it likes of the writes that no sync confirmed.
// JOULESPOOL_POWER_CUTS: how many cuts (default 500); JOULESPOOL_TEST_SEED replays a run.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "agent/spool/sqlite_spool.h"
#include "tests/support/disk_recorder.h"
#include "tests/support/file_bytes.h"
#include "tests/support/spool_frames.h"
#include "tests/support/survived.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_seed.h"

using namespace joulespool;
using spool::FrameState;
using test::DiskCall;
using test::Unsynced;
using wire::FrameSequence;
using wire::Lane;

namespace {

constexpr const char* device = "js220-001122";
constexpr uint64_t budget_bytes = 4ULL << 20;  // segments of 256 KiB
constexpr uint64_t commits = 60;

struct Model {
  std::map<FrameSequence, std::map<uint64_t, size_t>> frames;  // what is there: seq -> size
  std::map<FrameSequence, uint64_t> next_seq;
  uint64_t sample_id_end = 0;
};

spool::SpoolOptions options(const std::string& directory, const char* boot) {
  spool::SpoolOptions options{directory, test::test_host, budget_bytes};
  options.boot = boot;
  return options;
}

std::unique_ptr<spool::SpoolWriter> open_writer(const std::string& directory, const char* boot) {
  auto writer = spool::open_spool_writer(options(directory, boot));
  REQUIRE_MESSAGE(writer.ok(), (writer ? "" : writer.error().message));
  return std::move(*writer);
}

// A life: commits with frames of three lanes, acks, evictions, and now and then a proper end and a new start.
struct Life {
  std::vector<DiskCall> calls;
  std::vector<Model> after{1};  // the model after each commit; [0]: of the empty spool
  uint64_t epoch = 0;

  explicit Life(std::mt19937_64& random) {
    const test::TemporaryDirectory directory(test::Storage::memory);
    test::DiskRecorder::start(directory.path());
    auto writer = open_writer(directory.path(), "one");
    epoch = writer->epoch();
    for (uint64_t number = 1; number <= commits; ++number) {
      Model model = after.back();
      spool::Commit commit;
      make_room(*writer, model, commit);
      fill(model, commit, random);
      after.push_back(std::move(model));
      test::DiskRecorder::mark(2 * number);  // under way
      REQUIRE(writer->commit(commit).ok());
      test::DiskRecorder::mark(2 * number + 1);  // confirmed
      if (random() % 15 == 0) {
        writer.reset();
        writer = open_writer(directory.path(), "one");
        REQUIRE(writer->epoch() == epoch);
      }
    }
    calls = test::DiskRecorder::stop();
  }

 private:
  static void take_out(Model& model, const wire::FrameId& id) { model.frames[id.sequence].erase(id.seq); }

  static void make_room(spool::SpoolWriter& writer, Model& model, spool::Commit& commit) {
    const auto plan = writer.make_room({.bytes = 150'000});
    std::vector<spool::FrameInfo> leaving = plan->drop;
    leaving.insert(leaving.end(), plan->merge.begin(), plan->merge.end());
    for (const auto& victim : leaving) {
      commit.dropped.push_back(victim.id);
      take_out(model, victim.id);
    }
  }
  void fill(Model& model, spool::Commit& commit, std::mt19937_64& random) const {
    for (const Lane lane : wire::lanes) {
      const FrameSequence sequence{device, epoch, lane};
      uint64_t& next = model.next_seq.try_emplace(sequence, 1).first->second;
      auto& there = model.frames[sequence];
      if (random() % 3 == 0 && !there.empty()) {
        const wire::SeqRange range{there.begin()->first, there.begin()->first + random() % 8};
        commit.stored.push_back({sequence, range});
        std::erase_if(there, [&](const auto& frame) { return frame.first >= range.first && frame.first <= range.last; });
      }
      for (auto count = random() % 4; count > 0; --count, ++next) {
        const size_t size = random() % 3 == 0 ? random() % 60'000 : random() % 3000;
        commit.frames.push_back(test::new_frame(sequence, next, size));
        there[next] = size;
      }
    }
    model.sample_id_end += 1000;
    commit.positions = {test::position_at(device, model.sample_id_end)};
  }
};

// What is wrong with a spool; no problem: nothing.
struct Finding {
  std::string problem;
  uint64_t samples = 0;      // confirmed before the cut
  uint64_t unaccounted = 0;  // of these, not there any more
};

constexpr uint64_t frame_samples = 1000;

uint64_t samples_in(const Model& model) {
  uint64_t frames = 0;
  for (const auto& [sequence, there] : model.frames) frames += there.size();
  return frames * frame_samples;
}

// Frames of `model` that the spool does not give back as they were are unaccounted: nothing else tells of them.
Finding compare(spool::SpoolReader& reader, const Model& model) {
  Finding found{"", samples_in(model)};
  const auto positions = reader.positions();
  const uint64_t end = !positions || positions->empty() ? 0 : positions->front().sample_id_end;
  if (end != model.sample_id_end)
    found.problem = "position " + std::to_string(end) + " for " + std::to_string(model.sample_id_end);
  for (const auto& [sequence, frames] : model.frames) {
    const auto read = reader.read(sequence, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
    if (!read) found.problem = read.error().message;
    size_t well = 0;
    if (read)
      for (const auto& frame : *read) {
        const auto expected = frames.find(frame.info.id.seq);
        if (expected != frames.end() && frame.intact && frame.bytes == test::frame_bytes(frame.info.id, expected->second)) ++well;
        else found.problem = "frame " + std::to_string(frame.info.id.seq);
      }
    if (well == frames.size()) continue;
    found.unaccounted += (frames.size() - well) * frame_samples;
    found.problem = std::to_string(well) + " frames of " + std::to_string(frames.size());
  }
  return found;
}

// Nothing can be read: all of `model` is gone.
Finding nothing_left(const Model& model, const std::string& problem) { return {problem, samples_in(model), samples_in(model)}; }

// What is wrong after a cut before call `cut`.
Finding look_after(const Life& life, size_t cut, Unsynced unsynced, std::mt19937_64& random) {
  uint64_t under_way = 0, confirmed = 0;
  for (size_t at = 0; at < cut; ++at) {
    if (life.calls[at].kind != DiskCall::Kind::mark) continue;
    (life.calls[at].position % 2 == 0 ? under_way : confirmed) = life.calls[at].position / 2;
  }
  const test::TemporaryDirectory directory(test::Storage::memory);
  for (const auto& [name, bytes] : test::files_after_cut(life.calls, cut, unsynced, random))
    test::write_file(directory / name, bytes);
  const Model& promised = life.after[confirmed];
  auto writer = spool::open_spool_writer(options(directory.path(), "two"));
  if (!writer) return nothing_left(promised, writer.error().message);
  auto reader = spool::open_spool_reader(directory.path());
  if (!reader) return nothing_left(promised, reader.error().message);
  Finding found = compare(**reader, promised);
  if (!found.problem.empty() && under_way > confirmed) {
    const Finding with_the_last = compare(**reader, life.after[under_way]);
    if (with_the_last.problem.empty()) found = with_the_last;
  }
  if (!found.problem.empty()) found.problem = "after commit " + std::to_string(confirmed) + ": " + found.problem;
  // The epoch goes on after a proper end only, and then every number that was ever confirmed is known.
  for (const auto& [sequence, next] : promised.next_seq)
    if ((*writer)->epoch() == life.epoch && (*writer)->next_seq(sequence) < next) found.problem = "a number could be used again";
  const FrameSequence stat{device, (*writer)->epoch(), Lane::stat};
  const Status goes_on = (*writer)->commit(test::commit_of(stat, (*writer)->next_seq(stat), 3, 2000));
  if (!goes_on) found.problem = goes_on.error().message;
  return found;
}

// Every sync with what lies before and behind it, then any moment.
std::vector<size_t> cuts_of(const Life& life, size_t count, std::mt19937_64& random) {
  std::vector<size_t> cuts;
  for (size_t at = 0; at < life.calls.size(); ++at)
    if (life.calls[at].kind == DiskCall::Kind::sync || life.calls[at].kind == DiskCall::Kind::sync_folder) {
      cuts.push_back(at);
      cuts.push_back(at + 1);
    }
  std::shuffle(cuts.begin(), cuts.end(), random);
  while (cuts.size() < count) cuts.push_back(random() % (life.calls.size() + 1));
  cuts.resize(count);
  return cuts;
}

constexpr Unsynced kinds[] = {Unsynced::lost, Unsynced::kept, Unsynced::some, Unsynced::torn};

}  // namespace

TEST_CASE(
    "power cut: at any moment, whatever the medium keeps, every confirmed commit is there, whole, and nothing half of one") {
  const uint64_t seed = test::first_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  constexpr uint64_t cuts_of_a_life = 250;
  test::Survived survived{"power cuts", 0, test::wanted("JOULESPOOL_POWER_CUTS", 500)};
  size_t lives = 0;
  for (; survived.done < survived.planned; ++lives) {
    const Life life(random);
    for (const size_t cut : cuts_of(life, std::min(cuts_of_a_life, survived.planned - survived.done), random)) {
      const Unsynced kind = kinds[random() % std::size(kinds)];
      CAPTURE(cut);
      CAPTURE(static_cast<int>(kind));
      const Finding found = look_after(life, cut, kind, random);
      CHECK_MESSAGE(found.problem.empty(), found.problem);
      survived.samples += found.samples;
      survived.unaccounted += found.unaccounted;
      ++survived.done;
    }
  }
  CHECK(survived.unaccounted == 0);
  survived.detail = std::to_string(lives) + " lives, before and behind every sync and at random calls";
  test::report(survived);
}

TEST_CASE("power cut: the test finds a spool that does not sync") {
  std::mt19937_64 random(test::first_seed());
  Life life(random);
  // As with PRAGMA synchronous = OFF: the folder is synced, what is in its files is not.
  std::erase_if(life.calls, [](const DiskCall& call) { return call.kind == DiskCall::Kind::sync; });
  test::Canary canary{"power cuts of a spool with synchronous = OFF"};
  for (; canary.tried < 50; ++canary.tried) {
    const Finding found = look_after(life, random() % life.calls.size(), kinds[random() % std::size(kinds)], random);
    if (!found.problem.empty()) ++canary.seen;
    canary.unaccounted += found.unaccounted;
  }
  CHECK(canary.seen > 10);
  CHECK(canary.unaccounted > 0);
  test::report(canary);
}
